//! The end of a program that uses a server: what the store gives back by itself, with nobody left to wait for it, is waited
//! for too. What is under way is the whole process's, so this is a program of its own.

#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "these tests ask for little")]
#[path = "postgres/support.rs"]
mod support;

use futures_lite::future::{block_on, poll_once};
use idempotent_servers::Proxy;
use idempotently::{Error, ErrorKind, OnInterruption, Operation, Records, SharedStore, Shutdown, blocking};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use support::{open, schema, soon};

static CHARGE: Operation = Operation::new("draining").interrupted(OnInterruption::Fail);

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);
const BRIEF: Duration = Duration::from_millis(50);

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(blocking::shutdown(LONG), Shutdown::default(), "an earlier test left something behind");
    guard
}

fn assert_one_release_is_left() {
    let started = Instant::now();
    let left = blocking::shutdown(BRIEF);
    assert_eq!((left.bodies, left.unrecorded, left.releases), (0, 0, 1));
    assert!(started.elapsed() >= BRIEF);
}

#[test]
fn a_claim_that_was_dropped_on_its_way_is_given_back_first() {
    let _alone = alone();
    let (to, bare) = schema();
    let store = SharedStore::new(open(&to));
    let drawn = "SELECT last_value FROM idempotently_token";
    CHARGE.call("warm").store(&store).try_run(|| Ok::<_, Error>(1)).unwrap();
    let before = bare.number(drawn);
    bare.execute("BEGIN; LOCK TABLE idempotently_record IN EXCLUSIVE MODE");
    let mut call = Box::pin(CHARGE.call("k").store(&store).try_run_async(async || Ok::<_, Error>(1)));
    assert!(block_on(poll_once(&mut call)).is_none());
    let name = to.get_application_name().unwrap();
    let waits =
        format!("SELECT count(*) FROM pg_stat_activity WHERE application_name = '{name}' AND wait_event_type = 'Lock'");
    soon("the claim was not sent", || (bare.number(&waits) > 0).then_some(()));
    drop(call);
    assert_one_release_is_left();
    bare.execute("COMMIT");
    assert!(blocking::shutdown(LONG).is_complete());
    assert_eq!(bare.number(drawn), before + 1, "it was granted");
    assert_eq!(bare.number("SELECT count(*) FROM idempotently_record WHERE key LIKE '%k'"), 0);
}

#[test]
fn a_claim_that_was_given_up_is_given_back_first() {
    let _alone = alone();
    let (to, _bare) = schema();
    let proxy = Proxy::to(to.get_port()).unwrap();
    let (store, direct) = (SharedStore::new(open(&to.clone().port(proxy.port()))), SharedStore::new(open(&to)));
    CHARGE.call("warm").store(&store).try_run(|| Ok::<_, Error>(1)).unwrap();
    proxy.hold();
    let refused = CHARGE.call("k").store(&store).try_run(|| Ok::<_, Error>(1));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Store);
    assert_one_release_is_left();
    proxy.heal();
    assert!(blocking::shutdown(LONG).is_complete());
    assert_eq!(Records::of(&direct).peek("draining", "k").unwrap(), None);
}
