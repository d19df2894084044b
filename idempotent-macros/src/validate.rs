//! The rules: which functions, which values, and what goes together.

mod durable;
mod lifetimes;
mod transaction;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::visit::{self, Visit};
use syn::{Error, Expr, ExprLit, ExprUnary, FnArg, Lit, Pat, PatIdent, UnOp};

use crate::args::{Args, Argument, as_written};
use crate::errors::Errors;
use crate::input::{Answer, Function};
use crate::known::Name;
use crate::model::{At, Durable, InFlight, Keep, Missing, Model, OnFailure, Retention, Transaction};
use crate::operand::{Operand, bare, is_float, start};
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
    check_self(args, function, errors);
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
            capacity: check_capacity(args, function, errors),
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
            args.find(Name::Transaction),
            args.find(Name::Durable),
            args.find(Name::Store),
            args.find(Name::Missing).filter(|_| rejects),
            args.find(Name::InFlight).filter(|_| limits),
            args.find(Name::Fingerprint),
            args.find(Name::Capacity),
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
        let Function { sig, body, .. } = self.function;
        let names_own_type = |tokens: TokenStream| types::mentions(tokens, &[&own_type]);
        // In a body with items of its own it may be the type of one of those.
        let items = ["impl", "trait", "struct", "enum"].map(|word| Ident::new(word, Span::call_site()));
        let has_items = types::mentions(body.stream(), &items.each_ref());
        if sig.receiver().is_some()
            || names_own_type(sig.to_token_stream())
            || self.args.iter().any(|argument| names_own_type(argument.value.to_token_stream()))
            || (!has_items && names_own_type(body.stream()))
        {
            errors.at(
                handle,
                "`handle` makes a static beside the function, and a method has no place for one: \
                 leave it out, or let the method call a free function that has it",
            );
        }
    }

    fn finish(self) -> Option<Model> {
        let refused_by = self.refusals().next().map(Argument::known_word);
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
            refused_by,
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
    let example = || names.first().map_or_else(|| "payment_id".to_owned(), Ident::to_string);
    if !args.has_key() {
        errors.push(Error::new(
            Span::call_site(),
            format!("`key` is missing: say what makes two calls the same, as in `key = {}`", example()),
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
    if is_constant(expr) && !function.sig.inputs.is_empty() {
        let (example, constant) = (example(), as_written(bare(expr)));
        errors.at(
            expr,
            format!(
                "this key is the same in every call, so all of them get the first one's outcome: name what tells two calls \
                 apart, as in `key = {example}`; where all calls are one, write `key = ({constant},)`"
            ),
        );
        return None;
    }
    Operand::key(expr, errors)
}

/// Whether it is a literal, and a text without a hole.
fn is_constant(expr: &Expr) -> bool {
    match bare(expr) {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
            let value = text.value();
            // A text that cannot be a key is refused for that.
            !value.is_empty() && !value.replace("{{", "").replace("}}", "").contains(['{', '}'])
        }
        expr @ (Expr::Lit(_) | Expr::Unary(_)) => !is_float(expr) && matches!(unsigned(expr), Expr::Lit(_)),
        Expr::Reference(reference) => is_constant(&reference.expr),
        _ => false,
    }
}

/// Without the sign of a number.
fn unsigned(expr: &Expr) -> &Expr {
    match expr {
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => bare(expr),
        expr => expr,
    }
}

/// `self` where the function has none.
fn check_self(args: &Args, function: &Function, errors: &mut Errors) {
    if function.sig.receiver().is_some() {
        return;
    }
    let names = argument_names(function);
    for argument in args.iter().filter(|argument| !argument.is(Name::Transaction)) {
        let Some(token) = lone_self(argument.value.to_token_stream()) else { continue };
        let instead = names.first().map(|name| format!(": name an argument, such as `{name}`"));
        errors.at(token, format!("there is no `self` here{}", instead.unwrap_or_default()));
    }
}

/// The first `self` that is a value and not the begin of a path.
fn lone_self(tokens: TokenStream) -> Option<Ident> {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let goes_on = matches!(tokens.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
        match token {
            TokenTree::Ident(ident) if ident == "self" && !goes_on => return Some(ident),
            TokenTree::Group(group) => {
                if let Some(found) = lone_self(group.stream()) {
                    return Some(found);
                }
            }
            _ => {}
        }
    }
    None
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
    let scope = read(args, Name::Scope, |value| values::scope(value, &names), errors)?;
    let (_, value) = args.value(Name::Scope)?;
    let argument = function.sig.inputs.iter().find_map(|argument| match (argument, bare(value)) {
        (FnArg::Typed(argument), Expr::Path(path)) => path.path.get_ident().filter(|name| {
            bound_names(&argument.pat).contains(name)
                && (types::borrows(&argument.ty) || types::is_string(&argument.ty))
        }),
        _ => None,
    });
    if let Some(name) = argument {
        errors.at(
            value,
            format!(
                "`scope` is the same in every call, and `{name}` is an argument: write a text, as in \
                 `scope = \"payments.charge\"`, and let the key have what differs, as in `key = ({name}, …)`"
            ),
        );
        return None;
    }
    Some(scope.value)
}

fn check_capacity(args: &Args, function: &Function, errors: &mut Errors) -> Option<TokenStream> {
    let parameters: Vec<_> = function.sig.generics.const_params().map(|parameter| &parameter.ident).collect();
    read(args, Name::Capacity, |value| values::capacity(value, &parameters), errors).map(|count| count.value)
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
