//! A holder that was taken over while its body ran: what becomes of its outcome, and what its callers are told.

use crate::gated::{Gated, LIMIT};
use futures_lite::future::block_on;
use idempotently::backend::memory::MemoryStore;
use idempotently::record::Owner;
use idempotently::store::{Claim, Claimed, CompleteRequest, Hold, Place, Recorded, Release, Store};
use idempotently::{Error, ErrorKind, InFlight, OnInterruption, Operation, Records, SharedStore, blocking, current};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

const RETRY: OnInterruption = OnInterruption::Retry;
const HOUR: Duration = Duration::from_hours(1);

/// A call on a thread of its own, which must end.
#[track_caller]
fn ends<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = channel();
    thread::spawn(move || tell.send(call()));
    told.recv_timeout(LIMIT).expect("the call does not end")
}

fn place(scope: &str) -> Place {
    Place { scope: scope.into(), key: "1".into() }
}

/// Another process takes the key over from the running body, as it can once the body's lease is over.
fn taken_over(memory: &MemoryStore, scope: &str, lease: Duration, fingerprint: Option<[u8; 16]>) -> Hold {
    let hold = Hold { place: place(scope), token: current().unwrap().token() };
    assert!(block_on(memory.release(hold, Release::Free)).unwrap());
    let claim = Claim::new(place(scope), Owner([9; 16]), lease, RETRY).fingerprint(fingerprint);
    match block_on(memory.claim(claim)).unwrap() {
        Claimed::Granted { token, .. } => Hold { place: place(scope), token },
        other => panic!("the key is free, and the claim {other:?}"),
    }
}

fn call(operation: &Operation, store: &SharedStore, number: u8, body: impl FnOnce()) -> Result<u8, ErrorKind> {
    let call = operation.call(&1).store(store).try_run(|| {
        body();
        Ok::<u8, Error>(number)
    });
    call.map_err(|error| error.kind())
}

#[test]
fn a_holder_is_answered_when_the_one_that_took_over_dies() {
    static CHARGE: Operation = Operation::new("adoption.dies").interrupted(RETRY).lease(HOUR);
    let gated = Gated::new();
    let store = SharedStore::new(gated.clone());
    let (here, memory) = (store.clone(), gated.memory.clone());
    let body = move || drop(taken_over(&memory, "adoption.dies", Duration::from_millis(300), None));
    assert_eq!(ends(move || call(&CHARGE, &here, 1, body)), Ok(1));
    let here = store.clone();
    assert_eq!(ends(move || call(&CHARGE, &here, 2, || ())), Ok(1), "it is recorded");
    assert_eq!(call(&CHARGE, &SharedStore::new(gated.memory), 3, || ()), Ok(1), "in every process");
}

#[test]
fn every_successful_answer_is_recorded() {
    static CHARGE: Operation = Operation::new("adoption.recorded").interrupted(RETRY).lease(HOUR);
    let gated = Gated::new();
    let store = SharedStore::new(gated.clone());
    let first = call(&CHARGE, &store, 1, || {
        let theirs = taken_over(&gated.memory, "adoption.recorded", HOUR, None);
        // Its body failed, so it gives the key back.
        assert!(block_on(gated.memory.release(theirs, Release::Free)).unwrap());
    });
    assert_eq!(first, Ok(1));
    assert_eq!(call(&CHARGE, &SharedStore::new(gated.memory), 2, || ()), Ok(1), "the first answer");
}

#[test]
fn what_is_forgotten_while_the_body_runs_is_recorded_at_its_end() {
    static CHARGE: Operation = Operation::new("adoption.forgotten").interrupted(RETRY).lease(HOUR);
    let gated = Gated::new();
    let store = SharedStore::new(gated.clone());
    let forget = || assert!(Records::of(&store).forget("adoption.forgotten", &1).unwrap());
    assert_eq!(call(&CHARGE, &store, 1, forget), Ok(1));
    assert_eq!(call(&CHARGE, &store, 2, || ()), Ok(1));
}

#[test]
fn a_holder_waits_for_the_one_that_took_over_and_shares_its_outcome() {
    static CHARGE: Operation = Operation::new("adoption.waits").interrupted(RETRY).lease(HOUR);
    let gated = Gated::new();
    let store = SharedStore::new(gated.clone());
    let (took, taken) = channel();
    let (here, memory) = (store.clone(), gated.memory.clone());
    let leader = thread::spawn(move || {
        call(&CHARGE, &here, 1, || took.send(taken_over(&memory, "adoption.waits", HOUR, None)).unwrap())
    });
    let theirs = taken.recv().unwrap();
    gated.wait_until(|counts| counts.adoptions > 1 && counts.waits > 0);
    let here = store.clone();
    let follower = thread::spawn(move || call(&CHARGE, &here, 3, || ()));
    let request = CompleteRequest::new(theirs, b"\x01v2".to_vec());
    assert_eq!(block_on(gated.memory.complete(request)).unwrap(), Recorded::Done);
    assert_eq!(leader.join().unwrap(), Ok(2));
    assert_eq!(follower.join().unwrap(), Ok(2));
}

