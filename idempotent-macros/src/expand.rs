//! The rewritten function.
//!
//! ```text
//! // Input
//! #[idempotent(key = payment.id, fingerprint = payment.amount)]
//! async fn charge(payment: &Payment) -> Result<Receipt, ChargeError> {
//!     gateway(payment).await
//! }
//!
//! // Output
//! async fn charge(payment: &Payment) -> Result<Receipt, ChargeError> {
//!     let running = {
//!         let operation = {
//!             static OPERATION: ::idempotently::Operation = ::idempotently::Operation::of_function();
//!             &OPERATION
//!         };
//!         let call = operation.call_lent(&payment.id).fingerprint(&payment.amount);
//!         let body = async move {
//!             if let Some(outcome) = None::<Result<Receipt, ChargeError>> {
//!                 return outcome;
//!             }
//!             { gateway(payment).await }
//!         };
//!         let plan = {
//!             use ::idempotently::__private::{PlanAny as _, PlanFuture as _, PlanResult as _};
//!             ::idempotently::__private::returns_async(&body).idempotent_plan().fallible()
//!         };
//!         ::idempotently::__private::run_async(call, plan, body)
//!     };
//!     running.await
//! }
//! ```

mod transaction;

use std::time::Duration;

use proc_macro2::{Delimiter, Group, Ident, Literal, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};

use crate::input::{Answer, Function};
use crate::model::{At, Durable, InFlight, Interrupted, Keep, Missing, Model, Records, Retention};
use crate::operand::{at, moved, start};
use crate::types;

/// The function that goes through the runtime, and its handle.
pub(crate) fn expand(function: &Function, model: &Model) -> TokenStream {
    Expansion { function, model, outcome: Place::of_outcome(function) }.item()
}

/// Where errors about the outcome are to be shown: from its first token to its last.
#[derive(Clone, Copy)]
struct Place {
    first: Span,
    last: Span,
}

impl Place {
    /// The type of the outcome, or the function's name where there is none.
    fn of_outcome(function: &Function) -> Self {
        let tokens = match function.outcome().or(function.returns()) {
            Some(ty) => ty.to_token_stream(),
            None => function.sig.ident.to_token_stream(),
        };
        let first = start(&tokens);
        let last = tokens.into_iter().last().map_or(first, |token| at(token.span()));
        Self { first, last }
    }
}

struct Expansion<'a> {
    function: &'a Function,
    model: &'a Model,
    outcome: Place,
}

