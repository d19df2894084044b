//! A store that does not do as it should, and what is made of it.

use idempotently::backend::memory::MemoryStore;
use idempotently::record::Owner;
use idempotently::store::{
    AdoptRequest, Adopted, Answer, Claim, Claimed, CompleteRequest, Glimpse, Hold, Place, Recorded, Release, Standing,
    Store, StoreError,
};
use idempotently::{Error, ErrorKind, InFlight, OnInterruption, Operation, SharedStore, blocking, current};
use std::future::{pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Oddity {
    /// Another caller has the key, and nobody says who.
    LosesAndFallsSilent,
    PanicsAtFirst,
    /// Takes its time to record nothing.
    Dawdles,
    /// Cannot be reached when a lease is to be renewed.
    RenewsNothing,
}

#[derive(Clone)]
struct Odd {
    records: MemoryStore,
    oddity: Oddity,
    still: Arc<AtomicBool>,
}

const LEASE: Duration = Duration::from_secs(3);
/// Several of them are longer than a lease, and one is shorter than what is left of it when it is to be renewed.
const DAWDLING: Duration = Duration::from_millis(800);

impl Odd {
    fn new(oddity: Oddity) -> Self {
        Self { records: MemoryStore::new(), oddity, still: Arc::new(AtomicBool::new(true)) }
    }

    fn is(&self, oddity: Oddity) -> bool {
        self.oddity == oddity && self.still.load(Ordering::SeqCst)
    }

    fn panic_at_first(&self) {
        let panics = self.is(Oddity::PanicsAtFirst) && self.still.swap(false, Ordering::SeqCst);
        assert!(!panics, "on purpose");
    }
}

impl Store for Odd {
    fn claim(&self, claim: Claim) -> Answer<'_, Claimed> {
        self.records.claim(claim)
    }

    fn renew(&self, holds: Vec<Hold>, lease: Duration) -> Answer<'_, Vec<bool>> {
        self.panic_at_first();
        if self.is(Oddity::RenewsNothing) {
            return Box::pin(ready(Err(StoreError::new("it is away"))));
        }
        self.records.renew(holds, lease)
    }

    fn complete(&self, request: CompleteRequest) -> Answer<'_, Recorded> {
        if self.is(Oddity::LosesAndFallsSilent) {
            return Box::pin(ready(Ok(Recorded::Lost)));
        }
        if self.is(Oddity::Dawdles) {
            thread::sleep(DAWDLING);
            return Box::pin(ready(Err(StoreError::new("it dawdles"))));
        }
        self.records.complete(request)
    }

    fn adopt(&self, request: AdoptRequest) -> Answer<'_, Adopted> {
        if self.is(Oddity::LosesAndFallsSilent) {
            return Box::pin(ready(Err(StoreError::new("it is silent"))));
        }
        self.records.adopt(request)
    }

    fn release(&self, hold: Hold, how: Release) -> Answer<'_, bool> {
        self.records.release(hold, how)
    }

    fn changed(&self, _: &Place) -> Answer<'_, ()> {
        Box::pin(pending())
    }

    fn peek(&self, place: Place) -> Answer<'_, Option<Glimpse>> {
        self.records.peek(place)
    }

    fn forget(&self, place: Place) -> Answer<'_, bool> {
        self.records.forget(place)
    }

    fn resolve(&self, place: Place, outcome: Vec<u8>, retention: Option<Duration>) -> Answer<'_, bool> {
        self.records.resolve(place, outcome, retention)
    }

    fn list(&self, scope: Arc<str>, at: Standing, after: Option<Arc<str>>, limit: usize) -> Answer<'_, Vec<Glimpse>> {
        self.records.list(scope, at, after, limit)
    }

    fn purge(&self, limit: usize) -> Answer<'_, usize> {
        self.records.purge(limit)
    }

    fn name(&self) -> &'static str {
        "odd"
    }
}

#[test]
fn a_caller_whose_body_ran_is_never_told_that_it_did_not() {
    static CHARGE: Operation = Operation::new("durable.odd.lost").interrupted(OnInterruption::Retry);
    let odd = Odd::new(Oddity::LosesAndFallsSilent);
    let store = SharedStore::new(odd.clone());
    let mut ran = false;
    let call = CHARGE.call(&1).store(&store).try_run(|| {
        ran = true;
        Ok::<u8, Error>(1)
    });
    assert_eq!((ran, call.unwrap_err().kind()), (true, ErrorKind::OutcomeUnknown));
    odd.still.store(false, Ordering::SeqCst);
    assert!(blocking::shutdown(Duration::from_secs(20)).is_complete());
    assert_eq!(CHARGE.call(&1).store(&store).try_run(|| Ok::<u8, Error>(2)).unwrap(), 1, "it was adopted later");
}

