//! The rules: which functions, which values, and what goes together.

mod durable;
mod lifetimes;
mod transaction;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::visit::{self, Visit};
use syn::{Error, Expr, FnArg, Lit, Pat, PatIdent};

use crate::args::{Args, Argument};
use crate::errors::Errors;
use crate::input::{Answer, Function};
use crate::known::Name;
use crate::model::{At, Durable, InFlight, Keep, Missing, Model, OnFailure, Retention, Transaction};
use crate::operand::{Operand, bare, start};
use crate::{types, values};

/// What the features of the crate allow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Features {
    pub(crate) tokio: bool,
    pub(crate) durable: bool,
    pub(crate) transactions: bool,
}

/// The model; without one, or beside it, the mistakes.
pub(crate) fn check(args: &Args, function: &Function, features: Features, errors: &mut Errors) -> Option<Model> {
    check_function(function, errors);
    lifetimes::check_detached(args, function, features, errors);
    lifetimes::check_future(args, function, errors);
    let draft = Draft::read(args, function, features, errors);
    draft.check_failures(errors);
    draft.check_share(errors);
    draft.check_missing(errors);
    draft.check_handle(errors);
    draft.finish()
}

/// What could be read, before it is known whether it goes together.
struct Draft<'a> {
    args: &'a Args,
    function: &'a Function,
    key: Option<Operand>,
    missing: Option<At<Missing>>,
    scope: Option<TokenStream>,
    retention: Option<At<Retention>>,
    in_flight: Option<At<InFlight>>,
    capacity: Option<TokenStream>,
    fingerprint: Option<At<Operand>>,
    keep: Option<At<Keep>>,
    on_failure: Option<At<OnFailure>>,
    handle: Option<Ident>,
    durable: Option<Durable>,
    transaction: Option<Transaction>,
    root: Option<TokenStream>,
}

impl<'a> Draft<'a> {
    fn read(args: &'a Args, function: &'a Function, features: Features, errors: &mut Errors) -> Self {
        Self {
            args,
            function,
            key: check_key(args, function, errors),
            missing: read(args, Name::Missing, values::missing, errors),
            scope: check_scope(args, function, errors),
            retention: read(args, Name::Retention, values::retention, errors),
            in_flight: read(args, Name::InFlight, values::in_flight, errors),
            capacity: read(args, Name::Capacity, values::capacity, errors).map(|count| count.value),
            fingerprint: check_fingerprint(args, errors),
            keep: read(args, Name::Keep, values::keep, errors),
            on_failure: read(args, Name::OnFailure, values::on_failure, errors),
            handle: read(args, Name::Handle, values::handle, errors).map(|handle| handle.value),
            durable: durable::check(args, features, errors),
            transaction: transaction::check(args, function, features, errors),
            root: read(args, Name::Crate, values::root, errors).map(|root| root.value),
        }
    }