impl Expansion<'_> {
    fn item(&self) -> TokenStream {
        let Function { attrs, vis, defaultness, inner_attrs, body, .. } = self.function;
        let sig = self.signature();
        let handle = self.handle();
        let statements = self.statements();
        let mut block = Group::new(Delimiter::Brace, quote!(#inner_attrs #statements));
        // With the macro's own span, lints such as `dead_code` would take the function for foreign.
        block.set_span(body.span());
        quote!(#handle #(#attrs)* #vis #defaultness #sig #block)
    }

    /// The static that is visible beside the function.
    fn handle(&self) -> Option<TokenStream> {
        let handle = self.model.handle.as_ref()?;
        let Function { attrs, vis, sig, .. } = self.function;
        let cfgs = attrs.iter().filter(|attr| attr.path().is_ident("cfg"));
        let doc = format!(" The operation of `{}`.", sig.ident);
        let root = &self.model.root;
        let value = self.operation_value();
        Some(quote_spanned! {Span::mixed_site()=>
            #(#cfgs)*
            #[doc = #doc]
            #vis static #handle: #root::Operation = #value;
        })
    }

    /// The path to the runtime for what may be wrong at `place`; elsewhere it stays where it is written, so that a wrong
    /// path is shown there.
    fn root(&self, place: Span) -> TokenStream {
        moved(&self.model.root, place)
    }

    /// What stands in the function instead of its body.
    fn statements(&self) -> TokenStream {
        let answer = self.function.answer();
        let awaited = if let Some(transaction) = &self.model.transaction {
            self.within(transaction)
        } else {
            let (steps, run) = (self.steps(), self.run());
            if answer == Answer::Direct {
                return quote!(#steps #run);
            }
            self.awaited(&steps, &run)
        };
        match answer {
            Answer::Direct | Answer::Async => awaited,
            // Bound to a name, or it looks like an `async fn` that was written by hand.
            Answer::Future => quote_spanned! {Span::mixed_site()=>
                let future = async move { #awaited };
                future
            },
            Answer::BoxedFuture => {
                quote_spanned!(Span::mixed_site()=> ::std::boxed::Box::pin(async move { #awaited }))
            }
        }
    }

    /// The steps are over before the waiting begins: what they hold is no part of the future.
    fn awaited(&self, steps: &TokenStream, run: &TokenStream) -> TokenStream {
        let running = quote_spanned! {Span::mixed_site()=>
            let running = { #steps #run };
            running
        };
        let last = self.outcome.last;
        quote_spanned!(last=> #running.await)
    }

    fn steps(&self) -> TokenStream {
        let operation = self.operation();
        let call = self.call();
        let body = self.body();
        let plan = self.plan();
        quote_spanned! {Span::mixed_site()=>
            let operation = #operation;
            let call = #call;
            let body = #body;
            let plan = #plan;
        }
    }

    /// The static in a block of its own, where it cannot hide an item of the user's.
    fn operation(&self) -> TokenStream {
        if let Some(handle) = &self.model.handle {
            return quote_spanned!(Span::mixed_site()=> &#handle);
        }
        let root = &self.model.root;
        let value = self.operation_value();
        quote_spanned! {Span::mixed_site()=>
            {
                static OPERATION: #root::Operation = #value;
                &OPERATION
            }
        }
    }

    fn operation_value(&self) -> TokenStream {
        let root = &self.model.root;
        let mut value = quote_spanned!(Span::mixed_site()=> #root::Operation::of_function());
        if let Some(At { span, value: retention }) = &self.model.retention {
            let root = self.root(*span);
            let chosen = match retention {
                Retention::Forever => Some(quote_spanned!(*span=> Forever)),
                Retention::For(time) => Some(variant("For", &duration(*time, *span), *span)),
                Retention::Each(_) => None,
            };
            let chosen = chosen.into_iter();
            value.extend(quote_spanned!(*span=> #(.retention(#root::Retention::#chosen))*));
        }
        if let Some(At { span, value: in_flight }) = &self.model.in_flight {
            let root = self.root(*span);
            let chosen = match in_flight {
                InFlight::Wait => quote_spanned!(*span=> Wait),
                InFlight::WaitFor(time) => variant("WaitFor", &duration(*time, *span), *span),
                InFlight::Reject => quote_spanned!(*span=> Reject),
            };
            value.extend(quote_spanned!(*span=> .in_flight(#root::InFlight::#chosen)));
        }
        if let Some(capacity) = &self.model.capacity {
            value.extend(quote_spanned!(start(capacity)=> .capacity(#capacity)));
        }
        value.extend(self.model.durable.as_ref().map(|durable| self.terms(durable)));
        if let Some(At { span, value: lease }) = self.model.transaction.as_ref().and_then(|it| it.lease.as_ref()) {
            let lease = duration(*lease, *span);
            value.extend(quote_spanned!(*span=> .lease(#lease)));
        }
        value
    }

    /// What is promised of records in a store.
    fn terms(&self, durable: &Durable) -> TokenStream {
        let At { span, value: interrupted } = &durable.interrupted;
        let root = self.root(*span);
        let chosen = match interrupted {
            Interrupted::Retry => quote_spanned!(*span=> Retry),
            Interrupted::RetryUpTo(count) => variant("RetryUpTo", &number(*count, *span), *span),
            Interrupted::Fail => quote_spanned!(*span=> Fail),
        };
        let mut terms = quote_spanned!(*span=> .interrupted(#root::OnInterruption::#chosen));
        if let Some(At { span, value: lease }) = &durable.lease {
            let lease = duration(*lease, *span);
            terms.extend(quote_spanned!(*span=> .lease(#lease)));
        }
        if let Some(At { span, value: max_run }) = &durable.max_run {
            let max_run = duration(*max_run, *span);
            terms.extend(quote_spanned!(*span=> .max_run(#max_run)));
        }
        terms
    }

    /// All that is read from the arguments, before the body takes them.
    fn call(&self) -> TokenStream {
        let Model { root, key, missing, fingerprint, scope, retention, durable, .. } = self.model;
        // What goes on elsewhere owns its key, and a store writes it out anyway.
        let stays_here = !self.model.detached && durable.is_none() && self.model.transaction.is_none();
        let is_lent = stays_here && key.is_place();
        let key = key.borrowed(root, "part");
        let key_start = start(&key);
        let operation = Ident::new("operation", Span::mixed_site());
        let method = |copied, lent| Ident::new(if is_lent { lent } else { copied }, key_start);
        let mut call = match missing {
            None => {
                let call = method("call", "call_lent");
                quote_spanned!(key_start=> #operation.#call(#key))
            }
            Some(At { span, value }) => {
                let root = self.root(*span);
                let missing = match value {
                    Missing::Run => quote_spanned!(*span=> #root::Missing::Run),
                    Missing::Reject => quote_spanned!(*span=> #root::Missing::Reject),
                };
                let call = method("call_optional", "call_optional_lent");
                quote_spanned!(key_start=> #operation.#call(#key, #missing))
            }
        };
        if let Some(At { span, value }) = fingerprint {
            let value = value.borrowed(root, "print_part");
            call.extend(quote_spanned!(*span=> .fingerprint(#value)));
        }
        if let Some(scope) = scope {
            call.extend(quote_spanned!(start(scope)=> .scope(#scope)));
        }
        if let Some(At { span, value: Retention::Each(time) }) = retention {
            call.extend(quote_spanned!(*span=> .retention(#time)));
        }
        call.extend(durable.as_ref().map(|Durable { records: At { span, value }, .. }| match value {
            Records::Installed => quote_spanned!(*span=> .durable()),
            Records::In(store) => quote_spanned!(*span=> .store(#store)),
        }));
        call
    }

    /// The body as a closure or an async block, so that `?` and `return` leave it and not the function.
    fn body(&self) -> TokenStream {
        let span = at(self.function.body.span_open());
        self.body_that(&quote_spanned!(span=> move))
    }

    /// The same, where an async body takes what it uses with it or not.
    fn body_that(&self, moves: &TokenStream) -> TokenStream {
        let body = &self.function.body;
        let span = at(body.span_open());
        let ty = match self.function.returns() {
            None => quote_spanned!(span=> ()),
            // Only the future that is returned borrows what its signature says; the task borrows nothing.
            Some(ty) if self.model.detached => types::lasting(&types::inferred(ty)).to_token_stream(),
            Some(ty) => types::inferred(ty).to_token_stream(),
        };
        match self.function.answer() {
            Answer::Direct => quote_spanned!(span=> || -> #ty #body),
            Answer::Future | Answer::BoxedFuture => quote_spanned!(span=> move || -> #ty #body),
            Answer::Async => {
                let Place { first, .. } = self.outcome;
                // The type of an async block is not known inside it; that of its first `return` is.
                let typed = quote_spanned! {first=>
                    if let ::core::option::Option::Some(outcome) = ::core::option::Option::None::<#ty> {
                        return outcome;
                    }
                };
                let mut body = Group::new(Delimiter::Brace, body.stream());
                // Braces of the user's would be reported as needless.
                body.set_span(at(self.function.body.span()));
                quote_spanned!(span=> async #moves { #typed #body })
            }
        }
    }

    /// Which outcomes are kept, decided by their type.
    fn plan(&self) -> TokenStream {
        let (returns, body) = self.returned();
        self.plan_of(returns.as_ref(), &body)
    }

    /// The plan for a value of the outcome's type, and a statement that goes before it.
    fn plan_of(&self, returns: Option<&TokenStream>, body: &TokenStream) -> TokenStream {
        let Model { keep, share, fallible, .. } = self.model;
        let Place { first, .. } = self.outcome;
        let root = &self.model.root;
        let mut plan = quote_spanned!(first=> #body.idempotent_plan());
        plan.extend(keep.as_ref().map(|At { span, value }| match value {
            Keep::Ok => quote_spanned!(first=> .keep_ok()),
            Keep::All => quote_spanned!(first=> .keep_all()),
            Keep::If(predicate) => quote_spanned!(*span=> .keep_if(#predicate)),
        }));
        if *share {
            plan.extend(quote_spanned!(first=> .share()));
        }
        if *fallible {
            plan.extend(quote_spanned!(first=> .fallible()));
        }
        quote_spanned! {Span::mixed_site()=>
            {
                use #root::__private::{PlanAny as _, PlanFuture as _, PlanResult as _};
                #returns
                #plan
            }
        }
    }

    /// A value of the outcome's type to choose a plan by, and a statement that goes before it.
    fn returned(&self) -> (Option<TokenStream>, TokenStream) {
        let Place { first, .. } = self.outcome;
        let root = self.root(first);
        let body = Ident::new("body", Span::mixed_site());
        let answer = self.function.answer();
        if answer == Answer::Direct {
            return (None, quote_spanned!(first=> #root::__private::returns(&#body)));
        }
        if answer == Answer::Async {
            return (None, quote_spanned!(first=> #root::__private::returns_async(&#body)));
        }
        let returns = quote_spanned!(first=> #root::__private::returns_future(&#body));
        let Some(ty) = self.function.outcome().filter(|_| answer == Answer::Future) else {
            return (None, returns);
        };
        // The closure's type says nothing of what its future yields, and the plan needs it now.
        let ty = types::inferred(ty);
        let name = Ident::new("returns", Span::mixed_site());
        let statement = quote_spanned!(first=> let #name: #root::__private::Returns<#ty> = #returns;);
        (Some(statement), name.to_token_stream())
    }

    fn run(&self) -> TokenStream {
        let Place { first, last } = self.outcome;
        let root = self.root(first);
        let run = match (self.function.answer(), &self.model.durable) {
            (Answer::Direct, None) => "run",
            (Answer::Direct, Some(_)) => "run_durable",
            (Answer::Async, None) if self.model.detached => "run_detached",
            (Answer::Async, None) => "run_async",
            (Answer::Async, Some(_)) if self.model.detached => "run_durable_detached",
            (Answer::Async, Some(_)) => "run_durable_async",
            (_, None) if self.model.detached => "run_detached_future",
            (_, None) => "run_future",
            (_, Some(_)) if self.model.detached => "run_durable_detached_future",
            (_, Some(_)) => "run_durable_future",
        };
        let run = Ident::new(run, last);
        let arguments = quote_spanned!(first=> call, plan, body);
        let mut arguments = Group::new(Delimiter::Parenthesis, arguments);
        arguments.set_span(last);
        quote_spanned!(first=> #root::__private::#run #arguments)
    }
}

/// `name(value)`
fn variant(name: &str, value: &TokenStream, span: Span) -> TokenStream {
    let name = Ident::new(name, span);
    quote_spanned!(span=> #name(#value))
}

fn duration(time: Duration, span: Span) -> TokenStream {
    let (unit, count) = if time.subsec_millis() == 0 {
        ("from_secs", number(time.as_secs(), span))
    } else {
        ("from_millis", number(time.as_millis(), span))
    };
    let unit = Ident::new(unit, span);
    quote_spanned!(span=> ::core::time::Duration::#unit(#count))
}

/// Without a suffix, as people write it.
fn number(count: impl Into<u128>, span: Span) -> TokenStream {
    let mut count = Literal::u128_unsuffixed(count.into());
    count.set_span(span);
    count.to_token_stream()
}
