//! What a durable call has to do at the store, before its body and after it. It knows no types of the user's.

use crate::codec::{Unreadable, decode};
use crate::error::{Error, ErrorKind};
use crate::lease::{Held, SharedStore, Terms};
use crate::policy::{Durable, InFlight, OnInterruption};
use crate::random;
use crate::record::Owner;
use crate::store::{Answer, Claim, Claimed, Hold, Place, Recorded, Release, Standing, StoreError};
use futures_timer::Delay;
use serde::de::DeserializeOwned;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

/// How often the winner is looked for when nothing tells that it is there.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

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
        Error::caused(ErrorKind::Store, self.scope, error)
    }

    /// The key is another caller's, whose outcome cannot be asked for: the body did run.
    fn lost(&self, error: StoreError) -> Error {
        Error::caused(ErrorKind::LeaseLost, self.scope, error)
    }

    fn terms(&self) -> Terms {
        let Durable { lease, max_run, interrupted } = self.durable;
        // Where nobody is to run it again, a body that ended without an outcome may have had its effect.
        let on_drop = if interrupted == OnInterruption::Fail { Release::Interrupt } else { Release::Free };
        Terms { lease, max_run, on_drop }
    }

    /// Asks for the key until it is granted, answered or refused.
    pub(super) fn seek(self) -> Boxed<Sought> {
        Box::pin(async move { self.sought().await.unwrap_or_else(|error| Sought::Refused(self.store_error(error))) })
    }

    async fn sought(&self) -> Result<Sought, StoreError> {
        let store = self.store.store();
        let Durable { lease, interrupted, .. } = self.durable;
        let claim = Claim::new(self.place.clone(), owner(), lease, interrupted).fingerprint(self.fingerprint);
        let deadline = deadline(self.in_flight);
        let mut changed: Option<Answer<'_, ()>> = None;
        loop {
            let asked = Instant::now();
            let remaining = match store.claim(claim.clone()).await? {
                Claimed::Granted { token, attempt } => {
                    let hold = Hold { place: self.place.clone(), token };
                    return Ok(Sought::Run(self.store.hold(hold, self.terms(), attempt, asked)));
                }
                Claimed::Completed { outcome } => return Ok(Sought::Stored(outcome)),
                Claimed::Mismatch => return Ok(Sought::Refused(self.error(ErrorKind::KeyReused))),
                Claimed::Interrupted => return Ok(Sought::Refused(self.error(ErrorKind::Interrupted))),
                Claimed::InFlight { .. } if self.in_flight == InFlight::Reject => {
                    return Ok(Sought::Refused(self.error(ErrorKind::InFlight)));
                }
                Claimed::InFlight { remaining } => remaining,
            };
            let Some(longest) = left(deadline, remaining) else {
                return Ok(Sought::Refused(self.error(ErrorKind::WaitTimedOut)));
            };
            match changed.take() {
                // What happens between an answer and the waiting would be missed, so it is asked once more.
                None => changed = Some(store.changed(&self.place)),
                Some(waiting) => {
                    wait(waiting, longest).await?;
                    changed = Some(store.changed(&self.place));
                }
            }
        }
    }

    /// Records an outcome under a hold: first the store, then the followers.
    pub(super) fn finish(self, held: Held, outcome: Vec<u8>, retention: Option<Duration>) -> Boxed<Finished> {
        Box::pin(async move {
            match held.complete(outcome, retention).await {
                Ok(Recorded::Done) => Finished::Own,
                Ok(Recorded::Superseded { outcome }) => Finished::Stored(outcome),
                Ok(Recorded::Lost) => self.winner().await,
                Err(_) => Finished::Unrecorded,
            }
        })
    }

    /// The outcome of whoever has the key now. A record that is gone was forgotten: then the outcome is the caller's own.
    async fn winner(&self) -> Finished {
        let deadline = deadline(self.in_flight);
        loop {
            let changed = self.store.store().changed(&self.place);
            match self.store.store().peek(self.place.clone()).await {
                Ok(None) => return Finished::Own,
                Ok(Some(seen)) => match (seen.standing, seen.outcome) {
                    (Standing::Completed, Some(outcome)) => return Finished::Stored(outcome),
                    (Standing::InFlight, _) if self.in_flight != InFlight::Reject => {}
                    _ => return Finished::Refused(self.error(ErrorKind::LeaseLost)),
                },
                Err(error) => return Finished::Refused(self.lost(error)),
            }
            let Some(longest) = left(deadline, LOOK_AGAIN) else {
                return Finished::Refused(self.error(ErrorKind::WaitTimedOut));
            };
            if let Err(error) = wait(changed, longest).await {
                return Finished::Refused(self.lost(error));
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

fn deadline(in_flight: InFlight) -> Option<Instant> {
    match in_flight {
        InFlight::WaitFor(longest) => Instant::now().checked_add(longest),
        InFlight::Wait | InFlight::Reject => None,
    }
}

/// For how long to wait for something that takes at most `span`; nothing where the deadline has passed.
fn left(deadline: Option<Instant>, span: Duration) -> Option<Duration> {
    // A lease that has just ended is granted at the next question, which must not be asked in a tight loop.
    let span = span.max(Duration::from_millis(1));
    let Some(deadline) = deadline else { return Some(span) };
    let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
    Some(left.min(span))
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