#[test]
fn the_outcome_of_another_fingerprint_is_nobodys_answer() {
    static CHARGE: Operation = Operation::new("adoption.fingerprint").interrupted(RETRY).lease(HOUR);
    let gated = Gated::new();
    let store = SharedStore::new(gated.clone());
    let error = CHARGE.call(&1).fingerprint(&7).store(&store).try_run(|| {
        let theirs = taken_over(&gated.memory, "adoption.fingerprint", HOUR, Some([3; 16]));
        let request = CompleteRequest::new(theirs, b"\x01v2".to_vec()).fingerprint(Some([3; 16]));
        assert_eq!(block_on(gated.memory.complete(request)).unwrap(), Recorded::Done);
        Ok::<u8, Error>(1)
    });
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert!(error.to_string().contains("the body ran"), "{error}");
}

#[test]
fn what_another_holder_left_interrupted_stays_so() {
    static CHARGE: Operation = Operation::new("adoption.interrupted").interrupted(RETRY).lease(HOUR);
    let gated = Gated::new();
    let store = SharedStore::new(gated.clone());
    let first = call(&CHARGE, &store, 1, || {
        let theirs = taken_over(&gated.memory, "adoption.interrupted", HOUR, None);
        assert!(block_on(gated.memory.release(theirs, Release::Interrupt)).unwrap());
    });
    assert_eq!(first, Err(ErrorKind::Interrupted));
    assert_eq!(call(&CHARGE, &store, 2, || ()), Err(ErrorKind::Interrupted));
}

#[test]
fn who_does_not_wait_for_the_one_that_took_over_has_lost_its_lease() {
    static REJECTS: Operation =
        Operation::new("adoption.reject").interrupted(RETRY).lease(HOUR).in_flight(InFlight::Reject);
    static WAITS: Operation = Operation::new("adoption.brief")
        .interrupted(RETRY)
        .lease(HOUR)
        .in_flight(InFlight::WaitFor(Duration::from_millis(20)));
    for (operation, scope) in [(&REJECTS, "adoption.reject"), (&WAITS, "adoption.brief")] {
        let gated = Gated::new();
        let (store, memory) = (SharedStore::new(gated.clone()), gated.memory.clone());
        let body = move || drop(taken_over(&memory, scope, HOUR, None));
        assert_eq!(ends(move || call(operation, &store, 1, body)), Err(ErrorKind::LeaseLost), "{scope}");
    }
}

#[test]
fn where_the_store_is_away_the_outcome_is_unknown_and_recorded_later() {
    static CHARGE: Operation = Operation::new("adoption.away").interrupted(RETRY).lease(HOUR);
    let gated = Gated::new();
    let store = SharedStore::new(gated.clone());
    gated.switch(|switches| &switches.fails_to_adopt, true);
    let first = CHARGE.call(&1).store(&store).try_run(|| {
        let theirs = taken_over(&gated.memory, "adoption.away", HOUR, None);
        assert!(block_on(gated.memory.release(theirs, Release::Free)).unwrap());
        Ok::<u8, Error>(1)
    });
    let error = first.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert!(error.to_string().contains("the body ran"), "{error}");
    assert_eq!(store.unrecorded(), 1);
    gated.switch(|switches| &switches.fails_to_adopt, false);
    recorded(&store);
    assert_eq!(call(&CHARGE, &store, 2, || ()), Ok(1));
}

/// Waits until nothing is late any more.
#[track_caller]
fn recorded(store: &SharedStore) {
    let begun = std::time::Instant::now();
    while store.unrecorded() > 0 {
        assert!(begun.elapsed() < LIMIT, "an outcome is not recorded");
        // It lets what is late be tried at once.
        let _ = blocking::shutdown(Duration::from_millis(5));
    }
}

/// A call that ends while the store cannot be reached.
fn late(operation: &Operation, gated: &Gated, store: &SharedStore) -> Result<u8, ErrorKind> {
    call(operation, store, 1, || gated.switch(|switches| &switches.fails_to_complete, true))
}

