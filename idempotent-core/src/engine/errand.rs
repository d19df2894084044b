//! What a durable call has to do at the store, before its body and after it. It knows no types of the user's.

use super::asking::Asking;
use super::waiting::Patience;
use crate::clock::BootTime;
use crate::codec::{Unreadable, decode};
use crate::error::{Error, ErrorKind};
use crate::lease::{Grant, Held, Outcome, Recording, SharedStore, Terms};
use crate::policy::{Durable, InFlight, OnInterruption};
use crate::random;
use crate::record::Owner;
use crate::report::LongWait;
use crate::store::{Adopted, Answer, Claim, Claimed, Hold, Place, Recorded, Release, StoreError};
use futures_timer::Delay;
use serde::de::DeserializeOwned;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

/// How many grants in a row may be over when they arrive.
const MAX_LATE_GRANTS: u32 = 10;

/// What happened, and what to do, where the store is away after the body.
const UNRECORDED: (&str, &str) =
    ("the body ran, and whether its outcome is recorded is not known", "call again with the same key to find out");
/// The same where the key is another request's.
const MISMATCHED: (&str, &str) = (
    "the body ran, and its outcome is not recorded: the key was used for a different request meanwhile",
    "look at the effect, and use a new key for a new request",
);

/// One call's business with a store.
#[derive(Clone, Debug)]
pub(crate) struct Errand {
    pub(crate) store: SharedStore,
    pub(crate) place: Place,
    /// The operation's name, for errors.
    pub(crate) scope: &'static str,
    pub(crate) fingerprint: Option<[u8; 16]>,
    pub(crate) durable: Durable,
    pub(crate) in_flight: InFlight,
    /// The largest outcome that is kept, in bytes; a larger one is recorded as lost.
    pub(crate) max_outcome: usize,
}

/// Where a durable call stands once the store has answered.
pub(super) enum Sought {
    Run(Held),
    Stored(Vec<u8>),
    Refused(Error),
}

/// What became of an outcome.
pub(super) enum Finished {
    /// It is recorded.
    Own,
    /// It will be as soon as the store is back.
    Unrecorded,
    /// Another holder's was recorded first.
    Stored(Vec<u8>),
    Refused(Error),
}

