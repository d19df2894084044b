//! Calls that go away: nothing of them is left.

use crate::support::{now, pending, ready};
use idempotently::Operation;
use std::future::pending as never;

#[test]
fn a_million_cancelled_calls_leave_nothing_behind() {
    static OPERATION: Operation = Operation::new("cancelling.million");
    for key in 0..1_000_000u64 {
        pending(&mut Box::pin(OPERATION.call(&key).run_async(never::<u64>)));
    }
    assert!(OPERATION.is_empty());
}

#[test]
fn cancelled_followers_leave_the_leader_alone() {
    static OPERATION: Operation = Operation::new("cancelling.followers");
    let mut end = false;
    let mut leader = Box::pin(OPERATION.call(&1).run_async(async || {
        std::future::poll_fn(|_| if std::mem::replace(&mut end, true) { 7u64.into() } else { std::task::Poll::Pending })
            .await
    }));
    pending(&mut leader);
    for _ in 0..10_000 {
        pending(&mut Box::pin(OPERATION.call(&1).run_async(never::<u64>)));
    }
    assert_eq!(ready(&mut leader).unwrap(), 7);
    assert_eq!(now(OPERATION.call(&1).run_async(never::<u64>)).unwrap(), 7);
}

#[test]
fn calls_that_are_never_polled_leave_nothing_behind() {
    static OPERATION: Operation = Operation::new("cancelling.unpolled");
    drop(OPERATION.call(&1));
    drop(OPERATION.call(&1).run_async(never::<u64>));
    assert!(OPERATION.is_empty());
}