    /// The arguments through which a call can be refused.
    fn refusals(&self) -> impl Iterator<Item = &'a Argument> {
        let rejects = self.missing.as_ref().is_some_and(|at| at.value == Missing::Reject);
        let limits = self.in_flight.as_ref().is_some_and(|at| at.value != InFlight::Wait);
        let args = self.args;
        [
            args.find(Name::Missing).filter(|_| rejects),
            args.find(Name::InFlight).filter(|_| limits),
            args.find(Name::Fingerprint),
            args.find(Name::Capacity),
            args.find(Name::Durable),
            args.find(Name::Store),
            args.find(Name::Transaction),
        ]
        .into_iter()
        .flatten()
    }

    fn check_failures(&self, errors: &mut Errors) {
        if !self.function.cannot_fail() {
            return;
        }
        for Argument { word, .. } in self.refusals() {
            errors.at(
                word,
                format!(
                    "`{word}` can refuse a call, and this function cannot say so: \
                     let it return `Result<_, E>` with `E: From<idempotently::Error>`"
                ),
            );
        }
        if let (Some(At { value: Keep::Ok, .. }), Some((_, value))) = (&self.keep, self.args.value(Name::Keep)) {
            errors.at(
                value,
                "`ok` keeps the `Ok` of a `Result`, and this function returns none: \
                 leave `keep` out to keep every outcome, or give a predicate",
            );
        }
    }

    fn check_share(&self, errors: &mut Errors) {
        if self.on_failure.as_ref().is_none_or(|at| at.value != OnFailure::Share) {
            return;
        }
        let keep = self.keep.as_ref().map(|at| &at.value);
        if matches!(keep, Some(Keep::All)) {
            self.contradiction(
                (Name::OnFailure, Name::Keep),
                "`keep = all` keeps every outcome, so there is no failure that \
                 `on_failure = share` could share: leave one of the two out",
                errors,
            );
        } else if keep.is_none() && self.function.cannot_fail() {
            self.contradiction(
                (Name::OnFailure, Name::OnFailure),
                "every outcome of this function is kept, so there is no failure to share: \
                 leave `on_failure` out, or say with `keep` which outcomes are kept",
                errors,
            );
        }
        if self.in_flight.as_ref().is_some_and(|at| at.value == InFlight::Reject) {
            self.contradiction(
                (Name::OnFailure, Name::InFlight),
                "with `in_flight = reject` nobody waits, so there is nobody that \
                 `on_failure = share` could share with: leave one of the two out",
                errors,
            );
        }
    }

    /// Reports at whichever of the two was written later.
    fn contradiction(&self, (one, other): (Name, Name), message: &str, errors: &mut Errors) {
        if let Some(argument) = self.args.later(one, other) {
            errors.at(argument, message);
        }
    }

    fn check_missing(&self, errors: &mut Errors) {
        let (Some(key), Some(_)) = (&self.key, self.args.find(Name::Missing)) else { return };
        if let (true, Some((_, value))) = (key.is_composite(), self.args.value(Name::Key)) {
            errors.at(
                value,
                "with `missing` the key is one `Option`: put the parts into it, \
                 as in `key = key.as_ref().map(|key| (tenant, key))`",
            );
        }
    }

    fn check_handle(&self, errors: &mut Errors) {
        let Some(handle) = &self.handle else { return };
        let own_type = Ident::new("Self", Span::call_site());
        let sig = &self.function.sig;
        if sig.receiver().is_some() || types::mentions(sig.to_token_stream(), &[&own_type]) {
            errors.at(
                handle,
                "`handle` makes a static beside the function, and a method has no place for one: \
                 leave it out, or let the method call a free function that has it",
            );
        }
    }

    fn finish(self) -> Option<Model> {
        let fallible = self.refusals().next().is_some();
        let default_root = || quote_spanned!(Span::mixed_site()=> ::idempotently);
        Some(Model {
            root: self.root.unwrap_or_else(default_root),
            key: self.key?,
            missing: self.missing,
            scope: self.scope,
            retention: self.retention,
            in_flight: self.in_flight,
            capacity: self.capacity,
            fingerprint: self.fingerprint,
            keep: self.keep,
            share: self.on_failure.is_some_and(|at| at.value == OnFailure::Share),
            fallible,
            detached: self.args.find(Name::Detached).is_some(),
            handle: self.handle,
            durable: self.durable,
            transaction: self.transaction,
        })
    }
}

/// The value of one argument, with its place.
fn read<T>(args: &Args, name: Name, parse: impl FnOnce(&Expr) -> syn::Result<T>, errors: &mut Errors) -> Option<At<T>> {
    let (_, expr) = args.value(name)?;
    let value = errors.keep(parse(expr))?;
    Some(At { span: start(expr), value })
}

fn check_key(args: &Args, function: &Function, errors: &mut Errors) -> Option<Operand> {
    let names = argument_names(function);
    if !args.has_key() {
        let example = names.first().map_or_else(|| "payment_id".to_owned(), Ident::to_string);
        errors.push(Error::new(
            Span::call_site(),
            format!("`key` is missing: say what makes two calls the same, as in `key = {example}`"),
        ));
    }
    let (_, expr) = args.value(Name::Key)?;
    if let Some(text) = quoted_argument(expr, &names) {
        errors.at(
            expr,
            format!(
                "this text is the same in every call: \
                 write `key = {text}`, or make it a hole, `key = \"{{{text}}}\"`"
            ),
        );
        return None;
    }
    Operand::key(expr, errors)
}

