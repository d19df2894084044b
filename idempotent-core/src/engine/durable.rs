//! Calls whose records live in a store.
//!
//! The table is in front, so that a thousand duplicates in one process ask once; it holds executions in flight only.

use super::blocking::{Stand, stand};
use super::errand::{Errand, Finished, Sought};
use super::leading::Leading;
use super::waiting::Waiting;
use super::{Ask, Begun, begin};
use crate::blocking::block_on;
use crate::codec::encode;
use crate::context::enter;
use crate::error::Error;
use crate::key::Print;
use crate::lease::Held;
use crate::observe::{How, Place};
use crate::outcome::{Keep, Plan};
use crate::policy::Retention;
use crate::table::{Lead, Settled, TableRef};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

/// The largest outcome that is kept; a larger one is recorded as lost.
const MAX_OUTCOME: usize = 1024 * 1024;

/// What the followers of a durable leader get: its refusal too, so that they need not all ask a store that is away.
pub(crate) type Shared<T> = Result<T, Error>;

type Followed<'a, T, P> = Lead<'a, Shared<T>, P>;

/// An outcome with what is to be done about it.
enum Ending<T> {
    Record(T, Vec<u8>),
    Share(T),
    Release,
}

fn ending<T: Serialize>(settled: Settled<T>) -> Ending<T> {
    match settled {
        Settled::Kept(kept) => {
            let bytes = encode(&kept, MAX_OUTCOME);
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
fn settle<T, P>(lead: Followed<'_, T, P>, errand: &Errand, kept: T, finished: Finished) -> Option<Shared<T>>
where
    T: Clone + Send + Sync + 'static + DeserializeOwned,
    P: Print,
{
    let other = match finished {
        Finished::Own => {
            tell(lead, &Ok(kept));
            return None;
        }
        Finished::Stored(bytes) => errand.read(&bytes),
        Finished::Refused(error) => Err(error),
    };
    tell(lead, &other);
    Some(other)
}

/// Answers a blocking call.
#[inline(never)]
#[track_caller]
pub(crate) fn run_blocking<Ret, P, K, F>(
    table: TableRef<'_, Shared<K::Kept>, P>,
    ask: &Ask<P>,
    errand: &Errand,
    plan: Plan<Ret, K>,
    body: F,
    place: Place,
) -> Ret
where
    P: Print,
    K: Keep<Ret, Kept: Clone + Send + Sync + 'static + Serialize + DeserializeOwned>,
    F: FnOnce() -> Ret,
{
    let (refuse, keep) = (plan.refusal(), plan.keep);
    let answered = |answer: Shared<K::Kept>, how| match answer {
        Ok(kept) => {
            place.tell(how);
            K::revive(kept)
        }
        Err(error) => {
            place.tell(How::Refused);
            refuse.refuse(error)
        }
    };
    let retention = span(ask.retention.unwrap_or(table.retention()));
    let mut lead = match stand(table, ask) {
        Stand::Answered(answer, how) => return answered(answer, how),
        Stand::Refused(error) => return answered(Err(error), How::Refused),
        Stand::Unprotected => {
            let outside = enter(None);
            let outcome = body();
            drop(outside);
            place.tell(How::Unprotected);
            return outcome;
        }
        Stand::Lead(lead) => lead,
    };
    let held = match block_on(errand.clone().seek()) {
        Sought::Run(held) => held,
        Sought::Stored(bytes) => {
            let answer = errand.read(&bytes);
            tell(lead, &answer);
            return answered(answer, How::Replayed);
        }
        Sought::Refused(error) => {
            tell(lead, &Err(error.clone()));
            return answered(Err(error), How::Refused);
        }
    };
    lead.granted(held.attempt(), held.fence());
    let entered = lead.enter();
    let outcome = body();
    let ending = ending(keep.settle(&outcome));
    drop(entered);
    let instead = match ending {
        Ending::Record(kept, bytes) => {
            let finished = block_on(errand.clone().finish(held, bytes, retention));
            settle(lead, errand, kept, finished)
        }
        Ending::Share(kept) => {
            held.release();
            tell(lead, &Ok(kept));
            None
        }
        Ending::Release => {
            held.release();
            drop(lead);
            None
        }
    };
    if let Some(answer) = instead {
        return answered(answer, How::Replayed);
    }
    place.tell(How::Executed);
    outcome
}

/// Answers a call that is awaited.
pub(crate) async fn run_async<Ret, P, K, Fut>(
    table: TableRef<'_, Shared<K::Kept>, P>,
    ask: Ask<P>,
    errand: Errand,
    plan: Plan<Ret, K>,
    body: Fut,
    place: Place,
) -> Ret
where
    P: Print,
    K: Keep<Ret, Kept: Clone + Send + Sync + 'static + Serialize + DeserializeOwned>,
    Fut: Future<Output = Ret>,
{
    let refuse = plan.refusal();
    let retention = span(ask.retention.unwrap_or(table.retention()));
    let (answer, how) = match board(table, &ask).await {
        Stand::Answered(answer, how) => (answer, how),
        Stand::Refused(error) => (Err(error), How::Refused),
        Stand::Unprotected => {
            let mut leading = pin!(Leading::<Shared<K::Kept>, P, _>::begin(None, body));
            let (outcome, (), _) = poll_fn(|cx| leading.as_mut().poll_body(cx, |_| ())).await;
            place.tell(How::Unprotected);
            return outcome;
        }
        Stand::Lead(lead) => match errand.clone().seek().await {
            Sought::Run(held) => match lead_body(lead, held, &errand, &plan.keep, body, retention).await {
                Ok(outcome) => {
                    place.tell(How::Executed);
                    return outcome;
                }
                Err(answer) => (answer, How::Replayed),
            },
            Sought::Stored(bytes) => {
                let answer = errand.read(&bytes);
                tell(lead, &answer);
                (answer, How::Replayed)
            }
            Sought::Refused(error) => {
                tell(lead, &Err(error.clone()));
                (Err(error), How::Refused)
            }
        },
    };
    match answer {
        Ok(kept) => {
            place.tell(how);
            K::revive(kept)
        }
        Err(error) => {
            place.tell(How::Refused);
            refuse.refuse(error)
        }
    }
}

/// The async twin of [`stand`].
async fn board<'a, T: Clone + Send + Sync + 'static, P: Print>(
    table: TableRef<'a, T, P>,
    ask: &Ask<P>,
) -> Stand<'a, T, P> {
    let in_flight = table.in_flight();
    match begin(table, ask, in_flight) {
        Begun::Kept(kept) => Stand::Answered(kept, How::Replayed),
        Begun::Lead(lead) => Stand::Lead(lead),
        Begun::Unprotected => Stand::Unprotected,
        Begun::Refused(error) => Stand::Refused(error),
        Begun::Follow(follow) => {
            let mut waiting = Waiting::new(follow, in_flight);
            poll_fn(|cx| waiting.poll(cx)).await.into()
        }
    }
}

/// Runs the body under its hold; its outcome, or what was recorded instead.
async fn lead_body<Ret, P, K, Fut>(
    mut lead: Followed<'_, K::Kept, P>,
    held: Held,
    errand: &Errand,
    keep: &K,
    body: Fut,
    retention: Option<Duration>,
) -> Result<Ret, Shared<K::Kept>>
where
    P: Print,
    K: Keep<Ret, Kept: Clone + Send + Sync + 'static + Serialize + DeserializeOwned>,
    Fut: Future<Output = Ret>,
{
    lead.granted(held.attempt(), held.fence());
    let (outcome, ending, lead) = {
        let mut leading = pin!(Leading::begin(Some(lead), body));
        poll_fn(|cx| leading.as_mut().poll_body(cx, |outcome| ending(keep.settle(outcome)))).await
    };
    let instead = match (ending, lead) {
        (Ending::Record(kept, bytes), Some(lead)) => {
            let finished = errand.clone().finish(held, bytes, retention).await;
            settle(lead, errand, kept, finished)
        }
        (Ending::Share(kept), Some(lead)) => {
            held.release();
            tell(lead, &Ok(kept));
            None
        }
        _ => {
            held.release();
            None
        }
    };
    instead.map_or(Ok(outcome), Err)
}
