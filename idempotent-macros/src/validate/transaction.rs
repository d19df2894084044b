//! The rules for records in the caller's own transaction.

use syn::{FnArg, ReceiverKind, Type};

use super::{Features, bound_names, read};
use crate::args::{Args, Argument};
use crate::errors::Errors;
use crate::input::{Answer, Function};
use crate::known::Name;
use crate::model::{At, Held, Transaction};
use crate::{types, values};

/// What was chosen, or nothing where the record lives elsewhere.
pub(super) fn check(args: &Args, function: &Function, features: Features, errors: &mut Errors) -> Option<Transaction> {
    let argument = args.find(Name::Transaction)?;
    check_feature(argument, features, errors);
    check_company(args, errors);
    check_scope(args, argument, errors);
    check_answer(argument, function, errors);
    let held = read(args, Name::Transaction, values::transaction, errors);
    let lease = read(args, Name::Lease, values::lease, errors);
    let held = held?;
    check_held(args, &held, function, errors);
    Some(Transaction { held, lease })
}

fn check_feature(Argument { word, .. }: &Argument, features: Features, errors: &mut Errors) {
    if !features.transactions {
        errors.at(
            word,
            "`transaction` needs the feature of a database: \
             write `idempotently = { version = \"…\", features = [\"postgres\"] }`, or `\"sqlx-sqlite\"`",
        );
    }
}

/// What cannot stand beside a transaction, and why.
const STRANGERS: [(Name, &str); 8] = [
    (Name::Durable, "the record is in the transaction, and `durable` is for one in a store"),
    (Name::Store, "the record is in the transaction, and `store` is for one in a store"),
    (Name::Interrupted, "the database rolls a call that is interrupted back, and the next caller runs it"),
    (Name::MaxRun, "nothing is renewed in a transaction, so there is nothing that `max_run` could end"),
    (Name::OnFailure, "what is not kept is rolled back, so there is nothing to share, and the next caller runs"),
    (Name::Detached, "the body works on the caller's transaction, which it cannot take along"),
    (Name::Capacity, "`capacity` bounds the records of this process, and a transaction keeps none there"),
    (Name::Handle, "`handle` looks after the records of this process, and a transaction keeps none there"),
];

fn check_company(args: &Args, errors: &mut Errors) {
    for (name, why) in STRANGERS {
        if let Some(Argument { word, .. }) = args.find(name) {
            errors.at(word, format!("{why}: leave `{word}` out, or `transaction`"));
        }
    }
}

fn check_scope(args: &Args, Argument { word, .. }: &Argument, errors: &mut Errors) {
    if args.find(Name::Scope).is_none() {
        errors.at(
            word,
            "`transaction` needs a `scope`: its records outlive the build, and a name taken from the code changes when \
             the code moves, which would run everything again; write `scope = \"payments.charge\"`",
        );
    }
}

fn check_answer(Argument { word, .. }: &Argument, function: &Function, errors: &mut Errors) {
    if function.answer() == Answer::Direct {
        errors.at(word, "`transaction` awaits the database before and after the body: make the function `async`");
    }
}

fn check_held(args: &Args, held: &At<Held>, function: &Function, errors: &mut Errors) {
    let Some((_, value)) = args.value(Name::Transaction) else { return };
    match &held.value {
        Held::Field(_) => {
            let borrows = |kind: &ReceiverKind| match kind {
                ReceiverKind::Reference(_, _, mutability) => mutability.is_some(),
                _ => true,
            };
            match function.sig.receiver() {
                Some(receiver) if !borrows(&receiver.kind) => {
                    errors.at(receiver, "the field is written to, so the method takes `&mut self`");
                }
                Some(_) => {}
                None => errors.at(value, "there is no `self` here: name the argument that is the transaction"),
            }
            let by_hand = matches!(function.answer(), Answer::Future | Answer::BoxedFuture);
            let is_lent = |kind: &ReceiverKind| matches!(kind, ReceiverKind::Reference(..));
            let can_be_lent = function.sig.receiver().is_some_and(|receiver| is_lent(&receiver.kind));
            if by_hand && !(can_be_lent && function.with_lent_self().is_some()) {
                errors.at(
                    value,
                    "a future that is written by hand takes `self` with it: write `async fn`, or take the transaction \
                     as an argument",
                );
            }
        }
        Held::Argument(name) => {
            let argument = function.sig.inputs.iter().find_map(|argument| match argument {
                FnArg::Typed(argument) if bound_names(&argument.pat).contains(name) => Some(argument),
                _ => None,
            });
            let Some(argument) = argument else {
                errors.at(value, format!("no argument is called `{name}`: name the one that is the transaction"));
                return;
            };
            if let Some(wrong) = unfit(&argument.ty) {
                errors.at(&argument.ty, wrong);
            }
        }
    }
}

/// What is plainly no connection whose transaction goes on after the call.
fn unfit(ty: &Type) -> Option<&'static str> {
    match types::bare(ty) {
        Type::Reference(reference) if reference.mutability.is_none() => Some(
            "the record is written through it, so it is taken by `&mut`, as in `&mut PgConnection`; \
             for a pool see `idempotently::transaction`",
        ),
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            ["Transaction", "PgTransaction", "SqliteTransaction", "PoolConnection", "PgConnection", "SqliteConnection"]
                .iter()
                .any(|owned| last.ident == owned)
                .then_some(
                    "the transaction goes on after the call, which is for its caller to commit: \
                     take it by `&mut`, as in `&mut PgConnection`",
                )
        }
        _ => None,
    }
}
