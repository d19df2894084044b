//! What is allocated: nothing by a replay, little by a record, and nothing that is left behind.
//!
//! The counts are of the running thread, so tests may run side by side.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing where it is not so")]

use allocation_counter::{AllocationInfo, measure};
use idempotently::key::ToKey;
use idempotently::{Error, Operation, Retention};
use std::future::pending;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

const UUID: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

/// Polls once.
fn poke<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// What a hundred replays of this key take, after the first call and one replay.
fn replays(operation: &Operation, key: &(impl ToKey + ?Sized)) -> AllocationInfo {
    let blocking = || operation.call(key).try_run(|| Ok::<_, Error>(Arc::<str>::from("outcome"))).unwrap();
    let awaited = || poke(operation.call(key).run_async(async || Arc::<str>::from("never")));
    let printed = || operation.call(key).try_run(|| Ok::<Arc<str>, Error>(Arc::from("never"))).unwrap();
    black_box((blocking(), awaited().is_ready(), printed()));
    measure(|| {
        for _ in 0..100 {
            assert_eq!(&*black_box(blocking()), "outcome");
            assert!(black_box(awaited()).is_ready());
        }
    })
}

#[test]
fn a_replay_does_not_allocate_whatever_its_key_is() {
    static OPERATION: Operation = Operation::new("allocations.replay");
    static FOREVER: Operation = Operation::new("allocations.forever").retention(Retention::Forever);
    for operation in [&OPERATION, &FOREVER] {
        assert_eq!(replays(operation, &7u64).count_total, 0);
        assert_eq!(replays(operation, &u128::MAX).count_total, 0);
        assert_eq!(replays(operation, "short").count_total, 0);
        assert_eq!(replays(operation, UUID).count_total, 0);
        assert_eq!(replays(operation, &*"k".repeat(150)).count_total, 0);
        assert_eq!(replays(operation, &*"k".repeat(5_000)).count_total, 0);
        assert_eq!(replays(operation, &(UUID, 7u64, true)).count_total, 0);
        assert_eq!(replays(operation, &idempotently::key::display(&7.5)).count_total, 0);
        assert_eq!(replays(operation, &[1u8, 2, 3]).count_total, 0);
    }
}

#[test]
fn a_replay_with_a_fingerprint_does_not_allocate() {
    static OPERATION: Operation = Operation::new("allocations.fingerprint");
    let call = || OPERATION.call(UUID).fingerprint(&("eur", 500u64, 0.5)).run(|| 7u64);
    assert_eq!(call().unwrap(), 7);
    let replays = measure(|| assert!((0..100).all(|_| black_box(call()).is_ok())));
    assert_eq!(replays.count_total, 0);
}

#[cfg(feature = "macros")]
mod annotated {
    use super::{UUID, black_box, measure, poke};
    use idempotently::idempotent;

    #[idempotent(key = id)]
    fn number(id: u64) -> u64 {
        id
    }

    #[idempotent(key = (tenant, id))]
    async fn pair(tenant: &str, id: u64) -> u64 {
        tenant.len() as u64 + id
    }

    #[idempotent(key = "{tenant}:{id}", fingerprint = amount, in_flight = wait("10s"))]
    fn checked(tenant: &str, id: &str, amount: u64) -> Result<u64, idempotently::Error> {
        Ok(tenant.len() as u64 + id.len() as u64 + amount)
    }

    #[test]
    fn a_replay_of_an_annotated_function_does_not_allocate() {
        let calls = || {
            assert_eq!(black_box(number(7)), 7);
            assert!(black_box(poke(pair(UUID, 7))).is_ready());
            assert!(black_box(checked(UUID, UUID, 7)).is_ok());
        };
        calls();
        let replays = measure(|| (0..100).for_each(|_| calls()));
        assert_eq!(replays.count_total, 0);
    }
}

#[test]
fn a_record_from_number_to_number_takes_at_most_160_bytes() {
    const RECORDS: u64 = 100_000;
    for retention in [Retention::DEFAULT, Retention::Forever] {
        let operation = Operation::new("allocations.record").retention(retention);
        operation.call(&u64::MAX).run(|| 0u64).unwrap();
        let records = measure(|| {
            for key in 0..RECORDS {
                operation.call(&key).run(|| key).unwrap();
            }
        });
        let each = records.bytes_current.cast_unsigned() / RECORDS;
        assert!(each <= 160, "{each} bytes under {retention:?}");
        assert!(each >= 40, "{each} bytes cannot be all");
    }
}

