//! Leases: who is believed to run a body, and the thread that keeps them believed.

mod keeper;
mod leaving;

use crate::clock::BootTime;
use crate::context::Fence;
use crate::record::{OnInterruption, Owner};
use crate::report;
use crate::store::{Adopted, Hold, Recorded, Release, Store, StoreError};
use crate::underway::Tally;
use futures_timer::Delay;
use keeper::{Keeper, Late};
use leaving::Leaving;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

/// How long a caller waits until the store has the key back.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);

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
        let (keeper, leaving) = (Keeper::new(&store), Leaving::new(store.clone()));
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

    /// Begins to keep what was granted.
    pub(crate) fn hold(&self, grant: Grant, terms: Terms) -> Held {
        let Grant { hold, owner, attempt, asked } = grant;
        let fence = Fence::new(hold.token);
        fence.believe(asked, terms.lease);
        let id = self.shared.keeper.keep(hold.clone(), terms, fence.clone());
        Held { store: self.clone(), hold: Some(hold), owner, id, fence, attempt, terms, has_begun: false }
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
    /// What becomes of the key where the body had begun.
    pub(crate) on_drop: Release,
}

/// A key that a store granted.
pub(crate) struct Grant {
    pub(crate) hold: Hold,
    /// Who asked for it.
    pub(crate) owner: Owner,
    pub(crate) attempt: u32,
    /// When it was asked for.
    pub(crate) asked: BootTime,
}

/// A key that this process holds: dropped without an outcome, it is given back.
#[derive(Debug)]
pub(crate) struct Held {
    store: SharedStore,
    hold: Option<Hold>,
    owner: Owner,
    id: u64,
    fence: Arc<Fence>,
    attempt: u32,
    terms: Terms,
    has_begun: bool,
}

impl Held {
    pub(crate) fn fence(&self) -> Arc<Fence> {
        self.fence.clone()
    }

    pub(crate) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Whether another caller may have the key, as far as this process knows.
    pub(crate) fn is_lost(&self) -> bool {
        self.fence.is_lost()
    }

    /// The body begins: from now on its effect may have happened.
    pub(crate) fn begins(&mut self) {
        self.has_begun = true;
    }

    /// The same key was granted again, so this hold is not to be given back.
    pub(crate) fn replaced(mut self) {
        self.hold = None;
        self.store.shared.keeper.let_go(self.id);
    }

    /// Ends the hold with an outcome.
    pub(crate) fn record(mut self, outcome: Outcome) -> Recording {
        self.store.shared.keeper.let_go(self.id);
        let store = self.store.shared.store.clone();
        let late = self.hold.take().map(|hold| Late::new(store, hold, self.owner, outcome, OUTCOMES.begin()));
        Recording { store: self.store.clone(), fence: self.fence.clone(), late }
    }

    /// Gives the key back: the body ended, and its outcome is not kept. Waits for the store, but not for long.
    pub(crate) async fn release(mut self) {
        let Some(hold) = self.hold.take() else { return };
        self.store.shared.keeper.let_go(self.id);
        let place = hold.place.clone();
        let mut asked = self.store.shared.leaving.ask(hold, Release::Free, RELEASES.begin());
        let mut limit = None;
        let answer = poll_fn(|cx| match asked.poll(cx) {
            Poll::Ready(answer) => Poll::Ready(answer),
            Poll::Pending => {
                let limit = limit.get_or_insert_with(|| Delay::new(RELEASE_TIMEOUT));
                Pin::new(limit).poll(cx).map(|()| Err(StoreError::new("the store has not answered yet")))
            }
        })
        .await;
        if let Err(error) = answer {
            report::unreleased(&place.scope, &place.key, &error);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(hold) = self.hold.take() else { return };
        self.store.shared.keeper.let_go(self.id);
        let how = if self.has_begun { self.terms.on_drop } else { Release::Free };
        drop(self.store.shared.leaving.ask(hold, how, RELEASES.begin()));
    }
}

/// What is to be recorded at the end of a body.
pub(crate) struct Outcome {
    pub(crate) fingerprint: Option<[u8; 16]>,
    pub(crate) interrupted: OnInterruption,
    pub(crate) bytes: Vec<u8>,
    pub(crate) retention: Option<Duration>,
}

/// An outcome on its way to the store. Dropped before the store has answered, it is tried again in the background.
pub(crate) struct Recording {
    store: SharedStore,
    fence: Arc<Fence>,
    late: Option<Late>,
}

impl Recording {
    /// Records the outcome under the hold that the body ran under.
    pub(crate) async fn complete(&mut self) -> Result<Recorded, StoreError> {
        let Some(late) = &mut self.late else { return Ok(Recorded::Lost) };
        let answer = self.store.shared.store.complete(late.complete_request()).await;
        match &answer {
            Ok(Recorded::Lost) => late.is_lost = true,
            Ok(_) => self.late = None,
            Err(error) => late.tell(error),
        }
        answer
    }

    /// Records the outcome without a hold, where nobody has the key.
    pub(crate) async fn adopt(&mut self) -> Result<Adopted, StoreError> {
        let Some(late) = &mut self.late else { return Ok(Adopted::Recorded) };
        let answer = self.store.shared.store.adopt(late.adopt_request()).await;
        match &answer {
            Ok(Adopted::InFlight { .. }) => {}
            Ok(_) => self.late = None,
            Err(error) => late.tell(error),
        }
        answer
    }

    /// Whether another caller may have the key, as far as this process knows.
    pub(crate) fn is_lost(&self) -> bool {
        self.fence.is_lost()
    }

    /// The outcome is not to be recorded.
    pub(crate) fn give_up(mut self) {
        self.late = None;
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if let Some(late) = self.late.take() {
            self.store.shared.keeper.record_later(late);
        }
    }
}
