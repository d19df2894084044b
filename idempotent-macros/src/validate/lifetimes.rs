//! Borrowed arguments where the body outlives the call.

use quote::ToTokens;
use syn::{FnArg, Ident, ReceiverKind};

use super::{Features, bound_names};
use crate::args::Args;
use crate::errors::Errors;
use crate::input::{Answer, Function};
use crate::known::Name;
use crate::types;

/// A body that runs as a task of its own borrows nothing.
pub(super) fn check_detached(args: &Args, function: &Function, features: Features, errors: &mut Errors) {
    let Some(argument) = args.find(Name::Detached) else { return };
    if args.find(Name::Transaction).is_some() {
        // It does not go with it in any case.
        return;
    }
    if !features.tokio {
        errors.at(
            &argument.word,
            "`detached` needs the feature `tokio` of `idempotently`: \
             write `idempotently = { version = \"…\", features = [\"tokio\"] }`",
        );
    }
    if function.answer() == Answer::Direct {
        errors.at(
            &argument.word,
            "`detached` lets the body run as a task of its own: \
             make the function `async`, or leave `detached` out",
        );
        return;
    }
    for argument in function.sig.inputs.iter().filter(|argument| borrows(argument)) {
        match argument {
            FnArg::Receiver(receiver) => {
                errors.at(receiver, "a detached body outlives its caller: take `self: Arc<Self>`, or `self`");
            }
            FnArg::Typed(argument) => errors.at(
                &argument.ty,
                "a detached body outlives its caller: take this owned, \
                 such as `String` for `&str` or `Arc<T>` for `&T`",
            ),
        }
    }
}

/// A future that is `'static` borrows nothing, and the key and the body are part of it.
pub(super) fn check_future(args: &Args, function: &Function, errors: &mut Errors) {
    let lasts = function.returns().and_then(types::future).is_some_and(|future| future.lasts);
    // What is detached was refused for the same argument.
    if !lasts || function.answer() == Answer::Async || args.find(Name::Detached).is_some() {
        return;
    }
    let borrowing = match function.answer() {
        Answer::Future => "`impl Future<Output = …>` without `'static` and `use<>`",
        _ => "`Pin<Box<dyn Future<Output = …> + '_>>`",
    };
    let is_used = |name: &Ident| {
        let in_body = types::mentions(function.body.stream(), &[name]);
        in_body || args.iter().any(|argument| types::mentions(argument.value.to_token_stream(), &[name]))
    };
    for argument in function.sig.inputs.iter().filter(|argument| borrows(argument)) {
        match argument {
            FnArg::Receiver(receiver) if is_used(&Ident::from(receiver.self_token)) => errors.at(
                receiver,
                format!(
                    "the future reads this when it is polled, and the one that is returned is `'static`: \
                     let it borrow, as in {borrowing}, or take `self: Arc<Self>`"
                ),
            ),
            FnArg::Typed(argument) if bound_names(&argument.pat).iter().any(is_used) => errors.at(
                &argument.ty,
                format!(
                    "the future reads this when it is polled, and the one that is returned is `'static`: \
                     let it borrow, as in {borrowing}, or take this owned, such as `String` for `&str`"
                ),
            ),
            _ => {}
        }
    }
}

/// Whether an argument borrows from the caller.
fn borrows(argument: &FnArg) -> bool {
    match argument {
        FnArg::Receiver(receiver) => match &receiver.kind {
            ReceiverKind::Reference(..) => true,
            ReceiverKind::Typed(_, ty) => types::borrows(ty),
            _ => false,
        },
        FnArg::Typed(argument) => types::borrows(&argument.ty),
    }
}
