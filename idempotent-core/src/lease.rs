//! Leases: who is believed to run a body, and the thread that keeps them believed.

mod keeper;

use crate::context::Fence;
use crate::store::{Hold, Release, Store};
use keeper::Keeper;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A store that operations share: what `install` and `store = …` take. Clones are the same store.
///
/// One thread for each of them renews the leases of the bodies that are running, in batches, at a third of the lease,
/// whether or not the bodies yield. It is there only while there is a lease to renew.
#[derive(Clone)]
pub struct SharedStore {
    shared: Arc<Shared>,
}

struct Shared {
    id: u64,
    store: Arc<dyn Store>,
    keeper: Keeper,
}

impl SharedStore {
    /// Shares a store.
    pub fn new(store: impl Store) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let store: Arc<dyn Store> = Arc::new(store);
        let keeper = Keeper::new(store.clone());
        Self { shared: Arc::new(Shared { id: NEXT.fetch_add(1, Ordering::Relaxed), store, keeper }) }
    }

    /// The store's verbs.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.shared.store
    }

    /// Tells this store from every other one.
    pub(crate) fn id(&self) -> u64 {
        self.shared.id
    }

    /// Begins to keep what was granted.
    pub(crate) fn hold(&self, hold: Hold, terms: Terms, attempt: u32) -> Held {
        let fence = Fence::new(hold.token);
        let id = self.shared.keeper.keep(hold.clone(), terms, fence.clone());
        Held { store: self.clone(), hold: Some(hold), id, fence, attempt, on_drop: terms.on_drop }
    }

    /// Tries again in the background to record what the store could not be reached for.
    pub(crate) fn record_later(&self, hold: Hold, outcome: Vec<u8>, retention: Option<Duration>) {
        self.shared.keeper.record_later(hold, outcome, retention);
    }

    /// How many outcomes could not be recorded yet, because the store was away, and are tried again until they are.
    #[must_use]
    pub fn unrecorded(&self) -> usize {
        self.shared.keeper.unrecorded()
    }
}

impl fmt::Debug for SharedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedStore").field(&self.store().name()).finish()
    }
}

/// For how long a silent holder is believed, and what a hold that is dropped comes to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) lease: Duration,
    /// Renewal stops after this long, for a body that hangs.
    pub(crate) max_run: Option<Duration>,
    pub(crate) on_drop: Release,
}

/// A key that this process holds: dropped without an outcome, it is given back.
#[derive(Debug)]
pub(crate) struct Held {
    store: SharedStore,
    hold: Option<Hold>,
    id: u64,
    fence: Arc<Fence>,
    attempt: u32,
    on_drop: Release,
}

impl Held {
    pub(crate) fn fence(&self) -> Arc<Fence> {
        self.fence.clone()
    }

    pub(crate) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Ends the hold without giving the key back: its outcome is about to be recorded.
    pub(crate) fn into_hold(mut self) -> Option<Hold> {
        self.store.shared.keeper.let_go(self.id);
        self.hold.take()
    }

    /// Gives the key back: the body ended, and its outcome is not kept.
    pub(crate) fn release(mut self) {
        self.on_drop = Release::Free;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(hold) = self.hold.take() else { return };
        self.store.shared.keeper.let_go(self.id);
        // The store has it once it was asked; nobody is left to hear the answer.
        drop(self.store.store().release(hold, self.on_drop));
    }
}
