//! What an operator does with the records of a store.

use crate::blocking::block_on;
use crate::codec::encode;
use crate::error::{Error, ErrorKind};
use crate::key::ToKey;
use crate::lease::SharedStore;
use crate::policy::Retention;
use crate::store::{Glimpse, Place, Standing, StoreError};
use serde::Serialize;
use std::sync::Arc;

/// The records of a store, for those who look after it.
///
/// Every method asks the store and blocks its thread for the answer.
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
    pub fn peek(&self, scope: &'static str, key: &(impl ToKey + ?Sized)) -> Result<Option<Glimpse>, Error> {
        let place = place(scope, key)?;
        block_on(self.store.store().peek(place)).map_err(|error| failed(scope, error))
    }

    /// Takes a record away, so that the next call runs; whether there was one.
    ///
    /// # Errors
    /// [`InvalidKey`](ErrorKind::InvalidKey) or [`Store`](ErrorKind::Store).
    pub fn forget(&self, scope: &'static str, key: &(impl ToKey + ?Sized)) -> Result<bool, Error> {
        let place = place(scope, key)?;
        block_on(self.store.store().forget(place)).map_err(|error| failed(scope, error))
    }

    /// Settles an interrupted record with what its outcome was; whether it was interrupted.
    ///
    /// `outcome` is what the record keeps: for a function that returns a `Result`, what is in its `Ok`.
    ///
    /// # Errors
    /// [`InvalidKey`](ErrorKind::InvalidKey) or [`Store`](ErrorKind::Store).
    pub fn resolve(
        &self,
        scope: &'static str,
        key: &(impl ToKey + ?Sized),
        outcome: &impl Serialize,
        retention: Retention,
    ) -> Result<bool, Error> {
        let place = place(scope, key)?;
        let retention = match retention {
            Retention::Forever => None,
            Retention::For(span) => Some(span),
        };
        let outcome = encode(outcome, MAX_RESOLUTION);
        block_on(self.store.store().resolve(place, outcome, retention)).map_err(|error| failed(scope, error))
    }

    /// Up to `limit` records of a scope, in the order of their keys, after the place of an earlier one.
    ///
    /// # Errors
    /// [`Store`](ErrorKind::Store).
    pub fn list(
        &self,
        scope: &'static str,
        standing: Standing,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Vec<Glimpse>, Error> {
        let after = after.map(|place| place.key.clone());
        block_on(self.store.store().list(Arc::from(scope), standing, after, limit))
            .map_err(|error| failed(scope, error))
    }

    /// Takes away up to `limit` completed records whose retention is over; how many. They do not answer any more in any
    /// case: this gives their room back.
    ///
    /// # Errors
    /// [`Store`](ErrorKind::Store).
    pub fn purge(&self, limit: usize) -> Result<usize, Error> {
        block_on(self.store.store().purge(limit)).map_err(|error| failed("idempotently::Records::purge", error))
    }
}

fn failed(scope: &'static str, error: StoreError) -> Error {
    Error::caused(ErrorKind::Store, scope, error)
}

fn place(scope: &'static str, key: &(impl ToKey + ?Sized)) -> Result<Place, Error> {
    let Some(key) = key.key_text().to_key() else {
        return Err(Error::detailed(ErrorKind::InvalidKey, scope, "it is empty, or could not be written"));
    };
    Ok(Place { scope: scope.into(), key: key.with_bytes(|bytes| String::from_utf8_lossy(bytes).into()) })
}
