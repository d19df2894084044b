//! Bodies that hang, threads that die, stores that are dropped: who goes on, and when.

use crate::gated::{Gated, LIMIT};
use futures_lite::future::{block_on, poll_once};
use idempotently::backend::memory::MemoryStore;
use idempotently::store::{
    AdoptRequest, Adopted, Answer, Claim, Claimed, CompleteRequest, Glimpse, Hold, Place, Recorded, Release, Standing,
    Store,
};
use idempotently::{Error, ErrorKind, InFlight, OnInterruption, Operation, SharedStore, current};
use std::panic::panic_any;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

const RETRY: OnInterruption = OnInterruption::Retry;

/// Calls until it is not refused as in flight.
fn until_it_runs(operation: &Operation, store: &SharedStore) -> u8 {
    let begun = Instant::now();
    loop {
        match operation.call(&1).store(store).try_run(|| Ok::<u8, Error>(2)) {
            Ok(number) => return number,
            Err(error) => assert_eq!(error.kind(), ErrorKind::InFlight),
        }
        assert!(begun.elapsed() < LIMIT, "the key stays taken in the process whose body hangs");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_body_that_hangs_gives_its_key_up_in_its_own_process() {
    static CHARGE: Operation = Operation::new("giving_up.thread")
        .interrupted(RETRY)
        .lease(Duration::from_millis(300))
        .max_run(Duration::from_millis(300))
        .in_flight(InFlight::Reject);
    let store = SharedStore::new(Gated::new());
    let (go, gone) = channel::<()>();
    let (begun, begins) = channel();
    let here = store.clone();
    let hangs = thread::spawn(move || {
        CHARGE.call(&1).store(&here).try_run(|| {
            begun.send(()).unwrap();
            gone.recv().unwrap();
            Ok::<u8, Error>(1)
        })
    });
    begins.recv().unwrap();
    assert_eq!(until_it_runs(&CHARGE, &store), 2);
    go.send(()).unwrap();
    assert_eq!(hangs.join().unwrap().unwrap(), 2, "what was recorded");
    assert_eq!(until_it_runs(&CHARGE, &store), 2);
}

#[test]
fn who_waits_for_a_body_that_hangs_takes_over() {
    static CHARGE: Operation = Operation::new("giving_up.task")
        .interrupted(RETRY)
        .lease(Duration::from_millis(300))
        .max_run(Duration::from_millis(300));
    let store = SharedStore::new(Gated::new());
    let mut hangs = Box::pin(CHARGE.call(&1).store(&store).try_run_async(std::future::pending::<Result<u8, Error>>));
    assert!(block_on(poll_once(&mut hangs)).is_none());
    let (tell, told) = channel();
    let here = store.clone();
    thread::spawn(move || {
        let follower = CHARGE.call(&1).store(&here).try_run_async(async || {
            assert_eq!(current().unwrap().attempt(), 2);
            Ok::<u8, Error>(2)
        });
        tell.send(block_on(follower).unwrap())
    });
    assert_eq!(told.recv_timeout(LIMIT), Ok(2));
    // Its end is nobody else's.
    drop(hangs);
    assert_eq!(CHARGE.call(&1).store(&store).try_run(|| Ok::<u8, Error>(3)).unwrap(), 2);
}

#[test]
fn the_end_of_a_body_that_was_given_up_ends_nobody_elses() {
    static CHARGE: Operation = Operation::new("giving_up.ends")
        .interrupted(RETRY)
        .lease(Duration::from_millis(300))
        .max_run(Duration::from_millis(300))
        .in_flight(InFlight::Reject);
    let store = SharedStore::new(Gated::new());
    let mut hangs = Box::pin(CHARGE.call(&1).store(&store).try_run_async(std::future::pending::<Result<u8, Error>>));
    assert!(block_on(poll_once(&mut hangs)).is_none());
    let begun = Instant::now();
    let mut second = loop {
        let mut call = Box::pin(CHARGE.call(&1).store(&store).try_run_async(std::future::pending::<Result<u8, Error>>));
        match block_on(poll_once(&mut call)) {
            None => break call,
            Some(refused) => assert_eq!(refused.unwrap_err().kind(), ErrorKind::InFlight),
        }
        assert!(begun.elapsed() < LIMIT, "the key stays taken");
        thread::sleep(Duration::from_millis(20));
    };
    drop(hangs);
    let third = CHARGE.call(&1).store(&store).try_run(|| Ok::<u8, Error>(3));
    assert_eq!(third.unwrap_err().kind(), ErrorKind::InFlight, "the second body still has the key");
    assert!(block_on(poll_once(&mut second)).is_none());
}

/// A panic's payload that panics when it is dropped, as a destructor may.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("on purpose");
    }
}