/// The text of a literal that reads like an argument, or like something in it.
fn quoted_argument(expr: &Expr, names: &[Ident]) -> Option<String> {
    let Expr::Lit(literal) = bare(expr) else { return None };
    let Lit::Str(literal) = &literal.lit else { return None };
    let text = literal.value();
    let reads_like = |name: &Ident| {
        let after = text.strip_prefix(&name.to_string());
        after.is_some_and(|after| after.is_empty() || after.starts_with('.'))
    };
    let is_value = matches!(literal.parse(), Ok(Expr::Path(_) | Expr::Field(_) | Expr::MethodCall(_)));
    if is_value && names.iter().any(reads_like) { Some(text) } else { None }
}

fn check_scope(args: &Args, function: &Function, errors: &mut Errors) -> Option<TokenStream> {
    let names = argument_names(function);
    read(args, Name::Scope, |value| values::scope(value, &names), errors).map(|scope| scope.value)
}

fn check_fingerprint(args: &Args, errors: &mut Errors) -> Option<At<Operand>> {
    let (_, expr) = args.value(Name::Fingerprint)?;
    let same_as_key = args
        .value(Name::Key)
        .is_some_and(|(_, key)| bare(key).to_token_stream().to_string() == bare(expr).to_token_stream().to_string());
    if same_as_key {
        errors.at(
            expr,
            "the fingerprint of a key never differs from that key: \
             name what must not change between two calls with one key",
        );
        return None;
    }
    let value = Operand::fingerprint(expr, errors)?;
    Some(At { span: start(expr), value })
}

/// The names that the arguments bind, `self` last.
fn argument_names(function: &Function) -> Vec<Ident> {
    let mut names = Vec::new();
    for argument in &function.sig.inputs {
        if let FnArg::Typed(argument) = argument {
            names.extend(bound_names(&argument.pat));
        }
    }
    if let Some(receiver) = function.sig.receiver() {
        names.push(Ident::new("self", receiver.self_token.span));
    }
    names
}

/// The names that a pattern binds.
fn bound_names(pattern: &Pat) -> Vec<Ident> {
    struct Names(Vec<Ident>);
    impl<'ast> Visit<'ast> for Names {
        fn visit_pat_ident(&mut self, pattern: &'ast PatIdent) {
            self.0.push(pattern.ident.clone());
            visit::visit_pat_ident(self, pattern);
        }
    }
    let mut names = Names(Vec::new());
    names.visit_pat(pattern);
    names.0
}

fn check_function(function: &Function, errors: &mut Errors) {
    let sig = &function.sig;
    if let Some(constness) = &sig.constness {
        errors.at(constness, "a `const fn` has no memory of earlier calls: remove `const`");
    }
    if sig.ident == "main" && sig.inputs.is_empty() {
        errors.at(&sig.ident, "`main` runs once as it is: annotate a function that it calls");
    }
    if let Some(variadic) = &sig.variadic {
        errors.at(variadic, "a variadic function cannot be annotated: let it call one that can");
    }
    for attr in &function.attrs {
        if attr.path().segments.last().is_some_and(|last| last.ident == "idempotent") {
            errors.at(attr, "one function is one operation: remove one of the two attributes");
        }
    }
    check_outcome(function, errors);
}

fn check_outcome(function: &Function, errors: &mut Errors) {
    let Some(returned) = function.returns() else { return };
    if function.answer() == Answer::Async && types::future(returned).is_some() {
        errors.at(
            returned,
            "the future would be kept and not what it yields: \
             remove `async`, or await the future and return its output",
        );
        return;
    }
    let Some(outcome) = function.outcome() else { return };
    if matches!(outcome, syn::Type::Never(_)) {
        errors.at(outcome, "a function that never returns has no outcome to keep");
    } else if types::borrows(outcome) {
        errors.at(
            outcome,
            "an outcome outlives the call that made it, so it cannot borrow: \
             return an owned value, such as `String` for `&str`",
        );
    }
}
