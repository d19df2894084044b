//! What an operator does with the records of a store.

use crate::blocking::block_on;
use crate::codec::write;
use crate::error::{Error, ErrorKind};
use crate::key::ToKey;
use crate::lease::SharedStore;
use crate::policy::Retention;
use crate::store::{Answer, Glimpse, Place, Standing};
use serde::Serialize;
use std::sync::Arc;

/// The records of a store, for those who look after it.
///
/// Every method asks the store and blocks its thread for the answer. A scope is that of an operation, which may be
/// another program's.
///
/// ```
/// use idempotently::{Error, OnInterruption, Operation, Records, SharedStore};
/// use idempotently::backend::memory::MemoryStore;
///
/// static CHARGE: Operation = Operation::new("docs.records").interrupted(OnInterruption::Fail);
/// let store = SharedStore::new(MemoryStore::new());
/// CHARGE.call("pay_1").store(&store).try_run(|| Ok::<u64, Error>(500))?;
///
/// let records = Records::of(&store);
/// assert!(records.peek("docs.records", "pay_1")?.is_some());
/// assert!(records.forget("docs.records", "pay_1")?);
/// assert!(records.peek("docs.records", "pay_1")?.is_none());
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Records {
    store: SharedStore,
}

/// Larger than anything that is kept by itself: whoever settles a record by hand knows what it is.
const MAX_RESOLUTION: usize = 16 * 1024 * 1024;

impl Records {
    /// The records of this store.
    #[must_use]
    pub fn of(store: &SharedStore) -> Self {
        Self { store: store.clone() }
    }

    /// What is recorded under a key.
    ///
    /// # Errors
    /// [`InvalidKey`](ErrorKind::InvalidKey) or [`Store`](ErrorKind::Store).
    pub fn peek(&self, scope: &str, key: &(impl ToKey + ?Sized)) -> Result<Option<Glimpse>, Error> {
        const HERE: &str = "idempotently::Records::peek";
        answer(HERE, self.store.store().peek(place(HERE, scope, key)?))
    }

    /// Takes a record away, so that the next call runs; whether there was one.
    ///
    /// # Errors
    /// [`InvalidKey`](ErrorKind::InvalidKey) or [`Store`](ErrorKind::Store).
    pub fn forget(&self, scope: &str, key: &(impl ToKey + ?Sized)) -> Result<bool, Error> {
        const HERE: &str = "idempotently::Records::forget";
        answer(HERE, self.store.store().forget(place(HERE, scope, key)?))
    }

    /// As [`forget`](Self::forget), at the place of a record that was listed.
    ///
    /// # Errors
    /// [`Store`](ErrorKind::Store).
    pub fn forget_at(&self, place: &Place) -> Result<bool, Error> {
        answer("idempotently::Records::forget_at", self.store.store().forget(place.clone()))
    }

    /// Settles an interrupted record with what its outcome was; whether it was interrupted.
    ///
    /// `outcome` is what the record keeps: for a function that returns a `Result`, what is in its `Ok`.
    ///
    /// # Errors
    /// [`InvalidKey`](ErrorKind::InvalidKey) or [`Store`](ErrorKind::Store), and [`Codec`](ErrorKind::Codec) for an
    /// outcome that cannot be written, so that the record stays as it was.
    pub fn resolve(
        &self,
        scope: &str,
        key: &(impl ToKey + ?Sized),
        outcome: &impl Serialize,
        retention: Retention,
    ) -> Result<bool, Error> {
        const HERE: &str = "idempotently::Records::resolve";
        self.settle(HERE, place(HERE, scope, key)?, outcome, retention)
    }

    /// As [`resolve`](Self::resolve), at the place of a record that was listed.
    ///
    /// ```
    /// use idempotently::store::Standing;
    /// use idempotently::{Error, Records, Retention, connect};
    ///
    /// let records = Records::of(&connect("memory:")?);
    /// for seen in records.list("payments.charge", Standing::Interrupted, None, 100)? {
    ///     // Whoever was to be charged says whether it happened.
    ///     let charged: Option<u64> = None;
    ///     match charged {
    ///         Some(cents) => records.resolve_at(&seen.place, &cents, Retention::Forever)?,
    ///         None => records.forget_at(&seen.place)?,
    ///     };
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Store`](ErrorKind::Store), and [`Codec`](ErrorKind::Codec) for an outcome that cannot be written.
    pub fn resolve_at(&self, place: &Place, outcome: &impl Serialize, retention: Retention) -> Result<bool, Error> {
        self.settle("idempotently::Records::resolve_at", place.clone(), outcome, retention)
    }

    fn settle(
        &self,
        here: &'static str,
        place: Place,
        outcome: &impl Serialize,
        retention: Retention,
    ) -> Result<bool, Error> {
        let retention = match retention {
            Retention::Forever => None,
            Retention::For(span) => Some(span),
        };
        let outcome = write(outcome, MAX_RESOLUTION).map_err(|_| {
            let why = "JSON does not bring the outcome back, or there are more than 16 MiB of it";
            Error::detailed(ErrorKind::Codec, here, why)
        })?;
        answer(here, self.store.store().resolve(place, outcome, retention))
    }

    /// Up to `limit` records of a scope, in the order of their keys, after the place of an earlier one.
    ///
    /// # Errors
    /// [`Store`](ErrorKind::Store).
    pub fn list(
        &self,
        scope: &str,
        standing: Standing,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Vec<Glimpse>, Error> {
        let after = after.map(|place| place.key.clone());
        answer("idempotently::Records::list", self.store.store().list(Arc::from(scope), standing, after, limit))
    }

    /// Takes away up to `limit` completed records whose retention is over; how many. They do not answer any more in any
    /// case: this gives their room back.
    ///
    /// # Errors
    /// [`Store`](ErrorKind::Store).
    pub fn purge(&self, limit: usize) -> Result<usize, Error> {
        answer("idempotently::Records::purge", self.store.store().purge(limit))
    }
}

/// Waits for a store's answer.
fn answer<T>(here: &'static str, answer: Answer<'_, T>) -> Result<T, Error> {
    let failed = ("the store failed", "ask again when it is back");
    block_on(answer).map_err(|error| {
        let is_permanent = error.is_permanent();
        Error::advising(ErrorKind::Store, here, error, failed).permanent_if(is_permanent)
    })
}

fn place(here: &'static str, scope: &str, key: &(impl ToKey + ?Sized)) -> Result<Place, Error> {
    let Some(key) = key.key_text().to_key() else {
        return Err(Error::detailed(ErrorKind::InvalidKey, here, "it is empty, or could not be written"));
    };
    Ok(Place { scope: scope.into(), key: key.with_bytes(|bytes| String::from_utf8_lossy(bytes).into()) })
}
