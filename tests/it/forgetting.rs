//! `forget` and `clear`, before, during and after an execution.

use crate::support::{Alone, guarded, now, pending, ready};
use idempotently::{Error, Operation, current};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::Poll;
use std::thread;

type Call = Pin<Box<dyn Future<Output = Result<u32, Error>>>>;

/// A call whose body pauses once and returns its attempt; polled once.
fn begin(operation: &'static Operation, key: u32) -> Call {
    let mut paused = false;
    let mut call: Call = Box::pin(operation.call(&key).run_async(async move || {
        poll_fn(|_| if std::mem::replace(&mut paused, true) { Poll::Ready(()) } else { Poll::Pending }).await;
        current().unwrap().attempt()
    }));
    pending(&mut call);
    call
}

#[test]
fn what_is_forgotten_runs_again() {
    static OPERATION: Operation = Operation::new("forgetting.kept");
    let bodies = AtomicU32::new(0);
    let call = || OPERATION.call("key").run(|| bodies.fetch_add(1, Ordering::SeqCst)).unwrap();
    assert_eq!((call(), call()), (0, 0));
    assert!(OPERATION.forget("key"));
    assert!(!OPERATION.forget("key"));
    assert_eq!((call(), call()), (1, 1));
}

#[test]
fn forgetting_nothing_says_so() {
    static OPERATION: Operation = Operation::new("forgetting.nothing");
    assert!(!OPERATION.forget(&1));
    assert_eq!((OPERATION.clear(), OPERATION.purge(), OPERATION.len()), (0, 0, 0));
    OPERATION.call(&1).run(|| ()).unwrap();
    assert!(!OPERATION.forget(&2) && !OPERATION.forget("") && !OPERATION.forget("1"));
    assert_eq!(OPERATION.clear(), 1);
    assert!(OPERATION.is_empty());
}

#[test]
fn the_outcome_of_an_execution_that_was_forgotten_is_not_kept() {
    static OPERATION: Operation = Operation::new("forgetting.flight");
    let mut leader = begin(&OPERATION, 1);
    assert!(OPERATION.forget(&1));
    assert_eq!(OPERATION.len(), 1, "the key stays taken");
    assert!(OPERATION.forget(&1), "it is still there to be forgotten");
    assert_eq!(ready(&mut leader).unwrap(), 1);
    assert!(OPERATION.is_empty());
    assert_eq!(ready(&mut begin(&OPERATION, 1)).unwrap(), 1);
    assert_eq!(OPERATION.len(), 1);
}

#[test]
fn those_who_wait_for_a_forgotten_execution_run_again_after_it() {
    static OPERATION: Operation = Operation::new("forgetting.followers");
    let mut leader = begin(&OPERATION, 1);
    let mut before = begin(&OPERATION, 1);
    assert!(OPERATION.forget(&1));
    let mut after = begin(&OPERATION, 1);
    assert_eq!(ready(&mut leader).unwrap(), 1);
    pending(&mut before);
    pending(&mut after);
    assert_eq!(ready(&mut before).unwrap(), 2);
    assert_eq!(ready(&mut after).unwrap(), 2);
    assert_eq!(OPERATION.len(), 1);
    assert_eq!(now(OPERATION.call(&1).run_async(async || 0u32)).unwrap(), 2);
}

#[test]
fn only_what_ran_when_it_was_forgotten_is_not_kept() {
    static OPERATION: Operation = Operation::new("forgetting.vacant");
    let leader = begin(&OPERATION, 1);
    let mut follower = begin(&OPERATION, 1);
    drop(leader);
    // Nobody runs: the follower has been woken and not yet taken over.
    OPERATION.forget(&1);
    pending(&mut follower);
    assert_eq!(ready(&mut follower).unwrap(), 2);
    assert_eq!(OPERATION.len(), 1, "the body began after `forget`, so its outcome is kept");
}

#[test]
fn clearing_forgets_executions_and_records() {
    static OPERATION: Operation = Operation::new("forgetting.clear");
    for key in 100..200 {
        now(OPERATION.call(&key).run_async(async || 0u32)).unwrap();
    }
    let mut leaders: Vec<_> = (0..10).map(|key| begin(&OPERATION, key)).collect();
    let mut followers: Vec<_> = (0..10).map(|key| begin(&OPERATION, key)).collect();
    assert_eq!(OPERATION.clear(), 110);
    assert_eq!(OPERATION.len(), 10);
    for (leader, follower) in leaders.iter_mut().zip(&mut followers) {
        assert_eq!(ready(leader).unwrap(), 1);
        pending(follower);
        assert_eq!(ready(follower).unwrap(), 2);
    }
    assert_eq!(OPERATION.len(), 10);
    assert_eq!(OPERATION.clear(), 10);
    assert!(OPERATION.is_empty());
}

#[test]
fn a_body_may_forget_itself() {
    static OPERATION: Operation = Operation::new("forgetting.itself");
    guarded(|| {
        let call = || {
            OPERATION.call(&1).run(|| {
                assert!(OPERATION.forget(&1));
                assert_eq!((OPERATION.clear(), OPERATION.len()), (1, 1));
            })
        };
        call().unwrap();
        assert!(OPERATION.is_empty());
    });
}

#[test]
fn forgetting_during_flights_never_lets_two_bodies_run_at_once() {
    static OPERATION: Operation = Operation::new("forgetting.threads");
    static ALONE: LazyLock<Alone<u32>> = LazyLock::new(Alone::default);
    guarded(|| {
        let (over, bodies) = (AtomicBool::new(false), AtomicU32::new(0));
        let call = |key: u32| {
            OPERATION.call(&key).run(|| {
                let _body = ALONE.enter(key);
                bodies.fetch_add(1, Ordering::SeqCst)
            })
        };
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !over.load(Ordering::SeqCst) {
                        call(0).unwrap();
                        call(1).unwrap();
                        thread::yield_now();
                    }
                });
            }
            scope.spawn(|| {
                // Each body after the first two ran because something was forgotten.
                while bodies.load(Ordering::SeqCst) < 2_000 {
                    OPERATION.forget(&0u32);
                    thread::yield_now();
                    OPERATION.clear();
                    thread::yield_now();
                }
                over.store(true, Ordering::SeqCst);
            });
        });
        OPERATION.clear();
        assert!(OPERATION.is_empty());
    });
}
