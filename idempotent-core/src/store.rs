//! What a store must do: four verbs, each atomic and fenced, and housekeeping.

use crate::codec::{Unreadable, decode, json};
use crate::error::{Error, ErrorKind};
use crate::key::Text;
use crate::record::{OnInterruption, Owner, Record, State};
use serde::de::DeserializeOwned;
use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// What a store answers, when it does. Dropping it gives up waiting, not what was asked.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Where a record lies: the operation's scope, and the canonical text of the key.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The operation's name.
    pub scope: Arc<str>,
    /// The key's canonical text.
    pub key: Arc<str>,
}

impl Place {
    /// Where the record of a key lies. A key that was refused has no place, and its call does not come to ask for it.
    pub(crate) fn of(scope: &str, text: &Text<'_>) -> Self {
        let key = text.to_key().map(|key| key.with_bytes(|bytes| String::from_utf8_lossy(bytes).into()));
        Self { scope: scope.into(), key: key.unwrap_or_else(|| Arc::from("")) }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// A request for a key.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Claim {
    /// Which.
    pub place: Place,
    /// Who asks; the same when the same call asks again.
    pub owner: Owner,
    /// What must be the same as when the key was first used.
    pub fingerprint: Option<[u8; 16]>,
    /// How long the caller is to be believed.
    pub lease: Duration,
    /// What is done where the last leader vanished.
    pub interrupted: OnInterruption,
}

impl Claim {
    /// A request for a key.
    #[must_use]
    pub fn new(place: Place, owner: Owner, lease: Duration, interrupted: OnInterruption) -> Self {
        Self { place, owner, fingerprint: None, lease, interrupted }
    }

    /// The same with a fingerprint.
    #[must_use]
    pub fn fingerprint(mut self, fingerprint: Option<[u8; 16]>) -> Self {
        self.fingerprint = fingerprint;
        self
    }
}

/// What a claim came to. Its `Debug` does not show the outcome.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Claimed {
    /// The caller runs the body. The same owner that asks again is granted the same, with a lease that begins anew.
    Granted {
        /// Larger than every token that was granted for this key before.
        token: u64,
        /// 1 for the first execution.
        attempt: u32,
    },
    /// Somebody else runs it, and is believed for this much longer.
    InFlight {
        /// At the most.
        remaining: Duration,
    },
    /// There is an outcome.
    Completed {
        /// What was recorded.
        outcome: Vec<u8>,
    },
    /// The key was used with another fingerprint.
    Mismatch,
    /// The body ended without an outcome, and is not run again.
    Interrupted,
}

impl fmt::Debug for Claimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Granted { token, attempt } => {
                f.debug_struct("Granted").field("token", token).field("attempt", attempt).finish()
            }
            Self::InFlight { remaining } => f.debug_struct("InFlight").field("remaining", remaining).finish(),
            Self::Completed { .. } => f.debug_struct("Completed").finish_non_exhaustive(),
            Self::Mismatch => f.write_str("Mismatch"),
            Self::Interrupted => f.write_str("Interrupted"),
        }
    }
}

/// A holder's proof: what every write after the claim is compared with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hold {
    /// Which key.
    pub place: Place,
    /// The token that was granted.
    pub token: u64,
}

/// An outcome to record, by the holder of its key.
#[derive(Clone)]
#[non_exhaustive]
pub struct CompleteRequest {
    /// The key, and the token under which the body ran.
    pub hold: Hold,
    /// The fingerprint of the call.
    pub fingerprint: Option<[u8; 16]>,
    /// The encoded outcome.
    pub outcome: Vec<u8>,
    /// How long the outcome answers from now on; `None` for ever.
    pub retention: Option<Duration>,
}

impl CompleteRequest {
    /// An outcome without a fingerprint, kept for ever.
    #[must_use]
    pub fn new(hold: Hold, outcome: Vec<u8>) -> Self {
        Self { hold, fingerprint: None, outcome, retention: None }
    }

