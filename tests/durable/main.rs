//! Durable operations on a store in memory.

#![cfg(feature = "durable")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod adoption;
#[cfg(feature = "tokio")]
mod detached;
mod duplicates;
mod gated;
#[cfg(feature = "macros")]
mod generic;
mod giving_up;
mod odd;
#[cfg(feature = "macros")]
mod outcomes;
mod releases;
mod retryable;

use futures_lite::future::{block_on, poll_once};
use gated::{Gated, LIMIT};
use idempotently::backend::memory::MemoryStore;
use idempotently::store::{Claim, Claimed, CompleteRequest, Hold, Place, Release, Standing, Store};
use idempotently::{
    Error, ErrorKind, How, InFlight, OnInterruption, Operation, Records, Retention, SharedStore, current, observe,
};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

const RETRY: OnInterruption = OnInterruption::Retry;

fn shared() -> (MemoryStore, SharedStore) {
    let memory = MemoryStore::new();
    (memory.clone(), SharedStore::new(memory))
}

fn place(scope: &str, key: &str) -> Place {
    Place { scope: scope.into(), key: key.into() }
}

#[test]
fn two_stores_on_the_same_records_are_two_processes() {
    static CHARGE: Operation = Operation::new("durable.processes").interrupted(RETRY);
    let (memory, here) = shared();
    let there = SharedStore::new(memory);
    let first = observe(|| CHARGE.call("a").store(&here).try_run(|| Ok::<_, Error>("mine".to_owned())));
    let second = observe(|| CHARGE.call("a").store(&there).try_run(|| Ok::<_, Error>("theirs".to_owned())));
    assert_eq!((first.value.unwrap(), first.how), ("mine".into(), How::Executed));
    assert_eq!((second.value.unwrap(), second.how), ("mine".into(), How::Replayed));
}

#[test]
fn a_thousand_duplicates_in_one_process_make_one_claim() {
    static CHARGE: Operation = Operation::new("durable.thousand").interrupted(RETRY);
    let gated = Gated::new();
    let store = SharedStore::new(gated.clone());
    let bodies = AtomicUsize::new(0);
    let (go, gone) = tokio::sync::oneshot::channel();
    let mut gone = Some(gone);
    let mut callers: Vec<_> = (0..1000)
        .map(|_| {
            let (gone, bodies) = (gone.take(), &bodies);
            Box::pin(CHARGE.call(&1).store(&store).try_run_async(async move || {
                gone.expect("only the first one runs").await.unwrap();
                Ok::<_, Error>(bodies.fetch_add(1, Ordering::SeqCst))
            }))
        })
        .collect();
    for caller in &mut callers {
        assert!(block_on(poll_once(caller)).is_none());
    }
    go.send(()).unwrap();
    for caller in callers {
        assert_eq!(block_on(caller).unwrap(), 0);
    }
    assert_eq!(bodies.into_inner(), 1);
    assert_eq!(gated.counts().claims, 1);
}

#[test]
fn an_error_gives_the_key_back() {
    static CHARGE: Operation = Operation::new("durable.error").interrupted(OnInterruption::Fail);
    let (_, store) = shared();
    let failed = CHARGE.call(&1).store(&store).try_run(|| Err::<u8, anyhow::Error>(anyhow::anyhow!("declined")));
    assert!(failed.is_err());
    assert_eq!(CHARGE.call(&1).store(&store).try_run(|| Ok::<u8, anyhow::Error>(7)).unwrap(), 7);
}

#[test]
fn a_panic_is_retried_or_interrupts_as_was_chosen() {
    static RETRIED: Operation = Operation::new("durable.panic.retry").interrupted(RETRY);
    static FAILED: Operation = Operation::new("durable.panic.fail").interrupted(OnInterruption::Fail);
    let (_, store) = shared();
    for operation in [&RETRIED, &FAILED] {
        let call = || operation.call(&1).store(&store).try_run(|| -> Result<u8, Error> { panic!("on purpose") });
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).is_err());
    }
    assert_eq!(RETRIED.call(&1).store(&store).try_run(|| Ok::<u8, Error>(7)).unwrap(), 7);
    let again = || FAILED.call(&1).store(&store).try_run(|| Ok::<u8, Error>(7));
    assert_eq!(again().unwrap_err().kind(), ErrorKind::Interrupted);
    let records = Records::of(&store);
    assert!(records.resolve("durable.panic.fail", &1, &8u8, Retention::Forever).unwrap());
    assert_eq!(again().unwrap(), 8);
}

