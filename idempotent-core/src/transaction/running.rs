//! One call inside the caller's transaction, from its claim to its record.

use super::body::Body;
use super::cause::Contention;
use super::connection::Verbs;
use super::ledger;
use crate::backend::marker::{Found, Request, Trouble};
use crate::codec::{Unreadable, decode, record};
use crate::context::{Fence, Frame, enter};
use crate::error::{Error, ErrorKind};
use crate::observe::How;
use crate::outcome::{Fallible, Keep, Plan};
use crate::policy::InFlight;
use crate::report::Place;
use crate::table::Settled;
use futures_timer::Delay;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::time::{Duration, Instant};

/// How often a durable call is looked for that has the key.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

const UNFINISHED: &str = "an earlier call with this key in the same transaction did not complete";
const ELSEWHERE: &str = "a durable call has the key";
const GONE: &str = "the body ended the transaction that it was given";
const FAILED: &str = "a statement before the call failed";
const SWALLOWED: &str = "a statement of the body failed, and the body went on";

/// What a call needs to begin.
pub(crate) struct Errand {
    pub(crate) request: Request,
    /// The operation's name, for errors.
    pub(crate) scope: &'static str,
    pub(crate) frame: Frame,
    pub(crate) retention: Option<Duration>,
    /// The largest outcome that is kept, in bytes.
    pub(crate) max_outcome: usize,
}

/// Where a call stands before its body.
#[doc(hidden)]
#[derive(Debug)]
pub enum Begun<Ret, K> {
    /// It is answered.
    Answered(Ret),
    /// Its body is to run.
    Run(Running<Ret, K>),
}

/// A call whose body runs.
#[doc(hidden)]
#[must_use = "a call that is not ended keeps its transaction from being committed"]
pub struct Running<Ret, K> {
    /// Absent where it runs unprotected.
    hold: Option<Box<Hold>>,
    plan: Plan<Ret, K>,
    place: Place,
    by: By<Ret, K>,
}

/// What is made of an outcome, known when the call begins: so a type that does not do is reported once.
struct By<Ret, K> {
    encoded: fn(&K, &Ret, usize, &str) -> Option<Vec<u8>>,
    has_failed: fn(&Ret) -> bool,
}

/// The bytes of an outcome, where it is kept.
fn encoded<Ret, K>(keep: &K, outcome: &Ret, most: usize, scope: &str) -> Option<Vec<u8>>
where
    K: Keep<Ret, Kept: Serialize + DeserializeOwned>,
{
    let Settled::Kept(kept) = keep.settle(outcome) else { return None };
    Some(record(&kept, most, scope))
}

struct Hold {
    errand: Errand,
    token: u64,
}

/// What the database said before the body.
enum Sought {
    Granted(u64),
    Stored(Vec<u8>),
}

/// Begins a call; without an errand it runs unprotected.
pub(crate) async fn begin<Ret, K>(
    errand: Option<Errand>,
    plan: Plan<Ret, K>,
    place: Place,
    connection: &mut dyn Verbs,
) -> Begun<Ret, K>
where
    Ret: Fallible,
    K: Keep<Ret, Kept: Serialize + DeserializeOwned>,
{
    let by = By { encoded: encoded::<Ret, K>, has_failed: Ret::has_failed };
    let Some(mut errand) = errand else { return Begun::Run(Running { hold: None, plan, place, by }) };
    let answer = match place.within(seek(&errand, connection)).await {
        Ok(Sought::Granted(token)) => {
            errand.frame.granted(1, Fence::new(token));
            place.begins(1);
            return Begun::Run(Running { hold: Some(Box::new(Hold { errand, token })), plan, place, by });
        }
        Ok(Sought::Stored(outcome)) => errand.read(&outcome),
        Err(error) => Err(error),
    };
    Begun::Answered(match answer {
        Ok(kept) => {
            place.tell(How::Replayed);
            K::revive(kept)
        }
        Err(error) => refused(&plan, &place, error),
    })
}

pub(crate) fn refused<Ret, K>(plan: &Plan<Ret, K>, place: &Place, error: Error) -> Ret {
    place.refused(&error);
    place.tell(How::Refused);
    plan.refusal().refuse(error)
}