    /// The same with a fingerprint.
    #[must_use]
    pub fn fingerprint(mut self, fingerprint: Option<[u8; 16]>) -> Self {
        self.fingerprint = fingerprint;
        self
    }

    /// The same with a retention.
    #[must_use]
    pub fn retention(mut self, retention: Option<Duration>) -> Self {
        self.retention = retention;
        self
    }
}

impl fmt::Debug for CompleteRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompleteRequest")
            .field("hold", &self.hold)
            .field("retention", &self.retention)
            .finish_non_exhaustive()
    }
}

/// An outcome to record, by a caller whose body ran and who lost its hold.
#[derive(Clone)]
#[non_exhaustive]
pub struct AdoptRequest {
    /// Which key.
    pub place: Place,
    /// Who asks; the same when the same call asks again.
    pub owner: Owner,
    /// The fingerprint of the call.
    pub fingerprint: Option<[u8; 16]>,
    /// The call's policy for a record whose holder vanished.
    pub interrupted: OnInterruption,
    /// The encoded outcome.
    pub outcome: Vec<u8>,
    /// How long the outcome answers from now on; `None` for ever.
    pub retention: Option<Duration>,
}

impl AdoptRequest {
    /// An outcome without a fingerprint, kept for ever.
    #[must_use]
    pub fn new(place: Place, owner: Owner, interrupted: OnInterruption, outcome: Vec<u8>) -> Self {
        Self { place, owner, fingerprint: None, interrupted, outcome, retention: None }
    }

    /// The same with a fingerprint.
    #[must_use]
    pub fn fingerprint(mut self, fingerprint: Option<[u8; 16]>) -> Self {
        self.fingerprint = fingerprint;
        self
    }

    /// The same with a retention.
    #[must_use]
    pub fn retention(mut self, retention: Option<Duration>) -> Self {
        self.retention = retention;
        self
    }
}

impl fmt::Debug for AdoptRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdoptRequest")
            .field("place", &self.place)
            .field("interrupted", &self.interrupted)
            .field("retention", &self.retention)
            .finish_non_exhaustive()
    }
}

/// The result of an adoption. Its `Debug` does not show the outcome.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Adopted {
    /// The outcome is recorded under a new token.
    Recorded,
    /// An outcome was recorded already, by another holder or by an earlier try of the same adoption.
    Completed {
        /// That outcome.
        outcome: Vec<u8>,
    },
    /// Another holder runs the body, and its lease lasts this much longer.
    InFlight {
        /// At the most.
        remaining: Duration,
    },
    /// The key was used with another fingerprint.
    Mismatch,
    /// The record is interrupted: another holder's effect is unknown.
    Interrupted,
}

impl fmt::Debug for Adopted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recorded => f.write_str("Recorded"),
            Self::Completed { .. } => f.debug_struct("Completed").finish_non_exhaustive(),
            Self::InFlight { remaining } => f.debug_struct("InFlight").field("remaining", remaining).finish(),
            Self::Mismatch => f.write_str("Mismatch"),
            Self::Interrupted => f.write_str("Interrupted"),
        }
    }
}

/// What an outcome's recording came to. Its `Debug` does not show the outcome.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recorded {
    /// It is recorded, now or by an earlier try of the same holder.
    Done,
    /// Another holder's outcome was recorded first, under the same fingerprint.
    Superseded {
        /// That outcome.
        outcome: Vec<u8>,
    },
    /// The hold was lost: the key was granted to another caller, the record is gone, or an outcome with another fingerprint
    /// is recorded.
    Lost,
}

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("Done"),
            Self::Superseded { .. } => f.debug_struct("Superseded").finish_non_exhaustive(),
            Self::Lost => f.write_str("Lost"),
        }
    }
}

/// What becomes of a key that its holder gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Release {
    /// It is free: the body did nothing that counts.
    Free,
    /// It is interrupted: whether the body's effect happened is not known.
    Interrupt,
}