/// Records in memory. Some requests for renewal panic so that no guard helps; its end is told.
struct Dying {
    memory: MemoryStore,
    panics: Arc<AtomicUsize>,
    renewals: Arc<AtomicUsize>,
    ended: Sender<()>,
}

impl Drop for Dying {
    fn drop(&mut self) {
        let _ = self.ended.send(());
    }
}

impl Store for Dying {
    fn claim(&self, claim: Claim) -> Answer<'_, Claimed> {
        self.memory.claim(claim)
    }

    fn renew(&self, holds: Vec<Hold>, lease: Duration) -> Answer<'_, Vec<bool>> {
        if self.panics.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            panic_any(Bomb);
        }
        self.renewals.fetch_add(1, Ordering::SeqCst);
        self.memory.renew(holds, lease)
    }

    fn complete(&self, request: CompleteRequest) -> Answer<'_, Recorded> {
        self.memory.complete(request)
    }

    fn adopt(&self, request: AdoptRequest) -> Answer<'_, Adopted> {
        self.memory.adopt(request)
    }

    fn release(&self, hold: Hold, how: Release) -> Answer<'_, bool> {
        self.memory.release(hold, how)
    }

    fn changed(&self, place: &Place) -> Answer<'_, ()> {
        self.memory.changed(place)
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
        "dying"
    }
}

#[test]
fn a_lease_is_renewed_though_the_thread_that_renews_it_died() {
    static CHARGE: Operation = Operation::new("giving_up.dies").interrupted(RETRY).lease(Duration::from_millis(900));
    let (ended, _ends) = channel();
    let renewals = Arc::new(AtomicUsize::new(0));
    let panics = Arc::new(AtomicUsize::new(2));
    let dying = Dying { memory: MemoryStore::new(), panics, renewals: renewals.clone(), ended };
    let store = SharedStore::new(dying);
    let call = CHARGE.call(&1).store(&store).try_run(|| {
        let begun = Instant::now();
        while renewals.load(Ordering::SeqCst) < 2 {
            assert!(begun.elapsed() < LIMIT, "no lease is renewed any more");
            thread::sleep(Duration::from_millis(10));
        }
        Ok::<u8, Error>(1)
    });
    assert_eq!(call.unwrap(), 1);
}

#[test]
fn a_store_ends_with_its_last_user() {
    static CHARGE: Operation = Operation::new("giving_up.store").interrupted(RETRY).lease(Duration::from_hours(1));
    let (ended, ends) = channel();
    let store =
        SharedStore::new(Dying { memory: MemoryStore::new(), panics: Arc::default(), renewals: Arc::default(), ended });
    assert_eq!(CHARGE.call(&1).store(&store).try_run(|| Ok::<u8, Error>(1)).unwrap(), 1);
    drop(store);
    // Nothing else has it, so its end comes with the last handle and not with the lease.
    assert!(ends.try_recv().is_ok());
}

#[test]
#[should_panic(expected = "a lease is at least a millisecond")]
fn a_lease_of_nothing_is_refused() {
    let _ = Operation::new("giving_up.nothing").lease(Duration::ZERO);
}
