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

/// One function for several types in process, under a scope that it names.
fn renew<G: 'static>(operation: &Operation) -> Result<u8, Error> {
    operation.call(&1).try_run(|| Ok(u8::try_from(size_of::<G>()).unwrap()))
}

#[test]
fn names_of_operations_belong_to_a_test() {
    static ONE: Operation = Operation::new("isolation.names");
    static TWO: Operation = Operation::new("isolation.names");
    let (first, second) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let other = thread::spawn({
        let (first, second) = (first.clone(), second.clone());
        move || {
            let _test = testing::isolate();
            let outcome = renew::<u16>(&ONE);
            first.wait();
            second.wait();
            outcome.map_err(|error| error.kind())
        }
    });
    first.wait();
    let test = testing::isolate();
    let here = renew::<u8>(&TWO);
    second.wait();
    assert_eq!(other.join().unwrap(), Ok(2));
    assert_eq!(here.map_err(|error| error.kind()), Ok(1));
    let again = renew::<u8>(&ONE).unwrap_err();
    assert_eq!(again.kind(), idempotently::ErrorKind::Misdeclared, "within a test a name has one owner");
    drop(test);
}

#[test]
fn a_crash_forgets_what_is_kept_in_process() {
    static OPERATION: Operation = Operation::new("isolation.crash.process");
    let test = testing::isolate();
    let first = token(&OPERATION);
    assert_eq!(token(&OPERATION), first);
    test.crash();
    assert!(OPERATION.is_empty());
    assert_ne!(token(&OPERATION), first);
}

#[cfg(feature = "durable")]
mod durable {
    use super::{Error, Operation, current, testing};
    use futures_lite::future::{block_on, pending, poll_once};
    use idempotently::backend::memory::MemoryStore;
    use idempotently::store::{Claim, Claimed, Standing};
    use idempotently::{ErrorKind, InFlight, OnInterruption, Records, SharedStore, install};
    use std::thread;
    use std::time::Duration;

    const RETRY: OnInterruption = OnInterruption::Retry;

    #[test]
    fn a_test_looks_at_its_records() {
        static CHARGE: Operation = Operation::new("isolation.store");
        let test = testing::isolate();
        CHARGE.call("a").durable().try_run(|| Ok::<u8, Error>(1)).unwrap();
        let records = Records::of(&test.store());
        assert_eq!(records.list("isolation.store", Standing::Completed, None, 10).unwrap().len(), 1);
        assert!(records.forget("isolation.store", "a").unwrap());
        assert_eq!(CHARGE.call("a").durable().try_run(|| Ok::<u8, Error>(2)).unwrap(), 2);
        let handle = test.handle();
        let elsewhere = thread::spawn(move || Records::of(&handle.store()).peek("isolation.store", "a").unwrap());
        assert!(elsewhere.join().unwrap().is_some());
    }

    #[test]
    fn what_a_test_installs_is_its_own() {
        static CHARGE: Operation = Operation::new("isolation.install");
        let tests: Vec<_> = (0..4u8)
            .map(|number| {
                thread::spawn(move || {
                    let test = testing::isolate();
                    let memory = MemoryStore::new();
                    install(SharedStore::new(memory.clone())).unwrap();
                    let call = || CHARGE.call(&1).durable().try_run(|| Ok::<u8, Error>(number)).unwrap();
                    assert_eq!((call(), call()), (number, number));
                    let theirs = Records::of(&SharedStore::new(memory));
                    assert!(theirs.peek("isolation.install", &1).unwrap().is_some());
                    assert!(Records::of(&test.store()).peek("isolation.install", &1).unwrap().is_some());
                    let again = install(SharedStore::new(MemoryStore::new())).unwrap_err();
                    assert_eq!(again.kind(), ErrorKind::Misdeclared);
                })
            })
            .collect();
        for test in tests {
            test.join().unwrap();
        }
    }

    #[test]
    fn a_test_that_has_used_its_store_installs_no_other() {
        static CHARGE: Operation = Operation::new("isolation.install.late");
        let _test = testing::isolate();
        CHARGE.call(&1).durable().try_run(|| Ok::<u8, Error>(1)).unwrap();
        let late = install(SharedStore::new(MemoryStore::new())).unwrap_err();
        assert_eq!(late.kind(), ErrorKind::Misdeclared);
        assert!(late.to_string().contains("install first"), "{late}");
        assert_eq!(CHARGE.call(&1).durable().try_run(|| Ok::<u8, Error>(2)).unwrap(), 1);
    }

