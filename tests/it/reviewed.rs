//! What a review found, so that it stays mended.

use crate::support::{guarded, pending};
use idempotently::{ErrorKind, How, Missing, Operation, current, observe, observe_async};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

#[test]
fn an_unprotected_body_is_not_inside_its_callers_execution() {
    static OUTER: Operation = Operation::new("reviewed.outer");
    static INNER: Operation = Operation::new("reviewed.inner");
    static AWAITED: Operation = Operation::new("reviewed.awaited");
    let none: Option<u8> = None;
    let seen = OUTER.call(&1).run(|| {
        let inner = INNER.call_optional(&none, Missing::Run).run(|| current().is_some());
        (inner.unwrap(), current().is_some())
    });
    assert_eq!(seen.unwrap(), (false, true));
    let seen = futures_lite::future::block_on(AWAITED.call(&2).run_async(async || {
        INNER.call_optional(&none, Missing::Run).run_async(async || current().is_some()).await.unwrap()
    }));
    assert!(!seen.unwrap());
}

#[test]
fn an_unprotected_body_still_knows_what_it_would_wait_for() {
    static OUTER: Operation = Operation::new("reviewed.outside");
    static INNER: Operation = Operation::new("reviewed.without");
    let none: Option<u8> = None;
    let again = || OUTER.call(&1).run(|| ErrorKind::Full).unwrap_or_else(|error| error.kind());
    let outcome = OUTER.call(&1).run(|| INNER.call_optional(&none, Missing::Run).run(again).unwrap());
    assert_eq!(outcome.unwrap(), ErrorKind::Reentrant);
}

/// An outcome whose drop panics, once its last copy goes.
#[derive(Clone)]
struct Bomb(Arc<()>);

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(Arc::strong_count(&self.0) > 1 || thread::panicking(), "drops badly");
    }
}

#[test]
fn a_drop_that_panics_does_not_free_a_key_that_is_anothers_by_then() {
    static OPERATION: Operation = Operation::new("reviewed.drop");
    static RUNNING: AtomicUsize = AtomicUsize::new(0);
    guarded(|| {
        for round in 0..100u32 {
            let start = Barrier::new(3);
            let body = || {
                assert_eq!(RUNNING.fetch_add(1, Ordering::SeqCst), 0, "two bodies at once");
                thread::yield_now();
                OPERATION.forget(&round);
                RUNNING.fetch_sub(1, Ordering::SeqCst);
                Bomb(Arc::new(()))
            };
            thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        start.wait();
                        let call = || drop(OPERATION.call(&round).run(body));
                        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call));
                    });
                }
            });
        }
        assert_eq!(OPERATION.len(), 0);
    });
}

#[test]
fn forgetting_and_running_one_key_stays_cheap_while_the_clock_stands_still() {
    static OPERATION: Operation = Operation::new("reviewed.churn");
    #[cfg(feature = "testing")]
    let _test = idempotently::testing::isolate();
    guarded(|| {
        for round in 0..100_000u32 {
            assert_eq!(OPERATION.call(&1).run(|| round).unwrap(), round);
            assert!(OPERATION.forget(&1));
        }
    });
}

#[test]
fn an_observer_is_told_of_its_own_call_only() {
    static SLOW: Operation = Operation::new("reviewed.slow");
    static OTHER: Operation = Operation::new("reviewed.other");
    let mut begun = Box::pin(SLOW.call(&1).run_async(async || {
        futures_lite::future::yield_now().await;
        1
    }));
    let first = observe(|| pending(&mut begun));
    assert_eq!(first.how, How::Abandoned, "entered, and not answered");
    let second = observe(|| {
        OTHER.call(&1).run(|| {
            futures_lite::future::block_on(&mut begun).unwrap();
            2
        })
    });
    assert_eq!((second.value.unwrap(), second.how), (2, How::Executed));
}

#[test]
fn a_call_that_is_given_up_is_not_called_unprotected() {
    static OPERATION: Operation = Operation::new("reviewed.given_up");
    let seen = futures_lite::future::block_on(observe_async(async {
        let call = OPERATION.call(&1).run_async(std::future::pending::<u8>);
        futures_lite::future::or(async { Some(call.await) }, async { None }).await
    }));
    assert!(seen.value.is_none());
    assert_eq!((seen.how, seen.how.to_string()), (How::Abandoned, "abandoned".into()));
}

#[test]
fn a_missing_key_is_missing_whatever_the_fingerprint() {
    struct Broken;
    impl std::fmt::Display for Broken {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            Err(std::fmt::Error)
        }
    }
    static OPERATION: Operation = Operation::new("reviewed.missing");
    let none: Option<u8> = None;
    let broken = idempotently::key::display(&Broken);
    assert_eq!(OPERATION.call_optional(&none, Missing::Run).fingerprint(&broken).run(|| 1).unwrap(), 1);
    let error = OPERATION.call(&1).fingerprint(&broken).run(|| 1).unwrap_err();
    assert!(error.to_string().contains("its fingerprint could not be written"), "{error}");
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn a_detached_child_outlives_its_parents_hold_on_the_key() {
    static PARENT: Operation = Operation::new("reviewed.parent");
    static CHILD: Operation = Operation::new("reviewed.child");
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let (tell, told) = tokio::sync::oneshot::channel();
    let parent = PARENT.call(&1).try_run_async(async || {
        let child = CHILD.call(&1).run_detached(async move || {
            gone.await.unwrap();
            let again = PARENT.call(&1).try_run_async(async || Ok::<u8, idempotently::Error>(7)).await;
            tell.send(again.map_err(|error| error.kind())).unwrap();
        });
        // The child goes on when its parent has given up.
        futures_lite::future::poll_once(Box::pin(child)).await;
        Err::<u8, anyhow::Error>(anyhow::anyhow!("given up"))
    });
    assert!(parent.await.is_err());
    go.send(()).unwrap();
    assert_eq!(told.await.unwrap(), Ok(7));
}