#[test]
fn an_outcome_that_is_late_is_recorded_though_another_holder_failed_meanwhile() {
    static CHARGE: Operation = Operation::new("adoption.late").interrupted(RETRY).lease(HOUR);
    let gated = Gated::new();
    let store = SharedStore::new(gated.clone());
    let token = AtomicUsize::new(0);
    let first = call(&CHARGE, &store, 1, || {
        token.store(usize::try_from(current().unwrap().token()).unwrap(), Ordering::SeqCst);
        gated.switch(|switches| &switches.fails_to_complete, true);
    });
    assert_eq!(first, Ok(1), "its lease is not over, and it is recorded later");
    // Another holder comes and fails before the store takes the outcome.
    let own = Hold { place: place("adoption.late"), token: token.into_inner() as u64 };
    assert!(block_on(gated.memory.release(own, Release::Free)).unwrap());
    let claim = Claim::new(place("adoption.late"), Owner([9; 16]), HOUR, RETRY);
    let Claimed::Granted { token, .. } = block_on(gated.memory.claim(claim)).unwrap() else { panic!("it is free") };
    gated.switch(|switches| &switches.fails_to_complete, false);
    gated.wait_until(|counts| counts.adoptions > 0);
    let theirs = Hold { place: place("adoption.late"), token };
    assert!(block_on(gated.memory.release(theirs, Release::Free)).unwrap());
    recorded(&store);
    assert_eq!(call(&CHARGE, &store, 2, || ()), Ok(1));
}

#[test]
fn after_its_lease_an_unrecorded_outcome_is_unknown_to_its_callers() {
    static CHARGE: Operation = Operation::new("adoption.over").interrupted(RETRY).lease(Duration::from_millis(300));
    let gated = Gated::new();
    let store = SharedStore::new(gated.clone());
    gated.switch(|switches| &switches.fails_to_renew, true);
    let (begun, begins) = channel();
    let (go, gone) = channel::<()>();
    let (here, switches) = (store.clone(), gated.clone());
    let leader = thread::spawn(move || {
        late_after(&CHARGE, &switches, &here, || {
            begun.send(()).unwrap();
            gone.recv().unwrap();
        })
    });
    begins.recv().unwrap();
    let mut follower = Box::pin(CHARGE.call(&1).store(&store).try_run_async(async || Ok::<u8, Error>(3)));
    assert!(block_on(futures_lite::future::poll_once(&mut follower)).is_none());
    go.send(()).unwrap();
    let error = leader.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert!(error.to_string().contains("the body ran"), "{error}");
    assert_eq!(block_on(follower).unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    gated.switch(|switches| &switches.fails_to_complete, false);
    recorded(&store);
    assert_eq!(call(&CHARGE, &store, 2, || ()), Ok(1));
}

fn late_after(operation: &Operation, gated: &Gated, store: &SharedStore, body: impl FnOnce()) -> Result<u8, Error> {
    operation.call(&1).store(store).try_run(|| {
        body();
        let begun = std::time::Instant::now();
        while current().unwrap().check().is_ok() {
            assert!(begun.elapsed() < LIMIT, "the lease does not end");
            thread::sleep(Duration::from_millis(5));
        }
        gated.switch(|switches| &switches.fails_to_complete, true);
        Ok(1)
    })
}

#[test]
fn within_its_lease_an_unrecorded_outcome_answers() {
    static CHARGE: Operation = Operation::new("adoption.within").interrupted(RETRY).lease(HOUR);
    let gated = Gated::new();
    let store = SharedStore::new(gated.clone());
    assert_eq!(late(&CHARGE, &gated, &store), Ok(1));
    gated.switch(|switches| &switches.fails_to_complete, false);
    recorded(&store);
}

#[test]
fn no_body_begins_under_a_lease_that_is_over() {
    static CHARGE: Operation =
        Operation::new("adoption.begins").interrupted(OnInterruption::Fail).lease(Duration::from_millis(500));
    let gated = Gated::new();
    let store = SharedStore::new(gated.clone());
    gated.switches.late_claims.store(2, Ordering::SeqCst);
    gated.switch(|switches| &switches.fails_to_renew, true);
    let begins = || (current().unwrap().check().is_ok(), current().unwrap().attempt());
    let mut seen = None;
    assert_eq!(call(&CHARGE, &store, 1, || seen = Some(begins())), Ok(1));
    assert_eq!(seen, Some((true, 1)));
    assert_eq!(gated.counts().claims, 3);
}

#[test]
fn a_store_that_always_answers_after_the_lease_runs_nothing_and_keeps_nothing() {
    static CHARGE: Operation =
        Operation::new("adoption.never_begins").interrupted(OnInterruption::Fail).lease(Duration::from_millis(1));
    let gated = Gated::new();
    gated.switches.late_claims.store(1000, Ordering::SeqCst);
    let store = SharedStore::new(gated.clone());
    gated.switch(|switches| &switches.fails_to_renew, true);
    assert_eq!(ends(move || call(&CHARGE, &store, 1, || panic!("it has begun"))), Err(ErrorKind::Store));
    assert!(block_on(gated.memory.peek(place("adoption.never_begins"))).unwrap().is_none());
}
