//! Calls whose records live in a store.
//!
//! The table is in front, so that a thousand duplicates in one process ask once; it holds executions in flight only.

use super::Ask;
use super::asking::{Asking, board};
use super::blocking::Stand;
#[cfg(feature = "tokio")]
use super::detached::{runtime, spawn};
use super::errand::{Errand, Finished, Sought};
use super::leading::Leading;
use super::waiting::Patience;
use crate::blocking::block_on;
use crate::codec::record;
use crate::context::enter;
use crate::error::{Error, ErrorKind};
use crate::key::Print;
use crate::lease::Held;
use crate::observe::How;
use crate::outcome::{Keep, Plan, Refuse};
use crate::policy::Retention;
use crate::report::Place;
use crate::table::{Lead, Settled, TableRef};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::future::poll_fn;
#[cfg(feature = "tokio")]
use std::panic::resume_unwind;
use std::pin::pin;
use std::time::Duration;

/// What the followers of a durable leader get: its refusal too, so that they need not all ask a store that is away.
pub(crate) type Shared<T> = Result<T, Error>;

type Followed<'a, T, P> = Lead<'a, Shared<T>, P>;

/// An outcome with what is to be done about it.
enum Ending<T> {
    Record(T, Vec<u8>),
    Share(T),
    Release,
}

fn ending<T: Serialize + DeserializeOwned>(settled: Settled<T>, max_outcome: usize, scope: &str) -> Ending<T> {
    match settled {
        Settled::Kept(kept) => {
            let bytes = record(&kept, max_outcome, scope);
            Ending::Record(kept, bytes)
        }
        Settled::Shared(shared) => Ending::Share(shared),
        Settled::Released => Ending::Release,
    }
}

fn span(retention: Retention) -> Option<Duration> {
    match retention {
        Retention::Forever => None,
        Retention::For(span) => Some(span),
    }
}

/// Tells followers and caller the same.
fn tell<T: Clone + Send + Sync + 'static, P: Print>(lead: Followed<'_, T, P>, answer: &Shared<T>) {
    lead.settle(Settled::Shared(answer.clone()), None);
}

/// After the store: what the followers get, and what the caller gets instead of its own outcome, if anything.
fn settle<T, P>(
    lead: Followed<'_, T, P>,
    errand: &Errand,
    kept: T,
    finished: Finished,
    place: &Place,
) -> Option<Shared<T>>
where
    T: Clone + Send + Sync + 'static + DeserializeOwned,
    P: Print,
{
    let other = match finished {
        Finished::Own => {
            tell(lead, &Ok(kept));
            return None;
        }
        Finished::Unrecorded => {
            place.unrecorded();
            tell(lead, &Ok(kept));
            return None;
        }
        Finished::Stored(bytes) => errand.read(&bytes),
        Finished::Refused(error) => Err(error),
    };
    tell(lead, &other);
    Some(other)
}

