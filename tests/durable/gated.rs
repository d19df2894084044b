//! Records in memory behind switches: what is slow, what fails, and how often the store was asked.

use idempotently::backend::memory::MemoryStore;
use idempotently::store::{
    AdoptRequest, Adopted, Answer, Claim, Claimed, CompleteRequest, Glimpse, Hold, Place, Recorded, Release, Standing,
    Store, StoreError,
};
use std::future::{poll_fn, ready};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

/// Longer than anything here takes.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

#[derive(Clone, Default)]
pub(crate) struct Gated {
    pub(crate) memory: MemoryStore,
    pub(crate) switches: Arc<Switches>,
}

#[derive(Default)]
pub(crate) struct Switches {
    pub(crate) fails_to_renew: AtomicBool,
    pub(crate) fails_to_complete: AtomicBool,
    pub(crate) fails_to_adopt: AtomicBool,
    /// Releases are carried out by a thread, a moment after they were asked for.
    pub(crate) releases_late: AtomicBool,
    /// Releases are carried out when this is over.
    pub(crate) holds_releases: AtomicBool,
    /// Claims are made, and not answered until this is over.
    pub(crate) never_claims: AtomicBool,
    /// The answers to this many claims come after the lease that they grant.
    pub(crate) late_claims: AtomicUsize,
    counts: Mutex<Counts>,
    counted: Condvar,
    waiting: Mutex<Vec<Waker>>,
}

impl Switches {
    /// Waits until a switch is off.
    async fn off(&self, switch: &AtomicBool) {
        poll_fn(|cx| {
            let mut waiting = self.waiting.lock().unwrap();
            if !switch.load(Ordering::SeqCst) {
                return Poll::Ready(());
            }
            waiting.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    pub(crate) claims: usize,
    pub(crate) adoptions: usize,
    /// Calls that are told of changes.
    pub(crate) waits: usize,
}

impl Gated {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn switch(&self, switch: impl Fn(&Switches) -> &AtomicBool, on: bool) {
        switch(&self.switches).store(on, Ordering::SeqCst);
        let waiting = std::mem::take(&mut *self.switches.waiting.lock().unwrap());
        waiting.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn counts(&self) -> Counts {
        *self.switches.counts.lock().unwrap()
    }

    /// Waits until the store was asked so often.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: impl Fn(&Counts) -> bool) {
        let counts = self.switches.counts.lock().unwrap();
        let (counts, waited) = self.switches.counted.wait_timeout_while(counts, LIMIT, |counts| !what(counts)).unwrap();
        assert!(!waited.timed_out(), "{counts:?}");
    }

    fn count(&self, what: impl FnOnce(&mut Counts)) {
        what(&mut self.switches.counts.lock().unwrap());
        self.switches.counted.notify_all();
    }

    fn fails<'a, T: Send + 'a>(switch: &AtomicBool) -> Option<Answer<'a, T>> {
        switch.load(Ordering::SeqCst).then(|| Box::pin(ready(Err(StoreError::new("away")))) as Answer<'a, T>)
    }
}

/// An answer that another thread gives.
struct Later(Mutex<(Option<bool>, Option<Waker>)>);

impl Store for Gated {
    fn claim(&self, claim: Claim) -> Answer<'_, Claimed> {
        let lease = claim.lease;
        let answer = self.memory.claim(claim);
        Box::pin(async move {
            self.count(|counts| counts.claims += 1);
            self.switches.off(&self.switches.never_claims).await;
            let answer = answer.await;
            let late = |left: usize| left.checked_sub(1);
            if self.switches.late_claims.fetch_update(Ordering::SeqCst, Ordering::SeqCst, late).is_ok() {
                thread::sleep(lease + Duration::from_millis(20));
            }
            answer
        })
    }

    fn renew(&self, holds: Vec<Hold>, lease: Duration) -> Answer<'_, Vec<bool>> {
        Self::fails(&self.switches.fails_to_renew).unwrap_or_else(|| self.memory.renew(holds, lease))
    }

    fn complete(&self, request: CompleteRequest) -> Answer<'_, Recorded> {
        Self::fails(&self.switches.fails_to_complete).unwrap_or_else(|| self.memory.complete(request))
    }

    fn adopt(&self, request: AdoptRequest) -> Answer<'_, Adopted> {
        let answer = Self::fails(&self.switches.fails_to_adopt).unwrap_or_else(|| self.memory.adopt(request));
        self.count(|counts| counts.adoptions += 1);
        answer
    }

    fn release(&self, hold: Hold, how: Release) -> Answer<'_, bool> {
        if self.switches.holds_releases.load(Ordering::SeqCst) {
            let (memory, switches) = (self.memory.clone(), self.switches.clone());
            return Box::pin(async move {
                switches.off(&switches.holds_releases).await;
                memory.release(hold, how).await
            });
        }
        if !self.switches.releases_late.load(Ordering::SeqCst) {
            return self.memory.release(hold, how);
        }
        let (memory, later) = (self.memory.clone(), Arc::new(Later(Mutex::new((None, None)))));
        let told = later.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(2));
            let released = futures_lite::future::block_on(memory.release(hold, how)).unwrap();
            let mut later = later.0.lock().unwrap();
            later.0 = Some(released);
            later.1.take().into_iter().for_each(Waker::wake);
        });
        Box::pin(poll_fn(move |cx| {
            let mut told = told.0.lock().unwrap();
            if let Some(released) = told.0 {
                return Poll::Ready(Ok(released));
            }
            told.1 = Some(cx.waker().clone());
            Poll::Pending
        }))
    }

    fn changed(&self, place: &Place) -> Answer<'_, ()> {
        let answer = self.memory.changed(place);
        self.count(|counts| counts.waits += 1);
        answer
    }

    fn peek(&self, place: Place) -> Answer<'_, Option<Glimpse>> {
        self.memory.peek(place)
    }

    fn forget(&self, place: Place) -> Answer<'_, bool> {
        self.memory.forget(place)
    }

    fn resolve(&self, place: Place, outcome: Vec<u8>, retention: Option<Duration>) -> Answer<'_, bool> {
        self.memory.resolve(place, outcome, retention)
    }

    fn list(&self, scope: Arc<str>, at: Standing, after: Option<Arc<str>>, limit: usize) -> Answer<'_, Vec<Glimpse>> {
        self.memory.list(scope, at, after, limit)
    }

    fn purge(&self, limit: usize) -> Answer<'_, usize> {
        self.memory.purge(limit)
    }

    fn name(&self) -> &'static str {
        "gated"
    }
}