#[test]
fn a_fenced_out_caller_gets_the_winners_outcome() {
    static CHARGE: Operation = Operation::new("durable.fenced").interrupted(RETRY).lease(Duration::from_hours(1));
    let (memory, here) = shared();
    let outcome = CHARGE.call("k").store(&here).try_run(|| {
        // Another process takes the key over while this one sleeps past its lease, and finishes first.
        let key = place("durable.fenced", "\"k\"");
        let token = current().unwrap().token();
        let released = memory.release(Hold { place: key.clone(), token }, Release::Free);
        assert!(block_on(released).unwrap());
        let claim = Claim::new(key.clone(), idempotently::record::Owner([9; 16]), Duration::from_secs(1), RETRY);
        let Claimed::Granted { token: theirs, .. } = block_on(memory.claim(claim)).unwrap() else {
            panic!("the key is free");
        };
        assert!(theirs > token);
        let done = memory.complete(CompleteRequest::new(Hold { place: key, token: theirs }, b"\x01v2".to_vec()));
        block_on(done).unwrap();
        Ok::<u8, Error>(1)
    });
    assert_eq!(outcome.unwrap(), 2);
}

#[test]
fn a_waiting_caller_in_another_process_is_woken() {
    static CHARGE: Operation = Operation::new("durable.woken").interrupted(RETRY).lease(Duration::from_hours(1));
    let gated = Gated::new();
    let (here, there) = (SharedStore::new(gated.memory.clone()), SharedStore::new(gated.clone()));
    let (begun, wait) = channel();
    let (go, gone) = channel();
    let leader = thread::spawn(move || {
        CHARGE.call(&1).store(&here).try_run(|| {
            begun.send(()).unwrap();
            gone.recv().unwrap();
            Ok::<u8, Error>(1)
        })
    });
    wait.recv().unwrap();
    let (tell, told) = channel();
    thread::spawn(move || tell.send(CHARGE.call(&1).store(&there).try_run(|| Ok::<u8, Error>(2))));
    // It asks, asks to be told of changes, and asks once more before it waits.
    gated.wait_until(|counts| counts.claims == 2 && counts.waits == 1);
    go.send(()).unwrap();
    assert_eq!(leader.join().unwrap().unwrap(), 1);
    assert_eq!(told.recv_timeout(LIMIT).expect("nobody wakes it").unwrap(), 1);
}

#[test]
fn a_caller_in_another_process_is_refused_where_that_was_chosen() {
    static CHARGE: Operation = Operation::new("durable.refused").interrupted(RETRY).in_flight(InFlight::Reject);
    let (memory, here) = shared();
    let there = SharedStore::new(memory);
    let outcome = CHARGE.call(&1).store(&here).try_run(|| {
        let refused = CHARGE.call(&1).store(&there).try_run(|| Ok::<u8, Error>(2));
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InFlight);
        Ok::<u8, Error>(1)
    });
    assert_eq!(outcome.unwrap(), 1);
}

#[test]
fn a_lease_is_renewed_while_the_body_blocks() {
    static CHARGE: Operation = Operation::new("durable.renewed").interrupted(RETRY).lease(Duration::from_millis(1500));
    let (memory, here) = shared();
    let outcome = CHARGE.call("k").store(&here).try_run(|| {
        let execution = current().unwrap();
        let claim = || {
            let key = place("durable.renewed", "\"k\"");
            let claim = Claim::new(key, idempotently::record::Owner([9; 16]), Duration::from_secs(1), RETRY);
            block_on(memory.claim(claim)).unwrap()
        };
        // Several leases long.
        for _ in 0..30 {
            thread::sleep(Duration::from_millis(100));
            assert!(matches!(claim(), Claimed::InFlight { .. }));
        }
        execution.check().unwrap();
        Ok::<u8, Error>(1)
    });
    assert_eq!(outcome.unwrap(), 1);
}