/// An outcome that is not recorded: the store has the key back first, then this process, then the caller is told.
async fn give_back<T, P>(lead: Option<Followed<'_, T, P>>, held: Held, shared: Option<T>, place: &Place)
where
    T: Clone + Send + Sync + 'static,
    P: Print,
{
    place.kept(false);
    held.release().await;
    if let (Some(lead), Some(shared)) = (lead, shared) {
        tell(lead, &Ok(shared));
    }
}

/// What the caller gets that has no outcome of its own.
#[track_caller]
fn answered<Ret, K: Keep<Ret>>(answer: Shared<K::Kept>, how: How, refuse: Refuse<Ret>, place: &Place) -> Ret {
    match answer {
        Ok(kept) => {
            place.tell(how);
            K::revive(kept)
        }
        Err(error) => {
            place.refused(&error);
            place.tell(How::Refused);
            refuse.refuse(error)
        }
    }
}

/// What the store said to a leader that is not to run: its followers are told the same.
fn passed_on<'a, T, P>(
    mut lead: Followed<'a, T, P>,
    asking: Option<Asking>,
    errand: &Errand,
    sought: Sought,
) -> Result<(Followed<'a, T, P>, Held), Shared<T>>
where
    T: Clone + Send + Sync + 'static + DeserializeOwned,
    P: Print,
{
    let answer = match sought {
        Sought::Run(held) => {
            let fence = held.fence();
            if errand.durable.max_run.is_some() {
                lead.ends_when_given_up(&fence);
            }
            lead.granted(held.attempt(), fence);
            return Ok((lead, held));
        }
        Sought::Stored(bytes) => errand.read(&bytes),
        // How long to wait is each caller's own, so a follower takes over and asks for itself.
        Sought::Refused(error) if matches!(error.kind(), ErrorKind::WaitTimedOut | ErrorKind::InFlight) => {
            drop(lead);
            return Err(Err(error));
        }
        Sought::Refused(error) => Err(error),
    };
    tell(lead, &answer);
    drop(asking);
    Err(answer)
}

/// Answers a blocking call.
#[inline(never)]
#[track_caller]
pub(crate) fn run_blocking<Ret, P, K, F>(
    table: TableRef<'_, Shared<K::Kept>, P>,
    ask: &Ask<'_, P>,
    errand: &Errand,
    plan: Plan<Ret, K>,
    body: F,
    place: &Place,
) -> Ret
where
    P: Print,
    K: Keep<Ret, Kept: Clone + Send + Sync + 'static + Serialize + DeserializeOwned>,
    F: FnOnce() -> Ret,
{
    let _inside = place.inside();
    let (refuse, keep) = (plan.refusal(), plan.keep);
    let retention = span(ask.retention.unwrap_or(table.retention()));
    let patience = Patience::new(errand.in_flight);
    let (lead, asking) = match block_on(board(table, ask, errand, patience)) {
        (Stand::Answered(answer, how), _) => return answered::<Ret, K>(answer, how, refuse, place),
        (Stand::Refused(error), _) => return answered::<Ret, K>(Err(error), How::Refused, refuse, place),
        (Stand::Unprotected, _) => {
            let outside = enter(None);
            let outcome = body();
            drop(outside);
            place.tell(How::Unprotected);
            return outcome;
        }
        (Stand::Lead(lead), asking) => (lead, asking),
    };
    let (sought, asking) = block_on(errand.clone().seek(asking, patience));
    let (mut lead, mut held) = match passed_on(lead, asking, errand, sought) {
        Ok(granted) => granted,
        Err(answer) => return answered::<Ret, K>(answer, How::Replayed, refuse, place),
    };
    place.begins(held.attempt());
    held.begins();
    let entered = lead.enter();
    let outcome = body();
    let ending = ending(keep.settle(&outcome), errand.max_outcome, errand.scope);
    drop(entered);
    let instead = match ending {
        Ending::Record(kept, bytes) => {
            let finished = block_on(errand.clone().finish(held, bytes, retention));
            settle(lead, errand, kept, finished, place)
        }
        Ending::Share(kept) => {
            block_on(give_back(Some(lead), held, Some(kept), place));
            None
        }
        Ending::Release => {
            block_on(give_back(Some(lead), held, None, place));
            None
        }
    };
    if let Some(answer) = instead {
        return answered::<Ret, K>(answer, How::Replayed, refuse, place);
    }
    place.tell(How::Executed);
    outcome
}

/// Where an awaited call stands before its body.
#[expect(clippy::large_enum_variant, reason = "it is moved once, and mostly the large one")]
enum Set<'a, T: Clone + Send + Sync + 'static, P: Print> {
    Answered(Shared<T>, How),
    Run(Followed<'a, T, P>, Held),
    Unprotected,
}

/// Everything before the body, which does not know it.
async fn set_out<'a, T, P>(table: TableRef<'a, Shared<T>, P>, ask: &Ask<'_, P>, errand: &Errand) -> Set<'a, T, P>
where
    T: Clone + Send + Sync + 'static + DeserializeOwned,
    P: Print,
{
    let patience = Patience::new(errand.in_flight);
    match board(table, ask, errand, patience).await {
        (Stand::Answered(answer, how), _) => Set::Answered(answer, how),
        (Stand::Refused(error), _) => Set::Answered(Err(error), How::Refused),
        (Stand::Unprotected, _) => Set::Unprotected,
        (Stand::Lead(lead), asking) => {
            let mut seeking = errand.clone().seek(asking, patience);
            // Dropped before the question: once that is answered, nobody may be refused on account of this leader.
            let lead = lead;
            let (sought, asking) = (&mut seeking).await;
            match passed_on(lead, asking, errand, sought) {
                Ok((lead, held)) => Set::Run(lead, held),
                Err(answer) => Set::Answered(answer, How::Replayed),
            }
        }
    }
}

/// Answers a call that is awaited.
pub(crate) async fn run_async<Ret, P, K, Fut>(
    table: TableRef<'_, Shared<K::Kept>, P>,
    ask: Ask<'_, P>,
    errand: Errand,
    plan: Plan<Ret, K>,
    body: Fut,
    place: &Place,
) -> Ret
where
    P: Print,
    K: Keep<Ret, Kept: Clone + Send + Sync + 'static + Serialize + DeserializeOwned>,
    Fut: Future<Output = Ret>,
{
    let (refuse, keep) = (plan.refusal(), plan.keep);
    let retention = span(ask.retention.unwrap_or(table.retention()));
    let (held, lead) = match set_out(table, &ask, &errand).await {
        Set::Answered(answer, how) => return answered::<Ret, K>(answer, how, refuse, place),
        Set::Run(lead, held) => (Some(held), Some(lead)),
        Set::Unprotected => (None, None),
    };
    match lead_body(held, errand, keep, retention, place, Leading::begin(lead, body)).await {
        Ok(outcome) => outcome,
        Err(answer) => answered::<Ret, K>(answer, How::Replayed, refuse, place),
    }
}

/// Answers a call that is awaited, whose body and its recording run in a task of their own.
#[cfg(feature = "tokio")]
pub(crate) async fn run_detached<Ret, P, K, Fut>(
    table: TableRef<'static, Shared<K::Kept>, P>,
    ask: Ask<'_, P>,
    errand: Errand,
    plan: Plan<Ret, K>,
    body: Fut,
    mut place: Place,
) -> Ret
where
    P: Print,
    K: Keep<Ret, Kept: Clone + Send + Sync + 'static + Serialize + DeserializeOwned> + Send + 'static,
    Fut: Future<Output = Ret> + Send + 'static,
    Ret: Send + 'static,
{
    let (refuse, keep, scope) = (plan.refusal(), plan.keep, errand.scope);
    let retention = span(ask.retention.unwrap_or(table.retention()));
    let (held, lead) = match place.within(set_out(table, &ask, &errand)).await {
        Set::Answered(answer, how) => return answered::<Ret, K>(answer, how, refuse, &place),
        Set::Run(lead, held) => (Some(held), Some(lead)),
        Set::Unprotected => (None, None),
    };
    let runtime = match runtime(scope) {
        Ok(runtime) => runtime,
        Err(error) => {
            if let (Some(held), Some(lead)) = (held, lead) {
                held.release().await;
                tell(lead, &Err(error.clone()));
            }
            return answered::<Ret, K>(Err(error), How::Refused, refuse, &place);
        }
    };
    let how = if held.is_some() { How::Executed } else { How::Unprotected };
    let (told, leading) = (place.hand_over(), Leading::begin(lead, body));
    let task = spawn(&runtime, async move {
        let ended = told.within(lead_body(held, errand, keep, retention, &told, leading)).await;
        // The call is answered, also where its caller is gone.
        match &ended {
            Ok(_) => {}
            Err(Ok(_)) => told.tell(How::Replayed),
            Err(Err(error)) => {
                told.refused(error);
                told.tell(How::Refused);
            }
        }
        ended
    });
    match task.await {
        Ok(Ok(outcome)) => {
            place.tell(how);
            outcome
        }
        Ok(Err(answer)) => answered::<Ret, K>(answer, How::Replayed, refuse, &place),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(error) => {
                let error = Error::caused(ErrorKind::NoRuntime, scope, error);
                answered::<Ret, K>(Err(error), How::Refused, refuse, &place)
            }
        },
    }
}

/// Runs the body, under its hold where it has one; its outcome, or what was recorded instead.
///
/// The body comes last, so that it is dropped before the key is given back.
async fn lead_body<Ret, P, K, Fut>(
    mut held: Option<Held>,
    errand: Errand,
    keep: K,
    retention: Option<Duration>,
    place: &Place,
    leading: Leading<'_, Shared<K::Kept>, P, Fut>,
) -> Result<Ret, Shared<K::Kept>>
where
    P: Print,
    K: Keep<Ret, Kept: Clone + Send + Sync + 'static + Serialize + DeserializeOwned>,
    Fut: Future<Output = Ret>,
{
    place.begins(held.as_ref().map_or(1, Held::attempt));
    if let Some(held) = &mut held {
        held.begins();
    }
    let is_recorded = held.is_some();
    let (max_outcome, scope) = (errand.max_outcome, errand.scope);
    let (outcome, ending, lead) = {
        let mut leading = pin!(leading);
        let judge = move |outcome: &Ret| is_recorded.then(|| ending(keep.settle(outcome), max_outcome, scope));
        poll_fn(move |cx| leading.as_mut().poll_body(cx, &judge)).await
    };
    let mut how = How::Executed;
    let instead = match (ending, held, lead) {
        (Some(Ending::Record(kept, bytes)), Some(held), Some(lead)) => {
            let finished = errand.clone().finish(held, bytes, retention).await;
            settle(lead, &errand, kept, finished, place)
        }
        (Some(Ending::Share(kept)), Some(held), lead) => {
            give_back(lead, held, Some(kept), place).await;
            None
        }
        (_, Some(held), lead) => {
            give_back(lead, held, None, place).await;
            None
        }
        (_, None, _) => {
            how = How::Unprotected;
            None
        }
    };
    if let Some(answer) = instead {
        return Err(answer);
    }
    place.tell(how);
    Ok(outcome)
}