/// Whether somebody else is granted a key while a body has it.
fn is_taken_over(records: &MemoryStore, scope: &str, key: &str) -> bool {
    let place = Place { scope: scope.into(), key: key.into() };
    let claim = Claim::new(place, Owner([7; 16]), Duration::from_secs(9), OnInterruption::Retry);
    matches!(futures_lite::future::block_on(records.claim(claim)).unwrap(), Claimed::Granted { .. })
}

/// Whether a body keeps its key for longer than one lease.
fn lasts(operation: &'static Operation, store: &SharedStore, records: &MemoryStore, scope: &str) -> bool {
    let mut lasted = false;
    let call = operation.call(&99).store(store).try_run(|| {
        let begun = Instant::now();
        while begun.elapsed() < LEASE * 3 / 2 && !is_taken_over(records, scope, "99") {
            thread::sleep(Duration::from_millis(20));
        }
        lasted = begun.elapsed() >= LEASE * 3 / 2 && current().unwrap().check().is_ok();
        Ok::<u8, Error>(99)
    });
    call.unwrap() == 99 && lasted
}

#[test]
fn a_store_that_panics_once_does_not_end_all_leases() {
    static CHARGE: Operation = Operation::new("durable.odd.panics")
        .interrupted(OnInterruption::Retry)
        .lease(LEASE)
        .in_flight(InFlight::Reject);
    let odd = Odd::new(Oddity::PanicsAtFirst);
    let store = SharedStore::new(odd.clone());
    assert!(lasts(&CHARGE, &store, &odd.records, "durable.odd.panics"));
    assert!(!odd.still.load(Ordering::SeqCst), "it did not panic");
}

#[test]
fn outcomes_that_are_late_do_not_hold_up_leases() {
    static CHARGE: Operation = Operation::new("durable.odd.dawdles")
        .interrupted(OnInterruption::Retry)
        .lease(LEASE)
        .in_flight(InFlight::Reject);
    let odd = Odd::new(Oddity::Dawdles);
    let store = SharedStore::new(odd.clone());
    for key in 0..6 {
        assert_eq!(CHARGE.call(&key).store(&store).try_run(|| Ok::<u8, Error>(key)).unwrap(), key);
    }
    assert_eq!(store.unrecorded(), 6);
    assert!(lasts(&CHARGE, &store, &odd.records, "durable.odd.dawdles"));
    odd.still.store(false, Ordering::SeqCst);
    assert!(blocking::shutdown(Duration::from_secs(20)).is_complete());
    assert_eq!(store.unrecorded(), 0);
}

#[test]
fn a_body_is_told_when_it_has_run_for_too_long() {
    static CHARGE: Operation = Operation::new("durable.odd.hangs")
        .interrupted(OnInterruption::Retry)
        .lease(Duration::from_mins(1))
        .max_run(Duration::from_millis(20));
    let store = SharedStore::new(MemoryStore::new());
    let begun = Instant::now();
    let call = CHARGE.call(&1).store(&store).try_run(|| {
        while current().unwrap().check().is_ok() && begun.elapsed() < Duration::from_secs(15) {
            thread::sleep(Duration::from_millis(5));
        }
        Ok::<u8, Error>(1)
    });
    assert_eq!(call.unwrap(), 1);
    assert!(begun.elapsed() < Duration::from_secs(15), "not before the next renewal");
}

/// Whether the body that runs still has its key, as soon as that is what is expected of it.
fn is_soon(believed: bool) -> bool {
    let begun = Instant::now();
    while current().unwrap().check().is_ok() != believed && begun.elapsed() < Duration::from_secs(15) {
        thread::sleep(Duration::from_millis(5));
    }
    current().unwrap().check().is_ok() == believed
}

#[test]
fn a_body_is_told_when_its_lease_could_not_be_renewed_in_time() {
    static CHARGE: Operation =
        Operation::new("durable.odd.renews").interrupted(OnInterruption::Retry).lease(Duration::from_millis(60));
    let odd = Odd::new(Oddity::RenewsNothing);
    let store = SharedStore::new(odd.clone());
    let call = CHARGE.call(&1).store(&store).try_run(|| {
        assert!(is_soon(false), "nobody can know that it is believed");
        odd.still.store(false, Ordering::SeqCst);
        assert!(is_soon(true), "nobody took over, and the lease goes on");
        Ok::<u8, Error>(1)
    });
    assert_eq!(call.unwrap(), 1);
    assert_eq!(store.unrecorded(), 0);
}