/// Asks for the key, and where a durable call has it asks again.
async fn seek(errand: &Errand, connection: &mut dyn Verbs) -> Result<Sought, Error> {
    let Errand { request, scope, .. } = errand;
    let since = Instant::now();
    loop {
        let found = connection.claim(request).await.map_err(|trouble| explained(trouble, scope, FAILED, None))?;
        return Err(match found {
            Found::Granted { token } => return Ok(Sought::Granted(token)),
            Found::Completed { outcome } => return Ok(Sought::Stored(outcome)),
            Found::Mismatch => Error::new(ErrorKind::KeyReused, scope),
            Found::Interrupted => Error::new(ErrorKind::Interrupted, scope),
            Found::Unfinished => Error::detailed(ErrorKind::Contended, scope, UNFINISHED),
            Found::InFlight { visible } => match request.in_flight {
                InFlight::Reject => Error::new(ErrorKind::InFlight, scope),
                InFlight::WaitFor(longest) if since.elapsed() >= longest => Error::new(ErrorKind::WaitTimedOut, scope),
                _ if visible => {
                    Delay::new(LOOK_AGAIN).await;
                    continue;
                }
                _ => Error::detailed(ErrorKind::Contended, scope, ELSEWHERE),
            },
        });
    }
}

impl Errand {
    fn read<T: DeserializeOwned>(&self, outcome: &[u8]) -> Result<T, Error> {
        decode(outcome).map_err(|unreadable| match unreadable {
            Unreadable::Tombstone => Error::new(ErrorKind::OutcomeLost, self.scope),
            unreadable => Error::caused(ErrorKind::Codec, self.scope, unreadable),
        })
    }
}

/// What happened and what to do where a database does not answer, if it is not what is said before a body.
pub(super) type Words = Option<(&'static str, &'static str)>;

/// What is said where the body ran and nothing of it is there.
pub(super) const NOTHING_KEPT: Words =
    Some(("the database failed before the commit", "roll back, and call again; nothing of it is kept"));

/// What a call, or a whole transaction, fails with.
pub(super) fn explained(trouble: Trouble, scope: &'static str, aborted: &'static str, words: Words) -> Error {
    match trouble {
        Trouble::Contended(error) => Error::caused(ErrorKind::Contended, scope, Contention(error)),
        Trouble::TimedOut(error) => Error::caused(ErrorKind::WaitTimedOut, scope, error),
        Trouble::NoTransaction(error) => Error::caused(ErrorKind::NoTransaction, scope, error),
        Trouble::Aborted(error) => Error::explained(ErrorKind::Aborted, scope, aborted, error, None),
        Trouble::Silent(error) => Error::caused(ErrorKind::LeaseLost, scope, error),
        Trouble::Unknown(error) | Trouble::Store(error) => {
            let is_permanent = error.is_permanent();
            Error::explained(ErrorKind::Store, scope, error.what(), error, words).permanent_if(is_permanent)
        }
    }
}

impl<Ret, K> Running<Ret, K> {
    /// The body as a future that knows its execution.
    pub fn body<F: Future<Output = Ret>>(&mut self, body: F) -> Body<'_, F> {
        Body::new(self.hold.as_mut().map(|hold| &mut hold.errand.frame), &self.place, body)
    }

    /// Records the outcome, as the last statement of the call; what is not kept leaves the transaction as it is, to be
    /// rolled back.
    pub async fn end(mut self, connection: &mut dyn Verbs, outcome: Ret) -> Ret {
        let Some(Hold { errand, token }) = self.hold.as_deref_mut() else {
            self.place.tell(How::Unprotected);
            return outcome;
        };
        let entered = enter(Some(&mut errand.frame));
        let bytes = (self.by.encoded)(&self.plan.keep, &outcome, errand.max_outcome, errand.scope);
        drop(entered);
        self.place.kept(bytes.is_some());
        if let Some(bytes) = bytes {
            let complete = connection.complete(&errand.request.place, *token, &bytes, errand.retention);
            let error = match self.place.within(complete).await {
                Ok(true) => {
                    ledger::note(connection.address(), &errand.request);
                    None
                }
                Ok(false) => Some(Error::detailed(ErrorKind::Aborted, errand.scope, GONE)),
                Err(trouble) => Some(explained(trouble, errand.scope, SWALLOWED, NOTHING_KEPT)),
            };
            // A failure that is kept says more than that it could not be.
            if let Some(error) = error.filter(|_| !(self.by.has_failed)(&outcome)) {
                return refused(&self.plan, &self.place, error);
            }
        }
        self.place.tell(How::Executed);
        outcome
    }
}

impl<Ret, K> fmt::Debug for Running<Ret, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("protected", &self.hold.is_some()).finish_non_exhaustive()
    }
}
