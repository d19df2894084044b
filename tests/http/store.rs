//! A store that can be away or cut off, and counts what it is asked.

use crate::client::soon;
use idempotently::SharedStore;
use idempotently::store::{
    AdoptRequest, Adopted, Answer, Claim, Claimed, CompleteRequest, Glimpse, Hold, Place, Recorded, Release, Standing,
    Store, StoreError,
};
use std::future::ready;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;

/// One process's way to a store that others have too.
#[derive(Clone)]
pub(crate) struct Line {
    store: SharedStore,
    shared: Arc<Shared>,
}

struct Shared {
    is_away: AtomicBool,
    claims: AtomicUsize,
    asked: AtomicUsize,
    failed: Semaphore,
    /// One permit for each claim that may go on, once claims are held up.
    gate: Mutex<Option<Arc<Semaphore>>>,
    written: Mutex<Option<Vec<u8>>>,
}

impl Line {
    pub(crate) fn to(store: &SharedStore) -> Self {
        let shared = Shared {
            is_away: AtomicBool::new(false),
            claims: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            failed: Semaphore::new(0),
            gate: Mutex::new(None),
            written: Mutex::new(None),
        };
        Self { store: store.clone(), shared: Arc::new(shared) }
    }

    pub(crate) fn shared(&self) -> SharedStore {
        SharedStore::new(self.clone())
    }

    /// From now on nothing gets through.
    pub(crate) fn cut(&self) {
        self.shared.is_away.store(true, Ordering::SeqCst);
    }

    pub(crate) fn mend(&self) {
        self.shared.is_away.store(false, Ordering::SeqCst);
    }

    /// From now on a claim waits for its permit.
    pub(crate) fn hold_up(&self) -> Arc<Semaphore> {
        self.shared.gate.lock().unwrap().insert(Arc::new(Semaphore::new(0))).clone()
    }

    /// Every key has this outcome.
    pub(crate) fn answers_with(&self, outcome: &[u8]) {
        *self.shared.written.lock().unwrap() = Some(outcome.to_vec());
    }

    pub(crate) fn claims(&self) -> usize {
        self.shared.claims.load(Ordering::SeqCst)
    }

    /// How often it was asked anything.
    pub(crate) fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }

    /// Waits until something did not get through.
    pub(crate) async fn failed(&self) {
        soon(self.shared.failed.acquire()).await.unwrap().forget();
    }

    fn through<'a, T: Send + 'a>(&'a self, ask: impl FnOnce(&'a dyn Store) -> Answer<'a, T>) -> Answer<'a, T> {
        self.shared.asked.fetch_add(1, Ordering::SeqCst);
        if self.shared.is_away.load(Ordering::SeqCst) {
            self.shared.failed.add_permits(1);
            return Box::pin(ready(Err(StoreError::new("cut off"))));
        }
        ask(self.store.store())
    }
}

impl Store for Line {
    fn claim(&self, claim: Claim) -> Answer<'_, Claimed> {
        self.shared.claims.fetch_add(1, Ordering::SeqCst);
        if let Some(outcome) = self.shared.written.lock().unwrap().clone() {
            return Box::pin(ready(Ok(Claimed::Completed { outcome })));
        }
        let gate = self.shared.gate.lock().unwrap().clone();
        self.through(|store| {
            Box::pin(async move {
                if let Some(gate) = gate {
                    gate.acquire().await.unwrap().forget();
                }
                store.claim(claim).await
            })
        })
    }

    fn renew(&self, holds: Vec<Hold>, lease: Duration) -> Answer<'_, Vec<bool>> {
        self.through(|store| store.renew(holds, lease))
    }

    fn complete(&self, request: CompleteRequest) -> Answer<'_, Recorded> {
        self.through(|store| store.complete(request))
    }

    fn adopt(&self, request: AdoptRequest) -> Answer<'_, Adopted> {
        self.through(|store| store.adopt(request))
    }

    fn release(&self, hold: Hold, how: Release) -> Answer<'_, bool> {
        self.through(|store| store.release(hold, how))
    }

    fn changed(&self, place: &Place) -> Answer<'_, ()> {
        let place = place.clone();
        self.through(|store| Box::pin(async move { store.changed(&place).await }))
    }

    fn peek(&self, place: Place) -> Answer<'_, Option<Glimpse>> {
        self.through(|store| store.peek(place))
    }

    fn forget(&self, place: Place) -> Answer<'_, bool> {
        self.through(|store| store.forget(place))
    }

    fn resolve(&self, place: Place, outcome: Vec<u8>, retention: Option<Duration>) -> Answer<'_, bool> {
        self.through(|store| store.resolve(place, outcome, retention))
    }

    fn list(
        &self,
        scope: Arc<str>,
        standing: Standing,
        after: Option<Arc<str>>,
        limit: usize,
    ) -> Answer<'_, Vec<Glimpse>> {
        self.through(|store| store.list(scope, standing, after, limit))
    }

    fn purge(&self, limit: usize) -> Answer<'_, usize> {
        self.through(|store| store.purge(limit))
    }

    fn name(&self) -> &'static str {
        "line"
    }
}
