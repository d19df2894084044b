//! Leases: who is believed to run a body, and the thread that keeps them believed.

mod keeper;
mod leaving;

use crate::context::Fence;
use crate::store::{CompleteRequest, Hold, Recorded, Release, Store, StoreError};
use crate::underway::Tally;
use keeper::{Keeper, Late};
use leaving::Leaving;
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

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
    leaving: Leaving,
}

/// Outcomes that are not known to be recorded: on their way to a store, or to be tried again.
pub(crate) static OUTCOMES: Tally = Tally::new();
/// Keys that are being given back.
pub(crate) static RELEASES: Tally = Tally::new();

/// Every store of this process that somebody still has.
static ALIVE: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

impl SharedStore {
    /// Shares a store.
    pub fn new(store: impl Store) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let store: Arc<dyn Store> = Arc::new(store);
        let (keeper, leaving) = (Keeper::new(store.clone()), Leaving::new(store.clone()));
        let shared = Arc::new(Shared { id: NEXT.fetch_add(1, Ordering::Relaxed), store, keeper, leaving });
        let mut alive = ALIVE.lock().unwrap_or_else(PoisonError::into_inner);
        alive.retain(|shared| shared.strong_count() > 0);
        alive.push(Arc::downgrade(&shared));
        drop(alive);
        Self { shared }
    }

    /// Every store of this process that somebody still has.
    pub(crate) fn alive() -> Vec<Self> {
        let alive = ALIVE.lock().unwrap_or_else(PoisonError::into_inner);
        alive.iter().filter_map(Weak::upgrade).map(|shared| Self { shared }).collect()
    }

    /// Tries again at once to record what is late.
    pub(crate) fn hurry(&self) {
        self.shared.keeper.hurry();
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

    /// Begins to keep what was asked for at a moment, and granted.
    pub(crate) fn hold(&self, hold: Hold, terms: Terms, attempt: u32, asked: Instant) -> Held {
        let fence = Fence::new(hold.token);
        fence.believe(asked, terms.lease);
        let id = self.shared.keeper.keep(hold.clone(), terms, fence.clone());
        Held { store: self.clone(), hold: Some(hold), id, fence, attempt, on_drop: terms.on_drop }
    }

    /// How many outcomes could not be recorded yet, because the store was away, and are tried again until they are.
    #[must_use]
    pub fn unrecorded(&self) -> usize {
        self.shared.keeper.unrecorded()
    }
}

/// Waits until all keys are given back that are being given back, of all stores.
pub(crate) async fn released() {
    let (stores, mut over) = (SharedStore::alive(), pin!(RELEASES.over()));
    poll_fn(|cx| {
        for store in &stores {
            store.shared.leaving.drive(cx.waker());
        }
        over.as_mut().poll(cx)
    })
    .await;
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

    /// Ends the hold with an outcome. Where the store cannot be reached, or nobody is left to hear its answer, the
    /// outcome is tried again in the background until it is recorded.
    pub(crate) async fn complete(
        mut self,
        outcome: Vec<u8>,
        retention: Option<Duration>,
    ) -> Result<Recorded, StoreError> {
        self.store.shared.keeper.let_go(self.id);
        let Some(hold) = self.hold.take() else { return Ok(Recorded::Lost) };
        let late = Late::new(hold.clone(), outcome.clone(), retention, OUTCOMES.begin());
        let mut sending = Sending { store: &self.store, late: Some(late) };
        let answer = self.store.store().complete(CompleteRequest::new(hold, outcome).retention(retention)).await;
        match &answer {
            Ok(_) => sending.late = None,
            Err(error) => {
                if let Some(late) = &mut sending.late {
                    late.tell(error);
                }
            }
        }
        answer
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
        self.store.shared.leaving.release(hold, self.on_drop, RELEASES.begin());
    }
}

/// An outcome on its way to the store; dropped without an answer, it is late.
struct Sending<'a> {
    store: &'a SharedStore,
    late: Option<Late>,
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        if let Some(late) = self.late.take() {
            self.store.shared.keeper.record_later(late);
        }
    }
}
