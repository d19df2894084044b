//! A store that can be away.

use idempotently::backend::memory::MemoryStore;
use idempotently::store::{
    AdoptRequest, Adopted, Answer, Claim, Claimed, CompleteRequest, Glimpse, Hold, Place, Recorded, Release, Standing,
    Store, StoreError,
};
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

/// Records in memory that cannot be reached for a while.
#[derive(Clone, Default)]
pub(crate) struct Away {
    store: MemoryStore,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    is_away: AtomicBool,
    /// What is asked for is done, and its answer does not come.
    is_mute: AtomicBool,
    /// The answers to releases come when it is back.
    is_slow: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
    failures: Mutex<usize>,
    failed: Condvar,
}

impl Away {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn goes(&self) {
        self.shared.is_away.store(true, Ordering::SeqCst);
    }

    pub(crate) fn falls_silent(&self) {
        self.shared.is_mute.store(true, Ordering::SeqCst);
    }

    pub(crate) fn keeps_releases(&self) {
        self.shared.is_slow.store(true, Ordering::SeqCst);
    }

    pub(crate) fn comes_back(&self) {
        self.shared.is_slow.store(false, Ordering::SeqCst);
        self.shared.waiting.lock().unwrap().drain(..).for_each(Waker::wake);
        self.shared.is_away.store(false, Ordering::SeqCst);
        self.shared.is_mute.store(false, Ordering::SeqCst);
    }

    /// Waits until so many completions have failed.
    pub(crate) fn failures(&self, count: usize) {
        let failures = self.shared.failures.lock().unwrap();
        let limit = Duration::from_secs(20);
        let (failures, waited) =
            self.shared.failed.wait_timeout_while(failures, limit, |failures| *failures < count).unwrap();
        assert!(!waited.timed_out(), "{failures} of {count} completions have failed");
    }

    fn answer<'a, T: Send + 'a>(&self, answer: Answer<'a, T>) -> Answer<'a, T> {
        if self.shared.is_away.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(Err(StoreError::new("away"))));
        }
        if self.shared.is_mute.load(Ordering::SeqCst) {
            return Box::pin(std::future::pending());
        }
        answer
    }
}

impl Store for Away {
    fn claim(&self, claim: Claim) -> Answer<'_, Claimed> {
        self.answer(self.store.claim(claim))
    }

    fn renew(&self, holds: Vec<Hold>, lease: Duration) -> Answer<'_, Vec<bool>> {
        self.store.renew(holds, lease)
    }

    fn complete(&self, request: CompleteRequest) -> Answer<'_, Recorded> {
        if self.shared.is_away.load(Ordering::SeqCst) {
            *self.shared.failures.lock().unwrap() += 1;
            self.shared.failed.notify_all();
            return Box::pin(std::future::ready(Err(StoreError::new("away"))));
        }
        self.answer(self.store.complete(request))
    }

    fn adopt(&self, request: AdoptRequest) -> Answer<'_, Adopted> {
        self.answer(self.store.adopt(request))
    }

    fn release(&self, hold: Hold, how: Release) -> Answer<'_, bool> {
        let (shared, answer) = (self.shared.clone(), self.answer(self.store.release(hold, how)));
        Box::pin(async move {
            poll_fn(|cx| {
                let mut waiting = shared.waiting.lock().unwrap();
                if !shared.is_slow.load(Ordering::SeqCst) {
                    return Poll::Ready(());
                }
                waiting.push(cx.waker().clone());
                Poll::Pending
            })
            .await;
            answer.await
        })
    }

    fn changed(&self, place: &Place) -> Answer<'_, ()> {
        self.store.changed(place)
    }

    fn peek(&self, place: Place) -> Answer<'_, Option<Glimpse>> {
        self.store.peek(place)
    }

    fn forget(&self, place: Place) -> Answer<'_, bool> {
        self.store.forget(place)
    }

    fn resolve(&self, place: Place, outcome: Vec<u8>, retention: Option<Duration>) -> Answer<'_, bool> {
        self.store.resolve(place, outcome, retention)
    }

    fn list(
        &self,
        scope: Arc<str>,
        standing: Standing,
        after: Option<Arc<str>>,
        limit: usize,
    ) -> Answer<'_, Vec<Glimpse>> {
        self.store.list(scope, standing, after, limit)
    }

    fn purge(&self, limit: usize) -> Answer<'_, usize> {
        self.store.purge(limit)
    }

    fn name(&self) -> &'static str {
        "away"
    }
}