#[test]
fn a_lost_lease_reaches_the_body() {
    // Renewed after three seconds, and long over when it would end by itself.
    const LEASE: Duration = Duration::from_secs(9);
    const NEARLY_OVER: Duration = Duration::from_secs(8);
    static CHARGE: Operation = Operation::new("durable.lost").interrupted(RETRY).lease(LEASE);
    let (memory, here) = shared();
    let outcome = CHARGE.call("k").store(&here).try_run(|| {
        let (execution, begun) = (current().unwrap(), Instant::now());
        block_on(memory.forget(place("durable.lost", "\"k\""))).unwrap();
        while execution.check().is_ok() {
            assert!(begun.elapsed() < NEARLY_OVER, "the lease ends by itself");
            thread::sleep(Duration::from_millis(5));
        }
        assert!(begun.elapsed() < NEARLY_OVER, "the lease ends by itself");
        assert_eq!(execution.check().unwrap_err().kind(), ErrorKind::LeaseLost);
        Ok::<u8, Error>(1)
    });
    assert_eq!(outcome.unwrap(), 1, "nobody else has an outcome, so it is the caller's own");
    assert!(Records::of(&here).peek("durable.lost", "k").unwrap().is_some(), "and it is recorded");
}

#[test]
fn async_calls_wait_and_replay_too() {
    static CHARGE: Operation = Operation::new("durable.async").interrupted(RETRY);
    let (memory, here) = shared();
    let there = SharedStore::new(memory);
    block_on(async {
        let (first, second) = futures_lite::future::zip(
            CHARGE.call(&1).store(&here).try_run_async(async || {
                futures_lite::future::yield_now().await;
                Ok::<u8, Error>(1)
            }),
            CHARGE.call(&1).store(&there).try_run_async(async || Ok::<u8, Error>(2)),
        )
        .await;
        assert_eq!((first.unwrap(), second.unwrap()), (1, 1));
        let recursion = CHARGE
            .call(&2)
            .store(&here)
            .try_run_async(async || CHARGE.call(&2).store(&here).try_run_async(async || Ok::<u8, Error>(2)).await);
        assert_eq!(recursion.await.unwrap_err().kind(), ErrorKind::Reentrant);
    });
    let listed = Records::of(&here).list("durable.async", Standing::Completed, None, 10).unwrap();
    assert_eq!(listed.len(), 1);
}

#[test]
fn an_outcome_that_no_longer_decodes_is_a_typed_error() {
    static TEXT: Operation = Operation::new("durable.codec.text").interrupted(RETRY);
    let (memory, store) = shared();
    let key = place("durable.codec.text", "1");
    let claim = Claim::new(key.clone(), idempotently::record::Owner([9; 16]), Duration::from_secs(1), RETRY);
    let Claimed::Granted { token, .. } = block_on(memory.claim(claim)).unwrap() else {
        panic!("the key is free");
    };
    let done = memory.complete(CompleteRequest::new(Hold { place: key, token }, b"\x01v5".to_vec()));
    block_on(done).unwrap();
    let error = TEXT.call(&1).store(&store).try_run(|| Ok::<String, Error>(String::new())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Codec);
    assert!(error.to_string().contains("durable.codec.text"));
}

#[test]
fn an_outcome_that_is_too_large_answers_its_caller_and_nobody_else() {
    static LARGE: Operation = Operation::new("durable.large").interrupted(RETRY);
    let (_, store) = shared();
    let call = || LARGE.call(&1).store(&store).try_run(|| Ok::<_, Error>("x".repeat(2 << 20)));
    assert_eq!(call().unwrap().len(), 2 << 20);
    assert_eq!(call().unwrap_err().kind(), ErrorKind::OutcomeLost);
}

#[test]
fn without_a_store_nothing_runs() {
    static NOWHERE: Operation = Operation::new("durable.nowhere").interrupted(RETRY);
    let error = NOWHERE.call(&1).durable().try_run(|| -> Result<u8, Error> { panic!("not run") }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoStore);
}

#[cfg(feature = "testing")]
#[test]
fn an_isolated_test_has_a_store_on_its_own_clock() {
    static DAILY: Operation = Operation::new("durable.isolated").interrupted(RETRY);
    let test = idempotently::testing::isolate();
    let call = |number: u8| DAILY.call(&1).durable().try_run(|| Ok::<_, Error>(number)).unwrap();
    assert_eq!((call(1), call(2)), (1, 1));
    test.advance("25h");
    assert_eq!(call(3), 3);
}
