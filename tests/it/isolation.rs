//! Every test its own records and clock.

use crate::support::{guarded, now, on_many_threads, on_one_thread, panic_of};
use idempotently::{Error, Operation, current, testing};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

fn token(operation: &Operation) -> u64 {
    operation.call(&1).try_run(|| Ok::<_, Error>(current().unwrap().token())).unwrap()
}

async fn awaited(operation: &'static Operation) -> u64 {
    operation.call(&1).run_async(async || current().unwrap().token()).await.unwrap()
}

#[test]
fn a_test_sees_neither_the_programs_records_nor_the_other_way_round() {
    static OPERATION: Operation = Operation::new("isolation.program");
    let outside = token(&OPERATION);
    let inside = {
        let _test = testing::isolate();
        assert_eq!((OPERATION.len(), OPERATION.forget(&1), OPERATION.clear()), (0, false, 0));
        let inside = token(&OPERATION);
        assert_ne!(inside, outside);
        assert_eq!((token(&OPERATION), OPERATION.len()), (inside, 1));
        assert!(OPERATION.forget(&1));
        let again = token(&OPERATION);
        assert_eq!(OPERATION.clear(), 1);
        again
    };
    assert_ne!(inside, outside);
    assert_eq!((token(&OPERATION), OPERATION.len()), (outside, 1));
}

#[test]
fn threads_with_a_world_each_do_not_meet() {
    static OPERATION: Operation = Operation::new("isolation.threads");
    guarded(|| {
        let barrier = Barrier::new(8);
        let mut tokens: Vec<_> = thread::scope(|scope| {
            let test = || {
                let test = testing::isolate();
                barrier.wait();
                let first = token(&OPERATION);
                barrier.wait();
                assert_eq!((token(&OPERATION), OPERATION.len()), (first, 1));
                test.advance("25h");
                barrier.wait();
                assert_ne!(token(&OPERATION), first);
                first
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(test)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        tokens.sort_unstable();
        tokens.dedup();
        assert_eq!(tokens.len(), 8);
        assert!(OPERATION.is_empty());
    });
}

#[test]
fn the_task_tree_of_one_thread_belongs_to_its_test() {
    static OPERATION: Operation = Operation::new("isolation.tasks");
    on_one_thread(|| async {
        let test = testing::isolate();
        let first = tokio::spawn(async { tokio::spawn(awaited(&OPERATION)).await.unwrap() }).await.unwrap();
        assert_eq!(awaited(&OPERATION).await, first);
        test.advance(Duration::from_hours(25));
        assert_ne!(tokio::spawn(awaited(&OPERATION)).await.unwrap(), first);
        drop(test);
        assert!(OPERATION.is_empty());
    });
}

#[test]
fn a_handle_takes_other_threads_and_workers_along() {
    static OPERATION: Operation = Operation::new("isolation.handle");
    on_many_threads(|| async {
        let test = testing::isolate();
        let handle = test.handle();
        let first = token(&OPERATION);
        let thread = {
            let handle = handle.clone();
            thread::spawn(move || (handle.run(|| token(&OPERATION)), OPERATION.len())).join().unwrap()
        };
        assert_eq!(thread, (first, 0), "inside and outside of `run`");
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                tokio::spawn(handle.scope(async {
                    tokio::task::yield_now().await;
                    let seen = awaited(&OPERATION).await;
                    tokio::task::yield_now().await;
                    (seen, OPERATION.len())
                }))
            })
            .collect();
        // The guard stays on its thread, which a future that is sent cannot have across an `.await`; this one is not.
        for task in tasks {
            assert_eq!(task.await.unwrap(), (first, 1));
        }
        handle.advance("24h");
        assert_ne!(handle.scope(awaited(&OPERATION)).await, first);
    });
}

#[test]
fn worlds_are_nested_and_the_outer_one_is_back_afterwards() {
    static OPERATION: Operation = Operation::new("isolation.nested");
    let outer = testing::isolate();
    let first = token(&OPERATION);
    {
        let inner = testing::isolate();
        let second = token(&OPERATION);
        assert_ne!(second, first);
        inner.advance("25h");
        assert_ne!(token(&OPERATION), second);
        assert_eq!(outer.handle().run(|| token(&OPERATION)), first);
        assert_eq!(OPERATION.len(), 1);
    }
    assert_eq!(token(&OPERATION), first);
    assert_eq!(panic_of(|| outer.handle().run(|| panic!("on purpose"))), "on purpose");
    assert_eq!(token(&OPERATION), first);
}

#[test]
fn a_world_is_left_when_its_test_panics() {
    static OPERATION: Operation = Operation::new("isolation.panics");
    let outside = token(&OPERATION);
    let panicking = || {
        let _test = testing::isolate();
        token(&OPERATION);
        panic!("on purpose")
    };
    assert_eq!(panic_of(|| -> () { panicking() }), "on purpose");
    assert_eq!(token(&OPERATION), outside);
}

#[test]
fn its_clock_does_not_move_by_itself_and_refuses_what_is_no_span() {
    static OPERATION: Operation =
        Operation::new("isolation.clock").retention(idempotently::Retention::For(Duration::from_nanos(1)));
    let test = testing::isolate();
    let first = token(&OPERATION);
    for _ in 0..1000 {
        assert_eq!(token(&OPERATION), first);
    }
    assert!(panic_of(|| test.advance("a while")).contains("not a span of time"));
    test.advance(Duration::from_nanos(1));
    assert_ne!(token(&OPERATION), first);
}

#[test]
fn a_scope_may_be_used_in_several_worlds_at_once_by_its_operation_only() {
    static ONE: Operation = Operation::new("isolation.scope");
    static TWO: Operation = Operation::new("isolation.scope");
    let test = testing::isolate();
    token(&ONE);
    thread::spawn(|| {
        let _other = testing::isolate();
        token(&ONE);
        assert!(TWO.call(&1).run(|| 1).is_err());
    })
    .join()
    .unwrap();
    drop(test);
    let _other = testing::isolate();
    assert!(TWO.call(&1).run(|| 1).is_ok(), "nobody uses it any more");
}

#[test]
fn a_call_that_outlives_its_world_ends_well() {
    static OPERATION: Operation = Operation::new("isolation.outlived");
    let test = testing::isolate();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let opened = gate.clone();
    let mut call = Box::pin(OPERATION.call(&1).run_async(async move || opened.acquire().await.map(drop).is_err()));
    crate::support::pending(&mut call);
    drop(test);
    assert!(OPERATION.is_empty());
    gate.close();
    assert!(crate::support::ready(&mut call).unwrap());
    assert!(OPERATION.is_empty());
    assert!(now(OPERATION.call(&1).run_async(async || true)).unwrap());
}

#[cfg(feature = "tokio")]
#[test]
fn what_a_detached_body_calls_belongs_to_the_test_of_its_caller() {
    static OUTER: Operation = Operation::new("isolation.detached");
    static INNER: Operation = Operation::new("isolation.called_by_detached");
    on_many_threads(|| async {
        let test = testing::isolate();
        let handle = test.handle();
        let call = OUTER.call(&1).run_detached(|| async {
            tokio::task::yield_now().await;
            awaited(&INNER).await
        });
        let inner = handle.scope(call).await.unwrap();
        assert_eq!(handle.run(|| INNER.len()), 1);
        assert_eq!(handle.scope(awaited(&INNER)).await, inner);
    });
    assert!(INNER.is_empty(), "nothing of it is in the program's own records");
}
