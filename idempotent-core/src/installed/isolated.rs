//! The store of an isolated test, and the death of the process that uses it.

use crate::backend::memory::MemoryStore;
use crate::error::{Error, ErrorKind};
use crate::lease::SharedStore;
use crate::realm::Realm;
use crate::store::{
    AdoptRequest, Adopted, Answer, Claim, Claimed, CompleteRequest, Glimpse, Hold, Place, Recorded, Release, Standing,
    Store, StoreError,
};
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The records of a test, as the process sees them that is running just now.
pub(super) struct Isolated {
    records: SharedStore,
    process: SharedStore,
    has_died: Arc<AtomicBool>,
}

impl Isolated {
    fn new(records: SharedStore) -> Self {
        let has_died = Arc::new(AtomicBool::new(false));
        let process = SharedStore::new(Process { records: records.clone(), has_died: has_died.clone() });
        Self { records, process, has_died }
    }
}

/// The test's store: what it installed, or records in memory on its own clock.
pub(super) fn store(realm: &Realm) -> SharedStore {
    let memory = || Box::new(Isolated::new(SharedStore::new(MemoryStore::with_clock(realm.wall_clock()))));
    realm.with_store(|slot| match slot.get_or_insert_with(|| memory()).downcast_ref() {
        Some(Isolated { process, .. }) => process.clone(),
        None => memory().process,
    })
}

/// Makes `store` the test's, before it has used one.
pub(super) fn install(realm: &Realm, store: SharedStore) -> Result<(), Error> {
    realm.with_store(|slot| {
        if slot.is_some() {
            let why = "this test has a store already: it installed one, or used its own; install first, and once";
            return Err(Error::detailed(ErrorKind::Misdeclared, "idempotently::install", why));
        }
        *slot = Some(Box::new(Isolated::new(store)));
        Ok(())
    })
}

/// Ends the process that uses the test's store, and begins another one on the same records.
pub(super) fn crash(realm: &Realm) {
    let dead = realm.with_store(|slot| {
        let Isolated { records, has_died, .. } = slot.as_ref()?.downcast_ref()?;
        has_died.store(true, Ordering::Release);
        let next = Isolated::new(records.clone());
        slot.replace(Box::new(next))
    });
    // A store may be the last of its kind, whose end is not to wait for the slot.
    drop(dead);
}

/// What a process has of a store. When it has died, nothing that it left behind gets through: its leases stay as they are
/// until they end, and a body that still runs cannot record anything.
struct Process {
    records: SharedStore,
    has_died: Arc<AtomicBool>,
}

const DEAD: &str = "the process has crashed in this test";

impl Process {
    /// The store, or what a process that has died is told.
    fn or<'a, T: Send + 'a>(
        &'a self,
        dead: impl FnOnce() -> Result<T, StoreError>,
        ask: impl FnOnce(&'a dyn Store) -> Answer<'a, T>,
    ) -> Answer<'a, T> {
        if self.has_died.load(Ordering::Acquire) { Box::pin(ready(dead())) } else { ask(self.records.store()) }
    }
}

fn unreachable<T>() -> Result<T, StoreError> {
    Err(StoreError::new(DEAD))
}

impl Store for Process {
    fn claim(&self, claim: Claim) -> Answer<'_, Claimed> {
        self.or(unreachable, |store| store.claim(claim))
    }

    fn renew(&self, holds: Vec<Hold>, lease: Duration) -> Answer<'_, Vec<bool>> {
        let none = vec![false; holds.len()];
        self.or(|| Ok(none), |store| store.renew(holds, lease))
    }

    fn complete(&self, request: CompleteRequest) -> Answer<'_, Recorded> {
        self.or(|| Ok(Recorded::Lost), |store| store.complete(request))
    }

    fn adopt(&self, request: AdoptRequest) -> Answer<'_, Adopted> {
        self.or(unreachable, |store| store.adopt(request))
    }

    fn release(&self, hold: Hold, how: Release) -> Answer<'_, bool> {
        self.or(|| Ok(false), |store| store.release(hold, how))
    }

    fn changed(&self, place: &Place) -> Answer<'_, ()> {
        self.or(unreachable, |store| store.changed(place))
    }

    fn peek(&self, place: Place) -> Answer<'_, Option<Glimpse>> {
        self.or(unreachable, |store| store.peek(place))
    }

    fn forget(&self, place: Place) -> Answer<'_, bool> {
        self.or(unreachable, |store| store.forget(place))
    }

    fn resolve(&self, place: Place, outcome: Vec<u8>, retention: Option<Duration>) -> Answer<'_, bool> {
        self.or(unreachable, |store| store.resolve(place, outcome, retention))
    }

    fn list(
        &self,
        scope: Arc<str>,
        standing: Standing,
        after: Option<Arc<str>>,
        limit: usize,
    ) -> Answer<'_, Vec<Glimpse>> {
        self.or(unreachable, |store| store.list(scope, standing, after, limit))
    }

    fn purge(&self, limit: usize) -> Answer<'_, usize> {
        self.or(unreachable, |store| store.purge(limit))
    }

    fn name(&self) -> &'static str {
        self.records.store().name()
    }
}
