//! Duplicates in a process whose leader waits for another process.

use crate::gated::Gated;
use futures_lite::future::{block_on, poll_once};
use idempotently::store::Store;
use idempotently::{Error, ErrorKind, InFlight, OnInterruption, Operation, SharedStore};
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

const RETRY: OnInterruption = OnInterruption::Retry;

type Call<'a> = std::pin::Pin<Box<dyn Future<Output = Result<u8, Error>> + Send + 'a>>;

/// A body in another process, which goes on for as long as this is kept.
fn elsewhere<'a>(operation: &'a Operation, store: &'a SharedStore, fingerprint: u8) -> Call<'a> {
    let call = operation.call(&1).fingerprint(&fingerprint).store(store);
    let mut call: Call<'a> = Box::pin(call.try_run_async(pending::<Result<u8, Error>>));
    assert!(block_on(poll_once(&mut call)).is_none());
    call
}

#[test]
fn another_fingerprint_is_refused_before_any_waiting() {
    static CHARGE: Operation =
        Operation::new("duplicates.fingerprint").interrupted(RETRY).lease(Duration::from_hours(1));
    let gated = Gated::new();
    let (here, there) = (SharedStore::new(gated.clone()), SharedStore::new(gated.memory));
    let _body = elsewhere(&CHARGE, &there, 7);
    let _leader = elsewhere(&CHARGE, &here, 7);
    let call = CHARGE.call(&1).fingerprint(&8).store(&here);
    let mut other = Box::pin(call.try_run_async(async || Ok::<u8, Error>(8)));
    let refused = block_on(poll_once(&mut other)).expect("it waits");
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::KeyReused);
}

#[test]
fn a_follower_has_a_patience_of_its_own() {
    static CHARGE: Operation = Operation::new("duplicates.patience")
        .interrupted(RETRY)
        .lease(Duration::from_hours(1))
        .in_flight(InFlight::WaitFor(Duration::from_secs(1)));
    let gated = Gated::new();
    let (here, there) = (SharedStore::new(gated.clone()), SharedStore::new(gated.memory.clone()));
    let body = elsewhere(&CHARGE, &there, 7);
    let leader = elsewhere(&CHARGE, &here, 7);
    let before = gated.counts().claims;
    let follower = elsewhere(&CHARGE, &here, 7);
    assert_eq!(gated.counts().claims, before, "it follows");
    assert_eq!(block_on(leader).unwrap_err().kind(), ErrorKind::WaitTimedOut);
    let asked = gated.counts().claims;
    assert_eq!(block_on(follower).unwrap_err().kind(), ErrorKind::WaitTimedOut);
    assert!(gated.counts().claims > asked, "it asks for itself, and is not answered with another caller's patience");
    drop(body);
}

/// Makes a call when it is woken, which is when something has just changed.
struct CallsWhenWoken {
    call: Box<dyn Fn() -> Option<ErrorKind> + Send + Sync>,
    seen: Mutex<Vec<Option<ErrorKind>>>,
}

impl Wake for CallsWhenWoken {
    fn wake(self: Arc<Self>) {
        let seen = (self.call)();
        self.seen.lock().unwrap().push(seen);
    }
}

#[test]
fn nobody_is_refused_for_a_leader_that_goes_away_before_it_has_the_key() {
    static CHARGE: Operation = Operation::new("duplicates.cancelled").interrupted(RETRY).in_flight(InFlight::Reject);
    let gated = Gated::new();
    gated.switch(|switches| &switches.never_claims, true);
    let store = SharedStore::new(gated.clone());
    let begin = || -> Call<'_> { Box::pin(CHARGE.call(&1).store(&store).try_run_async(async || Ok::<u8, Error>(1))) };
    let mut leader = begin();
    assert!(block_on(poll_once(&mut leader)).is_none());
    let inside = store.clone();
    let call = Box::new(move || {
        let mut call = Box::pin(CHARGE.call(&1).store(&inside).try_run_async(async || Ok::<u8, Error>(1)));
        block_on(poll_once(&mut call)).and_then(Result::err).map(|error| error.kind())
    });
    let calls = Arc::new(CallsWhenWoken { call, seen: Mutex::default() });
    let waker = Waker::from(calls.clone());
    let mut joined = begin();
    assert!(matches!(joined.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Pending));
    drop(leader);
    let seen = std::mem::take(&mut *calls.seen.lock().unwrap());
    // The leader gives the key up first, so whoever comes then waits with the others.
    assert_eq!(seen.first(), Some(&None), "{seen:?}");
    let place = idempotently::store::Place { scope: "duplicates.cancelled".into(), key: "1".into() };
    assert!(block_on(gated.memory.peek(place)).unwrap().is_none());
}
