//! The rules for records that outlive the process.

use std::time::Duration;

use super::{Features, read};
use crate::args::{Args, Argument};
use crate::errors::Errors;
use crate::known::Name;
use crate::model::{At, Durable, Records};
use crate::operand::at;
use crate::values;

/// How long a silent process is believed where nothing is said.
const LEASE: Duration = Duration::from_secs(30);

/// What was chosen, or nothing where the records live in this process.
pub(super) fn check(args: &Args, features: Features, errors: &mut Errors) -> Option<Durable> {
    if args.find(Name::Transaction).is_some() {
        // What does not go with it is spoken of there.
        return None;
    }
    let Some(chosen) = args.find(Name::Durable).or(args.find(Name::Store)) else {
        refuse_terms(args, errors);
        return None;
    };
    check_feature(chosen, features, errors);
    check_company(args, chosen, errors);
    check_scope(args, chosen, errors);
    let interrupted = read(args, Name::Interrupted, values::interrupted, errors);
    check_interrupted(args, chosen, errors);
    let lease = read(args, Name::Lease, values::lease, errors);
    let max_run = read(args, Name::MaxRun, values::max_run, errors);
    check_lengths(args, lease.as_ref(), max_run.as_ref(), errors);
    let records = match args.find(Name::Store) {
        Some(_) => read(args, Name::Store, values::store, errors),
        None => Some(At { span: at(chosen.word.span()), value: Records::Installed }),
    };
    Some(Durable { records: records?, interrupted: interrupted?, lease, max_run })
}

/// What only a store asks for.
fn refuse_terms(args: &Args, errors: &mut Errors) {
    for name in [Name::Interrupted, Name::Lease, Name::MaxRun] {
        let Some(Argument { word, .. }) = args.find(name) else { continue };
        errors.at(
            word,
            format!("`{word}` is only for records in a store: add `durable`, or `store = …`, or leave `{word}` out"),
        );
    }
}

fn check_feature(Argument { word, .. }: &Argument, features: Features, errors: &mut Errors) {
    if !features.durable {
        errors.at(
            word,
            format!(
                "`{word}` needs the feature of a store: \
                 write `idempotently = {{ version = \"…\", features = [\"sqlite\"] }}`, or another store's"
            ),
        );
    }
}

/// What cannot stand beside a store.
fn check_company(args: &Args, Argument { word, .. }: &Argument, errors: &mut Errors) {
    if args.find(Name::Durable).is_some()
        && args.find(Name::Store).is_some()
        && let Some(later) = args.later(Name::Durable, Name::Store)
    {
        errors.at(
            later,
            "`durable` is the store that the program installed, and `store` is another one: leave one of the two out",
        );
    }
    if let Some(capacity) = args.find(Name::Capacity) {
        errors.at(
            &capacity.word,
            format!("`capacity` bounds the records of this process, and `{word}` keeps none there: leave it out"),
        );
    }
    if let Some(handle) = args.find(Name::Handle) {
        errors.at(
            &handle.word,
            format!(
                "`handle` looks after the records of this process, and `{word}` keeps none there: \
                 leave it out, and use `Records::of(&store)`"
            ),
        );
    }
}

fn check_scope(args: &Args, Argument { word, .. }: &Argument, errors: &mut Errors) {
    if args.find(Name::Scope).is_none() {
        errors.at(
            word,
            format!(
                "`{word}` needs a `scope`: its records outlive the build, and a name taken from the code changes when \
                 the code moves, which would run everything again; write `scope = \"payments.charge\"`"
            ),
        );
    }
}

fn check_interrupted(args: &Args, Argument { word, .. }: &Argument, errors: &mut Errors) {
    if args.find(Name::Interrupted).is_none() {
        errors.at(
            word,
            format!(
                "`{word}` needs a choice, for nobody can tell whether a body whose process vanished had its effect: \
                 write `interrupted = retry` (the next caller runs it again, after the lease) \
                 or `interrupted = fail` (nobody runs it again)"
            ),
        );
    }
}

fn check_lengths(args: &Args, lease: Option<&At<Duration>>, max_run: Option<&At<Duration>>, errors: &mut Errors) {
    let Some(max_run) = max_run else { return };
    let too_short = max_run.value < lease.map_or(LEASE, |lease| lease.value);
    if let (true, Some(argument)) = (too_short, args.later(Name::Lease, Name::MaxRun)) {
        errors.at(
            argument,
            "`max_run` ends the renewal of the lease, so it is no shorter than `lease`, \
             which is `\"30s\"` unless it is said",
        );
    }
}