/// Where a listed record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Standing {
    /// Somebody runs the body, or did when its lease ended.
    InFlight,
    /// There is an outcome.
    Completed,
    /// The body ended without an outcome, and is not run again.
    Interrupted,
}

/// What an operator sees of a record.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Glimpse {
    /// Which.
    pub place: Place,
    /// Where it stands.
    pub standing: Standing,
    /// The last fencing token.
    pub token: u64,
    /// How many times the body was started.
    pub attempt: u32,
    /// What was recorded, where there is an outcome: its bytes, which begin with a version and a kind. See
    /// [`outcome_as`](Self::outcome_as) and [`outcome_json`](Self::outcome_json).
    pub outcome: Option<Vec<u8>>,
}

impl Glimpse {
    /// What an operator sees.
    #[must_use]
    pub fn new(place: Place, standing: Standing, token: u64, attempt: u32) -> Self {
        Self { place, standing, token, attempt, outcome: None }
    }

    /// What an operator sees of a record as it is held.
    #[must_use]
    pub fn of(place: Place, record: Record) -> Self {
        let (standing, outcome) = match record.state {
            State::InFlight { .. } => (Standing::InFlight, None),
            State::Completed { outcome, .. } => (Standing::Completed, Some(outcome)),
            State::Interrupted => (Standing::Interrupted, None),
        };
        Self::new(place, standing, record.token, record.attempt).outcome(outcome)
    }

    /// The same with an outcome.
    #[must_use]
    pub fn outcome(mut self, outcome: Option<Vec<u8>>) -> Self {
        self.outcome = outcome;
        self
    }

    /// The outcome as a value: for a function that returns a `Result`, what is in its `Ok`. Nothing where there is no outcome.
    ///
    /// ```
    /// use idempotently::{Error, Operation, Records, connect};
    ///
    /// static CHARGE: Operation = Operation::new("docs.glimpse");
    /// let store = connect("memory:")?;
    /// CHARGE.call("pay_1").store(&store).try_run(|| Ok::<u64, Error>(500))?;
    ///
    /// let seen = Records::of(&store).peek("docs.glimpse", "pay_1")?.expect("it was charged");
    /// assert_eq!(seen.outcome_as::<u64>()?, Some(500));
    /// assert_eq!(seen.outcome_json(), Some("500"));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// [`OutcomeLost`](ErrorKind::OutcomeLost) where the record says that the outcome was not kept, and
    /// [`Codec`](ErrorKind::Codec) where it is not a `T`.
    pub fn outcome_as<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        const HERE: &str = "idempotently::store::Glimpse::outcome_as";
        let Some(outcome) = &self.outcome else { return Ok(None) };
        decode(outcome).map(Some).map_err(|unreadable| match unreadable {
            Unreadable::Tombstone => Error::new(ErrorKind::OutcomeLost, HERE),
            unreadable => Error::caused(ErrorKind::Codec, HERE, unreadable),
        })
    }

    /// The outcome as JSON, for those who do not know its type. Nothing where there is none, where it was not kept, or
    /// where a later version wrote it.
    #[must_use]
    pub fn outcome_json(&self) -> Option<&str> {
        self.outcome.as_deref().and_then(json)
    }
}

impl fmt::Debug for Glimpse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Glimpse")
            .field("place", &self.place)
            .field("standing", &self.standing)
            .field("token", &self.token)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

/// Why a store did not answer. It holds no key, payload or password.
#[derive(Clone, Debug)]
pub struct StoreError {
    what: &'static str,
    source: Option<Arc<dyn StdError + Send + Sync>>,
    is_permanent: bool,
}

impl StoreError {
    /// With what happened, in a few words.
    #[must_use]
    pub fn new(what: &'static str) -> Self {
        Self { what, source: None, is_permanent: false }
    }

