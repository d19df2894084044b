//! Bodies that run in tasks of their own.

use crate::support::{guarded, message, now, on_many_threads, on_one_thread, pending, ready};
use idempotently::{Error, ErrorKind, How, InFlight, Operation, current, observe_async};
use std::error::Error as _;
use std::future::pending as never;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};

#[test]
fn a_caller_that_goes_away_does_not_stop_the_body() {
    static OPERATION: Operation = Operation::new("detached.dropped");
    static BODIES: AtomicU32 = AtomicU32::new(0);
    on_one_thread(|| async {
        let (gate, done) = (Arc::new(Semaphore::new(0)), Arc::new(Notify::new()));
        let body = {
            let (gate, done) = (gate.clone(), done.clone());
            async move || {
                let _ = gate.acquire().await;
                done.notify_one();
                BODIES.fetch_add(1, Ordering::SeqCst) + 1
            }
        };
        let mut call = Box::pin(OPERATION.call(&1).run_detached(body));
        pending(&mut call);
        drop(call);
        assert_eq!(OPERATION.len(), 1);
        let mut follower = Box::pin(observe_async(OPERATION.call(&1).run_detached(async || 0u32)));
        pending(&mut follower);
        gate.close();
        done.notified().await;
        let seen = follower.await;
        assert_eq!((seen.value.unwrap(), seen.how), (1, How::Joined));
        let seen = observe_async(OPERATION.call(&1).run_detached(async || 0u32)).await;
        assert_eq!((seen.value.unwrap(), seen.how), (1, How::Replayed));
        assert_eq!(BODIES.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn many_callers_run_one_body() {
    static OPERATION: Operation = Operation::new("detached.many");
    static BODIES: AtomicU32 = AtomicU32::new(0);
    on_many_threads(|| async {
        for round in 0..50 {
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..50 {
                tasks.spawn(OPERATION.call(&round).run_detached(async || {
                    tokio::task::yield_now().await;
                    BODIES.fetch_add(1, Ordering::SeqCst)
                }));
            }
            let values: Vec<_> = tasks.join_all().await.into_iter().map(Result::unwrap).collect();
            assert!(values.iter().all(|value| *value == values[0]));
        }
        assert_eq!(BODIES.load(Ordering::SeqCst), 50);
    });
}

#[test]
fn a_panic_reaches_the_caller_and_frees_the_key() {
    static OPERATION: Operation = Operation::new("detached.panics");
    on_one_thread(|| async {
        let call = tokio::spawn(OPERATION.call(&1).run_detached(async || {
            tokio::task::yield_now().await;
            panic!("on purpose") as u32
        }));
        let panic = call.await.unwrap_err().into_panic();
        assert_eq!(message(&*panic), "on purpose");
        assert!(OPERATION.is_empty());
        assert_eq!(OPERATION.call(&1).run_detached(async || 2u32).await.unwrap(), 2);
    });
}

#[test]
fn a_follower_takes_over_after_a_panic() {
    static OPERATION: Operation = Operation::new("detached.hands_over");
    on_one_thread(|| async {
        let call = || {
            OPERATION.call(&1).run_detached(async || {
                tokio::task::yield_now().await;
                let attempt = current().unwrap().attempt();
                assert!(attempt > 2, "on purpose");
                attempt
            })
        };
        let tasks = [tokio::spawn(call()), tokio::spawn(call()), tokio::spawn(call()), tokio::spawn(call())];
        let mut outcomes = Vec::new();
        for task in tasks {
            outcomes.push(task.await.ok().map(Result::unwrap));
        }
        assert_eq!(outcomes, [None, None, Some(3), Some(3)]);
    });
}

#[test]
fn outside_a_runtime_it_is_refused_and_the_key_is_free() {
    static OPERATION: Operation = Operation::new("detached.outside");
    let seen = now(observe_async(OPERATION.call(&1).run_detached(async || 1u32)));
    let error = seen.value.unwrap_err();
    assert_eq!((error.kind(), error.operation(), seen.how), (ErrorKind::NoRuntime, "detached.outside", How::Refused));
    assert!(error.source().is_some() && !error.is_retryable());
    assert!(OPERATION.is_empty());
    assert_eq!(on_one_thread(|| OPERATION.call(&1).run_detached(async || 2u32)).unwrap(), 2);
    assert_eq!(now(OPERATION.call(&1).run_detached(async || 3u32)).unwrap(), 2, "a replay needs no runtime");
}

#[test]
fn a_body_that_calls_its_own_key_is_refused() {
    static OUTER: Operation = Operation::new("detached.recursion");
    static INNER: Operation = Operation::new("detached.recursion.inner");
    type Kind = Pin<Box<dyn Future<Output = ErrorKind> + Send>>;
    fn again() -> Kind {
        Box::pin(async { OUTER.call(&1).run_detached(async || ErrorKind::Full).await.unwrap_err().kind() })
    }
    on_many_threads(|| async {
        assert_eq!(OUTER.call(&1).run_detached(again).await.unwrap(), ErrorKind::Reentrant);
        assert!(OUTER.forget(&1));
        let through = OUTER.call(&1).run_detached(|| async {
            tokio::task::yield_now().await;
            INNER.call(&1).run_detached(again).await.unwrap()
        });
        assert_eq!(through.await.unwrap(), ErrorKind::Reentrant);
    });
}

#[test]
fn a_body_sees_its_execution() {
    static OPERATION: Operation = Operation::new("detached.execution");
    on_many_threads(|| async {
        let body = async || {
            let before = current().unwrap();
            tokio::task::yield_now().await;
            let after = current().unwrap();
            (before.scope(), before.attempt(), before.token() == after.token())
        };
        assert_eq!(OPERATION.call(&1).run_detached(body).await.unwrap(), ("detached.execution", 1, true));
        assert!(current().is_none());
    });
}

#[test]
fn when_the_runtime_ends_in_the_middle_the_next_call_runs() {
    static OPERATION: Operation = Operation::new("detached.shut_down");
    guarded(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let mut call = Box::pin(OPERATION.call(&1).run_detached(never::<u32>));
        let inside = runtime.enter();
        pending(&mut call);
        drop(inside);
        assert_eq!(OPERATION.len(), 1);
        runtime.shutdown_timeout(Duration::from_mins(1));
        assert!(OPERATION.is_empty());
        let error = ready(&mut call).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoRuntime);
        assert!(error.source().is_some());
        assert_eq!(on_one_thread(|| OPERATION.call(&1).run_detached(async || 2u32)).unwrap(), 2);
    });
}

#[test]
fn a_caller_that_is_polled_once_and_left_alone_does_not_hold_its_key() {
    static OPERATION: Operation =
        Operation::new("detached.left_alone").in_flight(InFlight::WaitFor(Duration::from_secs(100)));
    on_one_thread(|| async {
        let mut parked = Box::pin(OPERATION.call(&1).run_detached(async || {
            tokio::task::yield_now().await;
            7u32
        }));
        pending(&mut parked);
        assert_eq!(OPERATION.call(&1).run_detached(async || 0u32).await.unwrap(), 7);
        assert_eq!(parked.await.unwrap(), 7);
    });
}

#[test]
fn a_body_that_panics_before_its_future_is_there_frees_the_key() {
    static OPERATION: Operation = Operation::new("detached.no_future");
    on_one_thread(|| async {
        fn broken() -> std::future::Ready<u32> {
            panic!("on purpose")
        }
        let call = AssertUnwindSafe(OPERATION.call(&1).run_detached(broken));
        let panic = futures_lite::FutureExt::catch_unwind(call).await.unwrap_err();
        assert_eq!(message(&*panic), "on purpose");
        assert!(OPERATION.is_empty());
        assert_eq!(OPERATION.call(&1).try_run(|| Ok::<_, Error>(1u32)).unwrap(), 1);
    });
}