    /// A call whose body hangs.
    async fn hangs(operation: &'static Operation) -> Result<u32, Error> {
        operation.call(&1).durable().try_run_async(pending::<Result<u32, Error>>).await
    }

    async fn attempt(operation: &'static Operation) -> Result<u32, Error> {
        operation.call(&1).durable().try_run_async(async || Ok(current().unwrap().attempt())).await
    }

    #[test]
    fn a_crash_leaves_the_lease_and_the_next_attempt_is_the_second() {
        static CHARGE: Operation =
            Operation::new("isolation.crash.retry").interrupted(RETRY).in_flight(InFlight::Reject);
        let test = testing::isolate();
        block_on(async {
            let mut first = Box::pin(hangs(&CHARGE));
            assert!(poll_once(&mut first).await.is_none());
            test.crash();
            assert_eq!(CHARGE.len(), 0);
            let early = attempt(&CHARGE).await.unwrap_err();
            assert_eq!(early.kind(), ErrorKind::InFlight, "the lease is believed");
            assert_eq!(early.retry_after(), Some(Duration::from_secs(30)));
            // What the process leaves behind gives nothing back.
            drop(first);
            assert_eq!(attempt(&CHARGE).await.unwrap_err().kind(), ErrorKind::InFlight);
            test.advance("31s");
            assert_eq!(attempt(&CHARGE).await.unwrap(), 2);
        });
    }

    #[test]
    fn a_crash_is_interrupted_where_nobody_is_to_run_it_again() {
        static CHARGE: Operation = Operation::new("isolation.crash.fail").interrupted(OnInterruption::Fail);
        let test = testing::isolate();
        block_on(async {
            let mut first = Box::pin(hangs(&CHARGE));
            assert!(poll_once(&mut first).await.is_none());
            test.crash();
            test.advance("31s");
            assert_eq!(attempt(&CHARGE).await.unwrap_err().kind(), ErrorKind::Interrupted);
            let records = Records::of(&test.store());
            assert!(records.resolve("isolation.crash.fail", &1, &7u32, idempotently::Retention::Forever).unwrap());
            assert_eq!(attempt(&CHARGE).await.unwrap(), 7);
        });
    }

    #[test]
    fn a_body_that_outlives_the_crash_is_fenced_out() {
        static CHARGE: Operation = Operation::new("isolation.crash.fenced").interrupted(RETRY);
        let test = testing::isolate();
        let late = CHARGE.call(&1).durable().try_run(|| {
            test.crash();
            test.advance("31s");
            // The next process is done before the body of the last one is.
            let next = test.handle();
            let next = thread::spawn(move || next.run(|| block_on(attempt(&CHARGE))));
            assert_eq!(next.join().unwrap().unwrap(), 2);
            Ok::<u32, Error>(1)
        });
        assert!(late.is_err(), "{late:?}");
        assert_eq!(block_on(attempt(&CHARGE)).unwrap(), 2, "the record is that of the next process");
    }

    #[test]
    fn a_body_that_outlives_the_crash_records_nothing_though_nobody_took_over() {
        static CHARGE: Operation = Operation::new("isolation.crash.alone").interrupted(RETRY);
        let test = testing::isolate();
        let late = CHARGE.call(&1).durable().try_run(|| {
            test.crash();
            Ok::<u32, Error>(1)
        });
        assert!(late.is_err(), "{late:?}");
        let left = Records::of(&test.store()).peek("isolation.crash.alone", &1).unwrap().unwrap();
        assert_eq!(left.standing, Standing::InFlight);
    }

    #[test]
    fn a_handle_from_before_the_crash_reaches_nothing() {
        let test = testing::isolate();
        let before = test.store();
        test.crash();
        let place = idempotently::store::Place { scope: "isolation.crash.handle".into(), key: "1".into() };
        let owner = idempotently::record::Owner([9; 16]);
        let claim = Claim::new(place, owner, Duration::from_secs(30), RETRY);
        assert!(block_on(before.store().claim(claim.clone())).is_err());
        assert!(matches!(block_on(test.store().store().claim(claim)), Ok(Claimed::Granted { attempt: 1, .. })));
    }
}