/// The bytes that `calls` leaves behind, once what is allocated only once is there.
fn left_behind(mut calls: impl FnMut(u64)) -> i64 {
    (0..10_000).for_each(&mut calls);
    measure(|| (0..100_000).for_each(&mut calls)).bytes_current
}

#[test]
fn cancelled_calls_leave_no_memory_behind() {
    static OPERATION: Operation = Operation::new("allocations.cancelled");
    let left = left_behind(|key| assert!(poke(OPERATION.call(&key).run_async(pending::<u64>)).is_pending()));
    assert_eq!((left, OPERATION.len()), (0, 0));
}

#[test]
fn cancelled_followers_leave_no_memory_behind() {
    static OPERATION: Operation = Operation::new("allocations.followers");
    let mut leader = Box::pin(OPERATION.call(&0u64).run_async(pending::<u64>));
    assert!(leader.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let left = left_behind(|_| assert!(poke(OPERATION.call(&0u64).run_async(pending::<u64>)).is_pending()));
    assert_eq!(left, 0);
}

#[test]
fn failures_leave_no_memory_behind() {
    static OPERATION: Operation = Operation::new("allocations.failures");
    let left = left_behind(|key| {
        let failed = OPERATION.call(&(key, UUID)).try_run(|| Err::<u64, Box<dyn std::error::Error>>("no".into()));
        assert!(failed.is_err());
    });
    assert_eq!(left, 0);
}

#[test]
fn recording_and_forgetting_one_key_does_not_grow() {
    static OPERATION: Operation = Operation::new("allocations.churn");
    let left = left_behind(|_| {
        OPERATION.call(&1u64).run(|| 1u64).unwrap();
        assert!(OPERATION.forget(&1u64));
    });
    assert!(left.abs() < 4096, "{left} bytes");
}

#[test]
fn recording_and_forgetting_many_keys_does_not_grow() {
    static OPERATION: Operation = Operation::new("allocations.churn_of_many");
    let left = left_behind(|key| {
        OPERATION.call(&key).run(|| 1u64).unwrap();
        assert!(OPERATION.forget(&key));
    });
    // A few ends per shard may be waiting to be tidied.
    assert!(left.abs() < 256 * 1024, "{left} bytes");
}

#[cfg(feature = "testing")]
#[test]
fn recording_and_forgetting_under_a_clock_that_stands_still_does_not_grow() {
    static OPERATION: Operation = Operation::new("allocations.churn_at_once");
    let _test = idempotently::testing::isolate();
    let calls = || {
        OPERATION.call(&1u64).run(|| 1u64).unwrap();
        assert!(OPERATION.forget(&1u64));
    };
    (0..1_000).for_each(|_| calls());
    let left = measure(|| (0..5_000).for_each(|_| calls())).bytes_current;
    assert!(left.abs() < 4096, "{left} bytes");
}

#[cfg(feature = "testing")]
#[test]
fn expired_records_give_their_memory_back() {
    static OPERATION: Operation = Operation::new("allocations.expired");
    let test = idempotently::testing::isolate();
    let call = |key: u64| OPERATION.call(&(UUID, key)).run(|| vec![0u8; 100]).unwrap();
    (0..1_000).for_each(|key| drop(call(key)));
    let full = measure(|| (0..100_000).for_each(|key| drop(call(key)))).bytes_current;
    test.advance("25h");
    let purged = measure(|| {
        assert_eq!(OPERATION.purge(), 100_000);
        assert!(OPERATION.is_empty());
    });
    let back = -purged.bytes_current;
    assert!(back > full / 100 * 98, "{back} of {full} bytes");

    // And without `purge`, by what comes after them.
    let full = measure(|| (0..100_000).for_each(|key| drop(call(key)))).bytes_current;
    test.advance("25h");
    let after = measure(|| (100_000..130_000).for_each(|key| drop(call(key)))).bytes_current;
    assert!(-after > full / 3, "{after} of {full} bytes");
    assert_eq!(OPERATION.len(), 30_000);
}

#[test]
fn a_dropped_operation_takes_its_records_along() {
    let left = measure(|| {
        for _ in 0..10 {
            let operation = Operation::new("allocations.dropped");
            for key in 0..1_000u64 {
                operation.call(&(UUID, key)).run(|| String::from(UUID)).unwrap();
            }
        }
    });
    assert!(left.bytes_current < 4096, "{} bytes", left.bytes_current);
}
