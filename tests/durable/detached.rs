//! Durable calls whose body, and the recording of its outcome, run in a task of their own.

use crate::shared;
use futures_lite::future::{block_on, poll_once};
use idempotently::{Error, ErrorKind, How, OnInterruption, Operation, Records, SharedStore, current, observe_async};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

const RETRY: OnInterruption = OnInterruption::Retry;
const FAIL: OnInterruption = OnInterruption::Fail;

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

#[test]
fn a_caller_that_goes_away_stops_neither_the_body_nor_its_recording() {
    static CHARGE: Operation = Operation::new("durable.detached").interrupted(FAIL);
    static BODIES: AtomicU8 = AtomicU8::new(0);
    let (memory, here) = shared();
    let there = SharedStore::new(memory);
    let (go, running) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    one_thread().block_on(async {
        let call = |store: &SharedStore| {
            let (go, running) = (go.clone(), running.clone());
            CHARGE.call("k").store(store).try_run_detached(async move || {
                assert_eq!(current().unwrap().attempt(), 1);
                running.notify_one();
                go.notified().await;
                assert!(current().unwrap().token() > 0);
                Ok::<u8, Error>(BODIES.fetch_add(1, Ordering::SeqCst) + 1)
            })
        };
        let mut gone = Box::pin(call(&here));
        assert!(poll_once(&mut gone).await.is_none());
        running.notified().await;
        drop(gone);
        let mut follower = Box::pin(observe_async(call(&here)));
        assert!(poll_once(&mut follower).await.is_none());
        go.notify_one();
        let joined = follower.await;
        assert_eq!((joined.value.unwrap(), joined.how), (1, How::Joined));
        let replayed = observe_async(call(&there)).await;
        assert_eq!((replayed.value.unwrap(), replayed.how), (1, How::Replayed));
    });
    assert_eq!(BODIES.load(Ordering::SeqCst), 1);
}

#[test]
fn a_caller_that_goes_away_before_the_body_starts_nothing() {
    static CHARGE: Operation = Operation::new("durable.detached.waiting").interrupted(FAIL);
    let (memory, here) = shared();
    let there = SharedStore::new(memory);
    one_thread().block_on(async {
        let mut leader = Box::pin(CHARGE.call(&1).store(&there).try_run_async(pending::<Result<u8, Error>>));
        assert!(poll_once(&mut leader).await.is_none());
        let mut waiting = Box::pin(CHARGE.call(&1).store(&here).try_run_detached(async || -> Result<u8, Error> {
            panic!("nobody waits for this any more");
        }));
        assert!(poll_once(&mut waiting).await.is_none());
        drop(waiting);
        drop(leader);
        assert!(idempotently::shutdown(Duration::from_secs(20)).await.bodies == 0);
        let left = CHARGE.call(&1).store(&here).try_run_detached(async || Ok::<u8, Error>(1)).await;
        assert_eq!(left.unwrap_err().kind(), ErrorKind::Interrupted);
    });
}

#[test]
fn a_detached_panic_reaches_its_caller_and_interrupts() {
    static CHARGE: Operation = Operation::new("durable.detached.panic").interrupted(FAIL);
    let (_, store) = shared();
    one_thread().block_on(async {
        let call =
            || CHARGE.call(&1).store(&store).try_run_detached(async || -> Result<u8, Error> { panic!("on purpose") });
        let caught = futures_lite::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(call())).await;
        assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"on purpose"));
        assert_eq!(call().await.unwrap_err().kind(), ErrorKind::Interrupted);
    });
}

#[test]
fn a_detached_error_gives_the_key_back() {
    static CHARGE: Operation = Operation::new("durable.detached.error").interrupted(FAIL);
    let (_, store) = shared();
    one_thread().block_on(async {
        let failed = CHARGE.call(&1).store(&store).try_run_detached(async || Err::<u8, _>(anyhow::anyhow!("declined")));
        assert_eq!(failed.await.unwrap_err().to_string(), "declined");
        let next = CHARGE.call(&1).store(&store).try_run_detached(async || Ok::<u8, anyhow::Error>(7));
        assert_eq!(next.await.unwrap(), 7);
    });
}

#[test]
fn when_the_runtime_ends_in_the_middle_it_is_as_was_chosen() {
    static RETRIED: Operation = Operation::new("durable.detached.ended.retry").interrupted(RETRY);
    static FAILED: Operation = Operation::new("durable.detached.ended.fail").interrupted(FAIL);
    let (_, store) = shared();
    let again = |operation: &'static Operation| operation.call(&1).store(&store).try_run(|| Ok::<u8, Error>(1));
    for operation in [&RETRIED, &FAILED] {
        let runtime = one_thread();
        let mut call = Box::pin(operation.call(&1).store(&store).try_run_detached(pending::<Result<u8, Error>>));
        runtime.block_on(async {
            assert!(poll_once(&mut call).await.is_none());
            tokio::task::yield_now().await;
        });
        drop(runtime);
        assert_eq!(block_on(call).unwrap_err().kind(), ErrorKind::NoRuntime);
    }
    assert_eq!(again(&RETRIED).unwrap(), 1);
    assert_eq!(again(&FAILED).unwrap_err().kind(), ErrorKind::Interrupted);
}

#[test]
fn outside_a_runtime_only_a_record_answers() {
    static CHARGE: Operation = Operation::new("durable.detached.outside").interrupted(FAIL);
    let (_, store) = shared();
    let call = || CHARGE.call(&1).store(&store).try_run_detached(async || Ok::<u8, Error>(1));
    let refused = block_on(observe_async(call()));
    assert_eq!((refused.value.unwrap_err().kind(), refused.how), (ErrorKind::NoRuntime, How::Refused));
    assert!(Records::of(&store).peek("durable.detached.outside", &1).unwrap().is_none(), "the body did not run");
    assert_eq!(one_thread().block_on(call()).unwrap(), 1);
    assert_eq!(block_on(call()).unwrap(), 1);
}

#[test]
fn a_detached_body_that_calls_its_own_key_is_refused() {
    static CHARGE: Operation = Operation::new("durable.detached.recursion").interrupted(RETRY);
    let (_, store) = shared();
    let inner = store.clone();
    let body = async move || {
        let again = CHARGE.call(&1).store(&inner).try_run_detached(async || Ok::<u8, Error>(2)).await;
        Err::<u8, Error>(again.unwrap_err())
    };
    let refused = one_thread().block_on(CHARGE.call(&1).store(&store).try_run_detached(body));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Reentrant);
}

#[cfg(feature = "testing")]
#[test]
fn a_detached_body_belongs_to_its_test() {
    static OUTER: Operation = Operation::new("durable.detached.isolated").interrupted(RETRY);
    static INNER: Operation = Operation::new("durable.detached.isolated.inner").interrupted(RETRY);
    let test = idempotently::testing::isolate();
    let call = |number: u8| {
        OUTER.call(&1).durable().try_run_detached(async move || {
            tokio::task::yield_now().await;
            INNER.call(&1).durable().try_run(|| Ok::<_, Error>(number))
        })
    };
    let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let inside = runtime.enter();
    assert_eq!(block_on(call(1)).unwrap(), 1);
    assert_eq!(INNER.call(&1).durable().try_run(|| Ok::<u8, Error>(2)).unwrap(), 1, "it is in the test's own store");
    test.advance("25h");
    assert_eq!(block_on(call(3)).unwrap(), 3);
    drop(inside);
}