/// An answer that can be kept in a future of any kind.
pub(super) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl Errand {
    fn error(&self, kind: ErrorKind) -> Error {
        Error::new(kind, self.scope)
    }

    fn store_error(&self, error: StoreError) -> Error {
        error.of_call(self.scope)
    }

    /// The body ran, and the store cannot be asked what is recorded.
    fn unknown(&self, error: StoreError) -> Error {
        Error::advising(ErrorKind::OutcomeUnknown, self.scope, error, UNRECORDED)
    }

    fn terms(&self) -> Terms {
        let Durable { lease, max_run, interrupted } = self.durable;
        // Where nobody is to run it again, a body that ended without an outcome may have had its effect.
        let on_drop = if interrupted == OnInterruption::Fail { Release::Interrupt } else { Release::Free };
        Terms { lease, max_run, on_drop }
    }

    /// Asks for the key until it is granted, answered or refused. As soon as there is an execution in flight, here or
    /// elsewhere, the question is answered for those that would be refused on its account.
    pub(super) fn seek(self, mut asking: Option<Asking>, patience: Patience) -> Boxed<(Sought, Option<Asking>)> {
        Box::pin(async move {
            let sought = self.sought(&mut asking, patience).await;
            (sought.unwrap_or_else(|error| Sought::Refused(self.store_error(error))), asking)
        })
    }

    async fn sought(&self, asking: &mut Option<Asking>, patience: Patience) -> Result<Sought, StoreError> {
        let Durable { lease, interrupted, .. } = self.durable;
        let claim = Claim::new(self.place.clone(), owner(), lease, interrupted).fingerprint(self.fingerprint);
        let (mut pause, mut late, mut late_grants) = (Pause::new(self, patience), None::<Held>, 0);
        loop {
            let asked = BootTime::now();
            let claimed = self.store.store().claim(claim.clone()).await?;
            if matches!(claimed, Claimed::Granted { .. } | Claimed::InFlight { .. })
                && let Some(asking) = asking.take()
            {
                asking.executes();
            }
            let remaining = match claimed {
                Claimed::Granted { token, attempt } => {
                    if let Some(late) = late.take() {
                        late.replaced();
                    }
                    let granted = Hold { place: self.place.clone(), token };
                    let grant = Grant { hold: granted, owner: claim.owner, attempt, asked };
                    let held = self.store.hold(grant, self.terms());
                    if !held.is_lost() {
                        return Ok(Sought::Run(held));
                    }
                    // Another caller may have been granted the key since, so no body begins under this lease.
                    late = Some(held);
                    late_grants += 1;
                    if late_grants == MAX_LATE_GRANTS {
                        return Err(StoreError::new("its answers take longer than the lease"));
                    }
                    continue;
                }
                Claimed::Completed { outcome } => return Ok(Sought::Stored(outcome)),
                Claimed::Mismatch => return Ok(Sought::Refused(self.error(ErrorKind::KeyReused))),
                Claimed::Interrupted => return Ok(Sought::Refused(self.error(ErrorKind::Interrupted))),
                Claimed::InFlight { remaining } if self.in_flight == InFlight::Reject => {
                    return Ok(Sought::Refused(self.error(ErrorKind::InFlight).after(remaining)));
                }
                Claimed::InFlight { remaining } => remaining,
            };
            if !pause.wait(remaining).await? {
                return Ok(Sought::Refused(self.error(ErrorKind::WaitTimedOut).after(remaining)));
            }
        }
    }

    /// Records an outcome under a hold: first the store, then the followers.
    pub(super) fn finish(self, held: Held, bytes: Vec<u8>, retention: Option<Duration>) -> Boxed<Finished> {
        let Durable { interrupted, .. } = self.durable;
        let outcome = Outcome { fingerprint: self.fingerprint, interrupted, bytes, retention };
        Box::pin(async move {
            let mut recording = held.record(outcome);
            match recording.complete().await {
                Ok(Recorded::Done) => Finished::Own,
                Ok(Recorded::Superseded { outcome }) => Finished::Stored(outcome),
                Ok(Recorded::Lost) => self.adopted(recording).await,
                Err(error) if recording.is_lost() => Finished::Refused(self.unknown(error)),
                Err(_) => Finished::Unrecorded,
            }
        })
    }

    /// Records the outcome of a holder that was taken over, unless another holder's is recorded; that one is waited for.
    async fn adopted(&self, mut recording: Recording) -> Finished {
        let mut pause = Pause::new(self, Patience::new(self.in_flight));
        loop {
            let remaining = match recording.adopt().await {
                Ok(Adopted::Recorded) => return Finished::Own,
                Ok(Adopted::Completed { outcome }) => return Finished::Stored(outcome),
                Ok(Adopted::Mismatch) => {
                    return Finished::Refused(Error::told(ErrorKind::OutcomeUnknown, self.scope, MISMATCHED));
                }
                Ok(Adopted::Interrupted) => return Finished::Refused(self.error(ErrorKind::Interrupted)),
                Ok(Adopted::InFlight { remaining }) => remaining,
                Err(error) => return Finished::Refused(self.unknown(error)),
            };
            let waits = if self.in_flight == InFlight::Reject { Ok(false) } else { pause.wait(remaining).await };
            match waits {
                Ok(true) => {}
                Ok(false) => {
                    recording.give_up();
                    return Finished::Refused(self.error(ErrorKind::LeaseLost));
                }
                Err(error) => return Finished::Refused(self.unknown(error)),
            }
        }
    }

    /// What was recorded, as the function returns it.
    pub(super) fn read<T: DeserializeOwned>(&self, outcome: &[u8]) -> Result<T, Error> {
        decode(outcome).map_err(|unreadable| {
            let kind = match unreadable {
                Unreadable::Tombstone => return self.error(ErrorKind::OutcomeLost),
                Unreadable::Unknown | Unreadable::Changed(_) => ErrorKind::Codec,
            };
            Error::caused(kind, self.scope, unreadable)
        })
    }
}

/// The waits between the questions that one call asks about a record.
struct Pause<'a> {
    errand: &'a Errand,
    patience: Patience,
    long_wait: LongWait,
    changed: Option<Answer<'a, ()>>,
}

impl<'a> Pause<'a> {
    fn new(errand: &'a Errand, patience: Patience) -> Self {
        Self { errand, patience, long_wait: LongWait::new(errand.scope), changed: None }
    }

    /// Waits until the record may have changed, or for what remains of its lease; whether the caller waits that long.
    async fn wait(&mut self, remaining: Duration) -> Result<bool, StoreError> {
        let Some(longest) = self.patience.left(remaining) else { return Ok(false) };
        // What happens between an answer and the waiting would be missed, so the first time it is asked once more.
        if let Some(changed) = self.changed.take() {
            self.long_wait.during(remaining, wait(changed, longest)).await?;
        }
        self.changed = Some(self.errand.store.store().changed(&self.errand.place));
        Ok(true)
    }
}

/// Waits until something changed, or for the longest.
async fn wait(changed: Answer<'_, ()>, longest: Duration) -> Result<(), StoreError> {
    let mut changed = changed;
    let mut longest = pin!(Delay::new(longest));
    poll_fn(|cx| match changed.as_mut().poll(cx) {
        Poll::Ready(answer) => Poll::Ready(answer),
        Poll::Pending => longest.as_mut().poll(cx).map(Ok),
    })
    .await
}

/// A new caller, that is taken for no other one in any process.
pub(crate) fn owner() -> Owner {
    Owner(random::id())
}
