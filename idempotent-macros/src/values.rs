//! What the value of each argument says.

use std::fmt::Display;
use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use quote::ToTokens;
use syn::{Error, Expr, ExprPath, Lit, LitInt, LitStr, Member};

use crate::duration;
use crate::model::{Held, InFlight, Interrupted, Keep, Missing, OnFailure, Records, Retention};
use crate::operand::bare;
use crate::types;

fn wrong<T>(value: impl ToTokens, message: impl Display) -> syn::Result<T> {
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

fn integer(value: &Expr) -> Option<&LitInt> {
    match bare(value) {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(number) => Some(number),
            _ => None,
        },
        _ => None,
    }
}

/// The only argument of a call of `function`.
fn argument<'a>(value: &'a Expr, function: &str) -> Option<&'a Expr> {
    match bare(value) {
        Expr::Call(call) if word(&call.func).as_deref() == Some(function) && call.args.len() == 1 => call.args.first(),
        _ => None,
    }
}

/// Whether it is written as variables, functions and modules are, and not as constants and types.
fn is_small(name: &Ident) -> bool {
    !name.to_string().contains(char::is_uppercase)
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

/// A name, where `variables` are known.
pub(crate) fn scope(value: &Expr, variables: &[Ident]) -> syn::Result<TokenStream> {
    const SHAPE: &str = "`scope` is a name that is the same in every call, as in `scope = \"payments.charge\"`";
    match (text(value), bare(value)) {
        (Some(text), _) if text.value().trim().is_empty() => wrong(value, SHAPE),
        (Some(text), _) if text.value().contains(['{', '}']) => {
            wrong(value, "`scope` has no holes, for it is the same in every call: what differs belongs to `key`")
        }
        (None, Expr::Lit(_) | Expr::Tuple(_)) => wrong(value, SHAPE),
        _ => match unquoted(value, variables) {
            Some(text) => wrong(value, format!("`scope` is a text: write `scope = \"{text}\"`")),
            None => Ok(value.to_token_stream()),
        },
    }
}

/// What is written like a variable, or a field of one, and begins with none that is known.
fn unquoted(value: &Expr, variables: &[Ident]) -> Option<String> {
    match bare(value) {
        Expr::Path(ExprPath { qself: None, path, .. }) if path.leading_colon.is_none() => {
            let first = &path.segments.first()?.ident;
            let reserved = ["self", "crate", "super"].iter().any(|word| first == word);
            let unknown = !reserved && !variables.contains(first);
            let named = path.segments.iter().all(|part| part.arguments.is_none() && is_small(&part.ident));
            let text = || path.segments.iter().map(|part| part.ident.to_string()).collect::<Vec<_>>().join("::");
            (unknown && named).then(text)
        }
        Expr::Field(field) => match &field.member {
            Member::Named(member) => Some(format!("{}.{member}", unquoted(&field.base, variables)?)),
            Member::Unnamed(_) => None,
        },
        _ => None,
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
    let limit = argument(value, "wait").and_then(text);
    match (word(value).as_deref(), limit) {
        (Some("wait"), _) => Ok(InFlight::Wait),
        (Some("reject"), _) => Ok(InFlight::Reject),
        (_, Some(limit)) => length(limit).map(InFlight::WaitFor),
        _ => wrong(value, "`in_flight` is `wait`, `wait(\"10s\")` or `reject`"),
    }
}

/// Words that say which outcomes, and are no name for a predicate.
const NO_PREDICATE: [&str; 12] =
    ["always", "any", "both", "err", "error", "errors", "everything", "never", "none", "nothing", "some", "success"];

pub(crate) fn keep(value: &Expr) -> syn::Result<Keep> {
    const SHAPE: &str = "`keep` is `ok`, `all`, or a predicate such as `|outcome| outcome.is_final()`";
    match (word(value).as_deref(), bare(value)) {
        (Some("ok"), _) => Ok(Keep::Ok),
        (Some("all"), _) => Ok(Keep::All),
        (Some(word), _) if NO_PREDICATE.contains(&word) => wrong(value, SHAPE),
        (_, Expr::Lit(_) | Expr::Tuple(_)) => wrong(value, SHAPE),
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

/// A number, or what can be a constant; whether that is zero is for the compiler to see.
///
/// It goes into a static, which sees neither `Self` nor the `parameters` of the function.
pub(crate) fn capacity(value: &Expr, parameters: &[&Ident]) -> syn::Result<TokenStream> {
    let own_type = Ident::new("Self", Span::call_site());
    let mut unseen = parameters.iter().copied().chain([&own_type]);
    if let Some(name) = unseen.find(|name| types::mentions(value.to_token_stream(), &[name])) {
        return wrong(
            value,
            format!(
                "`capacity` is a constant of the operation, which cannot see `{name}`: \
                 write a number, or a constant by the name of its type or module, as in `Limits::MOST`"
            ),
        );
    }
    let fits = match (integer(value), bare(value)) {
        (Some(count), _) => count.base10_parse::<usize>().is_ok_and(|count| count > 0),
        (None, Expr::Path(_)) => name(value).is_none_or(|name| !is_small(name)),
        (None, Expr::Binary(_) | Expr::Block(_) | Expr::Call(_) | Expr::Cast(_) | Expr::Macro(_)) => true,
        _ => false,
    };
    if fits {
        return Ok(bare(value).to_token_stream());
    }
    wrong(
        value,
        "`capacity` is how many records may be kept: a whole number from 1 on, or a constant, \
         as in `capacity = 10_000`; leave it out for no limit",
    )
}

/// Any expression that is not plainly something else.
pub(crate) fn store(value: &Expr) -> syn::Result<Records> {
    match bare(value) {
        Expr::Lit(_) | Expr::Tuple(_) => wrong(
            value,
            "`store` is a reference to a `SharedStore`, as in `store = &self.store`; \
             for a URL open it once, with `idempotently::connect`",
        ),
        bare => Ok(Records::In(bare.to_token_stream())),
    }
}

/// An argument, or a field of `self`.
pub(crate) fn transaction(value: &Expr) -> syn::Result<Held> {
    match (name(value), bare(value)) {
        (Some(name), _) if name != "self" => Ok(Held::Argument(name.clone())),
        (_, Expr::Field(field)) if is_of_self(&field.base) => Ok(Held::Field(bare(value).to_token_stream())),
        _ => wrong(
            value,
            "`transaction` is the argument that is the connection or transaction, as in `transaction = tx`, \
             or a field of `self`, as in `transaction = self.tx`",
        ),
    }
}

/// Whether it is `self`, or a field of it.
fn is_of_self(value: &Expr) -> bool {
    match bare(value) {
        Expr::Field(field) => is_of_self(&field.base),
        value => name(value).is_some_and(|name| name == "self"),
    }
}

pub(crate) fn interrupted(value: &Expr) -> syn::Result<Interrupted> {
    let limit = argument(value, "retry").and_then(integer);
    match (word(value).as_deref(), limit) {
        (Some("retry"), _) => Ok(Interrupted::Retry),
        (Some("fail"), _) => Ok(Interrupted::Fail),
        (_, Some(limit)) => match limit.base10_parse() {
            Ok(count) if count > 0 => Ok(Interrupted::RetryUpTo(count)),
            _ => wrong(
                limit,
                "`retry(5)` runs the work again at most 5 times, a whole number from 1 on: for none write `fail`",
            ),
        },
        _ => wrong(
            value,
            "`interrupted` is `retry` (the next caller runs the work again), `retry(5)` (at most 5 times) \
             or `fail` (nobody runs it again)",
        ),
    }
}

pub(crate) fn lease(value: &Expr) -> syn::Result<Duration> {
    match text(value) {
        Some(text) => length(text),
        None => wrong(value, "`lease` is how long a silent process is believed, a text such as `\"30s\"`"),
    }
}

pub(crate) fn max_run(value: &Expr) -> syn::Result<Duration> {
    match text(value) {
        Some(text) => length(text),
        None => wrong(value, "`max_run` is when a body that hangs is given up, a text such as `\"15m\"`"),
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
