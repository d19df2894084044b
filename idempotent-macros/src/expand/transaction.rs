//! A call inside the caller's own transaction: straight code, since a closure over the transaction could not be spawned.
//!
//! ```text
//! // Input
//! #[idempotent(key = order.id, transaction = tx, scope = "shop.place")]
//! async fn place(tx: &mut PgConnection, order: &Order) -> Result<i64, ShopError> {
//!     insert(tx, order).await
//! }
//!
//! // Output
//! async fn place(tx: &mut PgConnection, order: &Order) -> Result<i64, ShopError> {
//!     let mut running = {
//!         let operation = { static OPERATION: … };
//!         let call = operation.call(&order.id);
//!         let call = call.scope("shop.place");
//!         let plan = { …::returns_as::<Result<i64, ShopError>>().idempotent_plan().refused_by_transaction() };
//!         match ::idempotently::__private::begin(call, plan, ::idempotently::__private::lent(&mut *tx)).await {
//!             ::idempotently::__private::Begun::Answered(outcome) => return outcome,
//!             ::idempotently::__private::Begun::Run(running) => running,
//!         }
//!     };
//!     let outcome = {
//!         let tx = &mut *tx;
//!         running.body(async move { insert(tx, order).await })
//!     }
//!     .await;
//!     running.end(::idempotently::__private::lent(&mut *tx), outcome).await
//! }
//! ```

use proc_macro2::{Group, Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{FnArg, Pat, Signature, Token};

use super::Expansion;
use crate::input::{Answer, lent_self};
use crate::model::{At, Held, Transaction};
use crate::operand::at;
use crate::types;

impl Expansion<'_> {
    /// The function's own; only that an argument that is `mut` is so where the body has it.
    pub(super) fn signature(&self) -> Signature {
        let mut sig = self.function.sig.clone();
        if let Some(Transaction { held: At { value: Held::Argument(name), .. }, .. }) = &self.model.transaction {
            for argument in &mut sig.inputs {
                if let FnArg::Typed(argument) = argument
                    && let Pat::Ident(pattern) = &mut *argument.pat
                    && pattern.ident == *name
                {
                    pattern.mutability = None;
                }
            }
        }
        sig
    }

    /// Begin, body and end. What is awaited between them is the database.
    pub(super) fn within(&self, transaction: &Transaction) -> TokenStream {
        let At { span, value: held } = &transaction.held;
        let connection = match held {
            Held::Argument(name) => quote_spanned!(*span=> &mut *#name),
            Held::Field(field) => quote_spanned!(*span=> &mut #field),
        };
        let root = self.root(*span);
        // What is no connection is shown where it is named, and only there.
        let lent = quote_spanned!(*span=> #root::__private::lent(#connection));
        let begun = self.begun(&lent);
        let body = self.entered(held);
        let (running, outcome) = (Ident::new("running", Span::mixed_site()), Ident::new("outcome", Span::mixed_site()));
        quote_spanned! {Span::mixed_site()=>
            let mut #running = #begun;
            let #outcome = #body.await;
            #running.end(#lent, #outcome).await
        }
    }

    fn begun(&self, lent: &TokenStream) -> TokenStream {
        let operation = self.operation();
        let calls = self.calls();
        let first = self.outcome;
        let ty = self.function.outcome().map(|ty| types::inferred(ty).to_token_stream());
        let ty = ty.unwrap_or_else(|| quote_spanned!(first=> _));
        let root = self.root(first);
        let plan = self.plan_of(&quote_spanned!(first=> #root::__private::returns_as::<#ty>()));
        let begin = quote_spanned!(first=> #root::__private::begin(call, plan, #lent).await);
        let root = &self.model.root;
        quote_spanned! {Span::mixed_site()=>
            {
                let operation = #operation;
                #(let call = #calls;)*
                let plan = #plan;
                match #begin {
                    #root::__private::Begun::Answered(outcome) => return outcome,
                    #root::__private::Begun::Run(running) => running,
                }
            }
        }
    }

    /// The body in its execution. An argument is lent to it under its own name, so that it can give it away; a field is not
    /// taken, so that it is there afterwards.
    fn entered(&self, held: &Held) -> TokenStream {
        let running = Ident::new("running", Span::mixed_site());
        match held {
            Held::Field(_) => match self.function.with_lent_self() {
                None => {
                    let body = self.body_that(&TokenStream::new());
                    quote_spanned!(Span::mixed_site()=> #running.body(#body))
                }
                Some(body) => {
                    let (lent, body) = (lent_self(Span::call_site()), self.made(&body));
                    let receiver = self.function.sig.receiver().map(|receiver| receiver.self_token);
                    quote_spanned! {Span::mixed_site()=>
                        {
                            let #lent = &mut *#receiver;
                            #running.body(#body)
                        }
                    }
                }
            },
            Held::Argument(name) => {
                let body = match self.function.answer() {
                    Answer::Direct | Answer::Async => self.body(),
                    Answer::Future | Answer::BoxedFuture => self.made(&self.function.body),
                };
                let mutability = self.mutability(name);
                quote_spanned! {Span::mixed_site()=>
                    {
                        let #mutability #name = &mut *#name;
                        #running.body(#body)
                    }
                }
            }
        }
    }

    /// A future that the body makes by hand, in a closure that `return` leaves.
    fn made(&self, body: &Group) -> TokenStream {
        let span = at(body.span_open());
        let ty = self.function.returns().map(|ty| types::passing(&types::inferred(ty)));
        let ty = ty.map_or_else(|| quote!(_), ToTokens::into_token_stream);
        quote_spanned!(span=> (move || -> #ty #body)())
    }

    /// Whether the argument was written as `mut`.
    fn mutability(&self, name: &Ident) -> Option<Token![mut]> {
        self.function.sig.inputs.iter().find_map(|argument| match argument {
            FnArg::Typed(argument) => match &*argument.pat {
                Pat::Ident(pattern) if pattern.ident == *name => pattern.mutability,
                _ => None,
            },
            FnArg::Receiver(_) => None,
        })
    }
}
