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
//!         let call = operation.call_lent(&payment.id);
//!         let call = call.fingerprint(&payment.amount);
//!         let body = async move {
//!             if let Some(outcome) = None::<Result<Receipt, ChargeError>> {
//!                 return outcome;
//!             }
//!             { gateway(payment).await }
//!         };
//!         let plan = {
//!             use ::idempotently::__private::{PlanAny as _, PlanFuture as _, PlanResult as _};
//!             ::idempotently::__private::returns_async(&body).idempotent_plan().refused_by_fingerprint()
//!         };
//!         ::idempotently::__private::run_async(call, plan, body)
//!     };
//!     running.await
//! }
//! ```

mod transaction;

use std::time::Duration;

use proc_macro2::{Delimiter, Group, Ident, Literal, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};

use crate::input::{Answer, Function};
use crate::model::{At, Durable, InFlight, Interrupted, Keep, Missing, Model, Records, Retention};
use crate::operand::{at, moved, start};
use crate::types;

/// The function that goes through the runtime, and its handle.
pub(crate) fn expand(function: &Function, model: &Model) -> TokenStream {
    Expansion { function, model, outcome: outcome_place(function) }.item()
}

/// The first token of the outcome's type, or the function's name where none is written.
fn outcome_place(function: &Function) -> Span {
    match function.outcome().or(function.returns()) {
        Some(ty) => start(ty),
        None => start(&function.sig.ident),
    }
}

struct Expansion<'a> {
    function: &'a Function,
    model: &'a Model,
    /// Where errors about the outcome are shown. It is one place, since the compiler reports an error again for each
    /// other place of the same call.
    outcome: Span,
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
        let running = quote_spanned! {self.outcome=>
            let running = { #steps #run };
            running
        };
        quote_spanned!(self.outcome=> #running.await)
    }

    fn steps(&self) -> TokenStream {
        let operation = self.operation();
        let calls = self.calls();
        let body = self.body();
        let plan = self.plan();
        quote_spanned! {Span::mixed_site()=>
            let operation = #operation;
            #(let call = #calls;)*
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
        // A static hides a constant of its name, also where its own value names that.
        let is_named = self.model.capacity.as_ref().is_some_and(|value| types::mentions_any(value.clone()));
        let name = Ident::new(if is_named { "__OPERATION" } else { "OPERATION" }, Span::mixed_site());
        quote_spanned! {Span::mixed_site()=>
            {
                static #name: #root::Operation = #value;
                &#name
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

    /// All that is read from the arguments, before the body takes them. Each value has a statement of its own, so that what
    /// one borrows or locks is given back before the next is evaluated.
    fn calls(&self) -> Vec<TokenStream> {
        let Model { root, key, missing, fingerprint, scope, retention, durable, .. } = self.model;
        // What goes on elsewhere owns its key, and a store writes it out anyway.
        let stays_here = !self.model.detached && durable.is_none() && self.model.transaction.is_none();
        let is_lent = stays_here && key.is_place();
        let key = key.borrowed(root, "part");
        let key_start = start(&key);
        let operation = Ident::new("operation", Span::mixed_site());
        let method = |copied, lent| Ident::new(if is_lent { lent } else { copied }, key_start);
        let call = match missing {
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
        let call = vec![call];
        let goes_on = Ident::new("call", Span::mixed_site());
        let fingerprint = fingerprint.iter().map(|At { span, value }| {
            let value = value.borrowed(root, "print_part");
            quote_spanned!(*span=> #goes_on.fingerprint(#value))
        });
        let scope = scope.iter().map(|scope| quote_spanned!(start(scope)=> #goes_on.scope(#scope)));
        let retention = retention.iter().filter_map(|At { span, value }| match value {
            Retention::Each(time) => {
                let root = self.root(*span);
                Some(quote_spanned!(*span=> #goes_on.retention(#root::__private::retention(#time))))
            }
            Retention::Forever | Retention::For(_) => None,
        });
        let records = durable.iter().map(|Durable { records: At { span, value }, .. }| match value {
            Records::Installed => quote_spanned!(*span=> #goes_on.durable()),
            Records::In(store) => quote_spanned!(*span=> #goes_on.store(#store)),
        });
        call.into_iter().chain(fingerprint).chain(scope).chain(retention).chain(records).collect()
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
                let first = self.outcome;
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
        self.plan_of(&self.returned())
    }

    /// The plan for a value of the outcome's type.
    fn plan_of(&self, returns: &TokenStream) -> TokenStream {
        let Model { keep, share, refused_by, .. } = self.model;
        let first = self.outcome;
        let root = &self.model.root;
        let mut plan = quote_spanned!(first=> #returns.idempotent_plan());
        plan.extend(keep.as_ref().map(|At { value, .. }| match value {
            Keep::Ok => quote_spanned!(first=> .keep_ok()),
            Keep::All => quote_spanned!(first=> .keep_all()),
            Keep::If(predicate) => quote_spanned!(first=> .keep_if(#predicate).whole()),
        }));
        if *share {
            plan.extend(quote_spanned!(first=> .share()));
        }
        if let Some(argument) = refused_by {
            let method = format_ident!("refused_by_{argument}", span = first);
            plan.extend(quote_spanned!(first=> .#method()));
        }
        quote_spanned! {Span::mixed_site()=>
            {
                use #root::__private::{PlanAny as _, PlanFuture as _, PlanResult as _};
                #plan
            }
        }
    }

    /// A value of the outcome's type to choose a plan by.
    fn returned(&self) -> TokenStream {
        let first = self.outcome;
        let root = self.root(first);
        let body = Ident::new("body", Span::mixed_site());
        let answer = self.function.answer();
        if answer == Answer::Direct {
            return quote_spanned!(first=> #root::__private::returns(&#body));
        }
        if answer == Answer::Async {
            return quote_spanned!(first=> #root::__private::returns_async(&#body));
        }
        match self.function.outcome().filter(|_| answer == Answer::Future) {
            None => quote_spanned!(first=> #root::__private::returns_future(&#body)),
            // The closure's type says nothing of what its future yields, and the plan needs it now.
            Some(ty) => {
                let ty = types::inferred(ty);
                quote_spanned!(first=> #root::__private::returns_future_of::<#ty, _, _>(&#body))
            }
        }
    }

    fn run(&self) -> TokenStream {
        let first = self.outcome;
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
        let run = Ident::new(run, first);
        quote_spanned!(first=> #root::__private::#run(call, plan, body))
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
