//! What the value of each argument says.

use std::fmt::Display;
use std::time::Duration;

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::{Error, Expr, Lit, LitInt, LitStr};

use crate::duration;
use crate::model::{InFlight, Keep, Missing, OnFailure, Retention};
use crate::operand::bare;

fn wrong<T>(value: &Expr, message: impl Display) -> syn::Result<T> {
    Err(Error::new_spanned(value, message))
}

/// A value that is a single name.
fn name(value: &Expr) -> Option<&Ident> {
    match bare(value) {
        Expr::Path(path) if path.qself.is_none() => path.path.get_ident(),
        _ => None,
    }
}

fn word(value: &Expr) -> Option<String> {
    name(value).map(Ident::to_string)
}

fn text(value: &Expr) -> Option<&LitStr> {
    match bare(value) {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

fn length(text: &LitStr) -> syn::Result<Duration> {
    duration::parse(&text.value()).map_err(|message| Error::new(text.span(), message))
}

pub(crate) fn missing(value: &Expr) -> syn::Result<Missing> {
    match word(value).as_deref() {
        Some("run") => Ok(Missing::Run),
        Some("reject") => Ok(Missing::Reject),
        _ => wrong(value, "`missing` is `run` (a call without a key runs unprotected) or `reject` (it is refused)"),
    }
}

pub(crate) fn scope(value: &Expr) -> syn::Result<TokenStream> {
    const SHAPE: &str = "`scope` is a name that is the same in every call, as in `scope = \"payments.charge\"`";
    match (text(value), bare(value)) {
        (Some(text), _) if text.value().trim().is_empty() => wrong(value, SHAPE),
        (Some(text), _) if text.value().contains(['{', '}']) => {
            wrong(value, "`scope` has no holes, for it is the same in every call: what differs belongs to `key`")
        }
        (None, Expr::Lit(_) | Expr::Tuple(_)) => wrong(value, SHAPE),
        _ => Ok(value.to_token_stream()),
    }
}

pub(crate) fn retention(value: &Expr) -> syn::Result<Retention> {
    match (text(value), bare(value)) {
        (Some(text), _) if text.value() == "forever" => wrong(value, "write `forever` without the quotation marks"),
        (Some(text), _) => length(text).map(Retention::For),
        (None, Expr::Lit(_) | Expr::Tuple(_)) => wrong(
            value,
            "`retention` is a text such as `\"24h\"`, or `forever`, \
             or an expression of type `Duration`",
        ),
        _ if word(value).as_deref() == Some("forever") => Ok(Retention::Forever),
        _ => Ok(Retention::Each(value.to_token_stream())),
    }
}

pub(crate) fn in_flight(value: &Expr) -> syn::Result<InFlight> {
    let limit = match bare(value) {
        Expr::Call(call) if word(&call.func).as_deref() == Some("wait") && call.args.len() == 1 => {
            call.args.first().and_then(text)
        }
        _ => None,
    };
    match (word(value).as_deref(), limit) {
        (Some("wait"), _) => Ok(InFlight::Wait),
        (Some("reject"), _) => Ok(InFlight::Reject),
        (_, Some(limit)) => length(limit).map(InFlight::WaitFor),
        _ => wrong(value, "`in_flight` is `wait`, `wait(\"10s\")` or `reject`"),
    }
}

pub(crate) fn keep(value: &Expr) -> syn::Result<Keep> {
    match (word(value).as_deref(), bare(value)) {
        (Some("ok"), _) => Ok(Keep::Ok),
        (Some("all"), _) => Ok(Keep::All),
        (_, Expr::Lit(_) | Expr::Tuple(_)) => {
            wrong(value, "`keep` is `ok`, `all`, or a predicate such as `|outcome| outcome.is_final()`")
        }
        _ => Ok(Keep::If(value.to_token_stream())),
    }
}

pub(crate) fn on_failure(value: &Expr) -> syn::Result<OnFailure> {
    match word(value).as_deref() {
        Some("retry") => Ok(OnFailure::Retry),
        Some("share") => Ok(OnFailure::Share),
        _ => wrong(
            value,
            "`on_failure` is `retry` (one of those who wait runs next) \
             or `share` (all get the outcome that failed)",
        ),
    }
}

pub(crate) fn capacity(value: &Expr) -> syn::Result<LitInt> {
    let count = match bare(value) {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(count) => Some(count),
            _ => None,
        },
        _ => None,
    };
    match count {
        Some(count) if count.base10_parse::<usize>().is_ok_and(|count| count > 0) => Ok(count.clone()),
        _ => wrong(
            value,
            "`capacity` is how many records may be kept, a whole number from 1 on, \
             as in `capacity = 10_000`; leave it out for no limit",
        ),
    }
}

pub(crate) fn handle(value: &Expr) -> syn::Result<Ident> {
    name(value)
        .cloned()
        .map_or_else(|| wrong(value, "`handle` is the name of the static to make, as in `handle = CHARGE`"), Ok)
}

pub(crate) fn root(value: &Expr) -> syn::Result<TokenStream> {
    match bare(value) {
        Expr::Path(path)
            if path.qself.is_none() && path.path.segments.iter().all(|segment| segment.arguments.is_none()) =>
        {
            Ok(path.path.to_token_stream())
        }
        _ => wrong(
            value,
            "`crate` is the path to `idempotently`, as in `crate = my_crate::idempotently`, \
             without quotation marks",
        ),
    }
}