    /// With what happened and why.
    #[must_use]
    pub fn caused(what: &'static str, source: impl StdError + Send + Sync + 'static) -> Self {
        Self { what, source: Some(Arc::new(source)), is_permanent: false }
    }

    /// The same, of what does not pass by itself: a wrong password, a missing table, an unknown schema. Calls that fail
    /// with it are not retryable.
    #[must_use]
    pub fn permanent(mut self) -> Self {
        self.is_permanent = true;
        self
    }

    /// The same, permanent where it is.
    #[cfg(any(feature = "postgres", feature = "redis", feature = "sqlite"))]
    pub(crate) fn permanent_if(self, is_permanent: bool) -> Self {
        if is_permanent { self.permanent() } else { self }
    }

    /// Whether it stays until somebody changes something.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.is_permanent
    }

    /// What a call fails with that the store did not answer.
    pub(crate) fn of_call(self, operation: &'static str) -> Error {
        let is_permanent = self.is_permanent;
        Error::caused(ErrorKind::Store, operation, self).permanent_if(is_permanent)
    }
}

#[cfg(any(feature = "postgres", feature = "sqlx-sqlite"))]
impl StoreError {
    /// What happened, for whoever passes it on.
    pub(crate) fn what(&self) -> &'static str {
        self.what
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Where records live that outlive the process.
///
/// Every verb is atomic. Time is the store's own. What [`judge`](crate::record::judge) and
/// [`judge_completion`](crate::record::judge_completion) say is what the verbs do; the suite `contract` proves it.
///
/// An answer is a future that may be awaited on any runtime, or blocked on; it does not need the caller's. `claim` asks
/// when it is first polled, and a grant that nobody takes because the future was dropped is released by the store.
/// `complete` and `release` ask when they are called, so that a drop can call them.
pub trait Store: Send + Sync + 'static {
    /// Takes a key, or says who has it.
    fn claim(&self, claim: Claim) -> Answer<'_, Claimed>;

    /// Lets holders be believed for `lease` from now; which of them still hold.
    fn renew(&self, holds: Vec<Hold>, lease: Duration) -> Answer<'_, Vec<bool>>;

    /// Records an outcome, which answers for the retention from now on, or for ever.
    fn complete(&self, request: CompleteRequest) -> Answer<'_, Recorded>;

    /// Decides as a claim does and, where a claim would be granted, records the outcome in the same step under a new token.
    /// No body runs, and no hold is left. Asks when it is called, as `complete` does.
    /// [`decide_adoption`](crate::record::decide_adoption) is the decision.
    fn adopt(&self, request: AdoptRequest) -> Answer<'_, Adopted>;

    /// Gives a key back; whether it was still held.
    fn release(&self, hold: Hold, how: Release) -> Answer<'_, bool>;

    /// Resolves when the record may have changed since `changed` was called. It may resolve early.
    fn changed(&self, place: &Place) -> Answer<'_, ()>;

    /// What is recorded under a key.
    fn peek(&self, place: Place) -> Answer<'_, Option<Glimpse>>;

    /// Takes a record away, whatever it stands at; whether there was one.
    fn forget(&self, place: Place) -> Answer<'_, bool>;

    /// Writes an outcome over a record that is interrupted; whether it was. The record gets a new token, so that a
    /// holder that comes back late is superseded, and does not take the outcome for its own.
    fn resolve(&self, place: Place, outcome: Vec<u8>, retention: Option<Duration>) -> Answer<'_, bool>;

    /// Up to `limit` records of a scope after `after`, in the order of their keys.
    fn list(
        &self,
        scope: Arc<str>,
        standing: Standing,
        after: Option<Arc<str>>,
        limit: usize,
    ) -> Answer<'_, Vec<Glimpse>>;

    /// Takes away up to `limit` completed records whose retention is over; how many.
    fn purge(&self, limit: usize) -> Answer<'_, usize>;

    /// What it is, for errors and logs: `memory`, `sqlite`, …
    fn name(&self) -> &'static str;
}
