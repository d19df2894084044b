//! The end of a program: what is waited for, for how long, and what is left.

#![cfg(all(feature = "durable", feature = "tokio"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "durable/away.rs"]
mod away;

use away::Away;
use futures_lite::future::{block_on, poll_once};
use idempotently::{Error, OnInterruption, Operation, Records, SharedStore, Shutdown, blocking, shutdown};
use std::future::pending;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

const RETRY: OnInterruption = OnInterruption::Retry;
/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);
/// Long enough for what is done at once.
const BRIEF: Duration = Duration::from_millis(30);

/// What is under way is the whole process's, so these tests run one after the other.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(blocking::shutdown(LONG), Shutdown::default(), "an earlier test left something behind");
    guard
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

/// Bodies, outcomes and releases.
fn left(left: Shutdown) -> [usize; 3] {
    assert_eq!(left.is_complete(), left == Shutdown::default());
    [left.bodies, left.unrecorded, left.releases]
}

#[test]
fn where_nothing_is_under_way_it_is_over_at_once() {
    let _alone = alone();
    let started = Instant::now();
    assert!(block_on(poll_once(shutdown(Duration::MAX))).unwrap().is_complete());
    assert!(block_on(poll_once(shutdown(Duration::ZERO))).unwrap().is_complete());
    assert!(blocking::shutdown(LONG).is_complete());
    assert!(started.elapsed() < LONG);
}

#[test]
fn it_waits_for_detached_bodies_and_wakes_when_the_last_one_ends() {
    static WORK: Operation = Operation::new("shutdown.bodies");
    let _alone = alone();
    let (go, gone) = tokio::sync::oneshot::channel();
    one_thread().block_on(async {
        let body = async move || gone.await.unwrap();
        let mut call = Box::pin(WORK.call(&1).run_detached(body));
        assert!(poll_once(&mut call).await.is_none());
        drop(call);
        assert_eq!(left(shutdown(BRIEF).await), [1, 0, 0]);
        let mut over = Box::pin(shutdown(LONG));
        assert!(poll_once(&mut over).await.is_none());
        go.send(7u8).unwrap();
        assert_eq!(left(over.await), [0, 0, 0]);
        assert_eq!(WORK.call(&1).run_detached(async || 8u8).await.unwrap(), 7, "calls are answered as before");
        assert_eq!(WORK.call(&2).run_detached(async || 8u8).await.unwrap(), 8, "and new ones run");
    });
}

#[test]
fn a_thread_waits_for_bodies_too() {
    static WORK: Operation = Operation::new("shutdown.thread");
    let _alone = alone();
    let (go, gone) = tokio::sync::oneshot::channel::<u8>();
    let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let inside = runtime.enter();
    let mut call = Box::pin(WORK.call(&1).run_detached(async move || gone.await.unwrap()));
    assert!(block_on(poll_once(&mut call)).is_none());
    let over = thread::spawn(|| blocking::shutdown(LONG));
    go.send(7).unwrap();
    assert_eq!(left(over.join().unwrap()), [0, 0, 0]);
    assert_eq!(block_on(call).unwrap(), 7);
    drop(inside);
}

#[test]
fn a_body_whose_runtime_ended_is_not_under_way() {
    static WORK: Operation = Operation::new("shutdown.ended");
    static CHARGE: Operation = Operation::new("shutdown.ended.durable").interrupted(RETRY);
    let _alone = alone();
    let runtime = one_thread();
    let store = SharedStore::new(Away::new());
    let mut plain = Box::pin(WORK.call(&1).run_detached(pending::<u8>));
    let mut durable = Box::pin(CHARGE.call(&1).store(&store).try_run_detached(pending::<Result<u16, Error>>));
    runtime.block_on(async {
        assert!(poll_once(&mut plain).await.is_none());
        assert!(poll_once(&mut durable).await.is_none());
        assert_eq!(left(shutdown(BRIEF).await), [2, 0, 0]);
    });
    drop(runtime);
    assert_eq!(left(blocking::shutdown(LONG)), [0, 0, 0]);
}

/// A store that went away while a body ran, whose outcome is late.
fn late(operation: &'static Operation) -> (Away, SharedStore) {
    let away = Away::new();
    let store = SharedStore::new(away.clone());
    let call = operation.call("k").store(&store).try_run(|| {
        away.goes();
        Ok::<u8, Error>(1)
    });
    assert_eq!(call.unwrap(), 1);
    (away, store)
}

#[test]
fn outcomes_that_the_store_did_not_take_are_brought_or_reported() {
    static CHARGE: Operation = Operation::new("shutdown.late").interrupted(RETRY);
    let _alone = alone();
    let (away, store) = late(&CHARGE);
    assert_eq!(left(blocking::shutdown(BRIEF)), [0, 1, 0]);
    away.comes_back();
    assert_eq!(left(blocking::shutdown(LONG)), [0, 0, 0]);
    assert_eq!(CHARGE.call("k").store(&store).try_run(|| Ok::<u8, Error>(2)).unwrap(), 1);
}

#[test]
fn outcomes_that_the_store_never_takes_are_tried_ever_more_seldom_but_for_a_shutdown() {
    static CHARGE: Operation = Operation::new("shutdown.seldom").interrupted(RETRY);
    let _alone = alone();
    let begun = Instant::now();
    let (away, _store) = late(&CHARGE);
    // The first one, and again after half a second twice, a second, and two.
    away.failures(5);
    assert!(begun.elapsed() >= Duration::from_secs(4), "{:?}", begun.elapsed());
    away.comes_back();
    let hurried = Instant::now();
    assert_eq!(left(blocking::shutdown(LONG)), [0, 0, 0]);
    assert!(hurried.elapsed() < Duration::from_secs(3), "the next time would be after four seconds");
}

#[test]
fn a_late_outcome_is_brought_also_when_the_last_user_of_its_store_is_gone() {
    static CHARGE: Operation = Operation::new("shutdown.orphan").interrupted(RETRY);
    let _alone = alone();
    let (away, store) = late(&CHARGE);
    drop(store);
    away.failures(3);
    away.comes_back();
    assert_eq!(left(blocking::shutdown(LONG)), [0, 0, 0]);
    let store = SharedStore::new(away);
    assert_eq!(CHARGE.call("k").store(&store).try_run(|| Ok::<u8, Error>(2)).unwrap(), 1);
}

#[test]
fn an_outcome_on_its_way_outlives_the_caller_that_sends_it() {
    static CHARGE: Operation = Operation::new("shutdown.sending").interrupted(RETRY);
    let _alone = alone();
    let away = Away::new();
    let store = SharedStore::new(away.clone());
    let mut call = Box::pin(CHARGE.call("k").store(&store).try_run_async(async || {
        away.falls_silent();
        Ok::<u8, Error>(1)
    }));
    assert!(block_on(poll_once(&mut call)).is_none());
    assert_eq!(left(blocking::shutdown(BRIEF)), [0, 1, 0]);
    drop(call);
    away.comes_back();
    assert_eq!(left(blocking::shutdown(LONG)), [0, 0, 0]);
    assert_eq!(store.unrecorded(), 0);
    assert_eq!(CHARGE.call("k").store(&store).try_run(|| Ok::<u8, Error>(2)).unwrap(), 1);
}

/// A store that was asked to take keys back, and keeps its answers for itself.
fn keeping(operation: &'static Operation, keys: u8) -> (Away, SharedStore) {
    let away = Away::new();
    let store = SharedStore::new(away.clone());
    away.keeps_releases();
    // Each waits a while for its answer.
    thread::scope(|scope| {
        for key in 0..keys {
            let store = &store;
            scope.spawn(move || {
                let failed = operation.call(&key).store(store).try_run(|| Err::<u8, _>(anyhow::anyhow!("no")));
                assert!(failed.is_err());
            });
        }
    });
    (away, store)
}

#[test]
fn releases_are_waited_for_and_those_without_an_answer_are_reported() {
    static CHARGE: Operation = Operation::new("shutdown.releases").interrupted(RETRY);
    let _alone = alone();
    let (away, store) = keeping(&CHARGE, 40);
    assert_eq!(left(blocking::shutdown(BRIEF)), [0, 0, 40]);
    assert_eq!(left(blocking::shutdown(BRIEF)), [0, 0, 40], "they are kept");
    away.comes_back();
    assert_eq!(left(blocking::shutdown(LONG)), [0, 0, 0]);
    drop(store);
}

#[test]
fn releases_are_waited_for_also_when_the_last_user_of_their_store_is_gone() {
    static CHARGE: Operation = Operation::new("shutdown.releases.orphans").interrupted(RETRY);
    let _alone = alone();
    let (away, store) = keeping(&CHARGE, 3);
    drop(store);
    assert_eq!(left(blocking::shutdown(BRIEF)), [0, 0, 3]);
    away.comes_back();
    assert_eq!(left(blocking::shutdown(LONG)), [0, 0, 0]);
}

/// Whether something is to be polled.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

type Waiting = Vec<(Pin<Box<dyn Future<Output = Shutdown>>>, Arc<Woken>)>;

/// Polls those that were woken, as long as there are any; how many are not over.
fn poll(waiting: &mut Waiting) -> usize {
    while let Some(next) = waiting.iter().position(|(_, woken)| woken.0.swap(false, Ordering::SeqCst)) {
        let (over, woken) = &mut waiting[next];
        if let Poll::Ready(over) = over.as_mut().poll(&mut Context::from_waker(&Waker::from(woken.clone()))) {
            assert_eq!(left(over), [0, 0, 0]);
            drop(waiting.remove(next));
        }
    }
    waiting.len()
}

#[test]
fn releases_are_waited_for_by_everybody_who_waits() {
    static CHARGE: Operation = Operation::new("shutdown.releases.twice").interrupted(RETRY);
    let _alone = alone();
    for given_up in 0..3 {
        let (away, _store) = keeping(&CHARGE, 2);
        let mut waiting = Waiting::new();
        for _ in 0..3 {
            waiting.push((Box::pin(shutdown(LONG)), Arc::new(Woken(AtomicBool::new(true)))));
        }
        assert_eq!(poll(&mut waiting), 3);
        drop(waiting.remove(given_up));
        away.comes_back();
        assert_eq!(poll(&mut waiting), 0);
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn a_file_has_what_was_given_back() {
    use idempotently::backend::sqlite::SqliteStore;
    static CHARGE: Operation = Operation::new("shutdown.sqlite").interrupted(RETRY);
    let _alone = alone();
    let path = std::env::temp_dir().join(format!("idempotently-shutdown-{}.db", std::process::id()));
    let store = SharedStore::new(SqliteStore::open(&path).unwrap());
    for key in 0..100u8 {
        assert!(CHARGE.call(&key).store(&store).try_run(|| Err::<u8, _>(anyhow::anyhow!("no"))).is_err());
    }
    assert_eq!(left(blocking::shutdown(LONG)), [0, 0, 0]);
    for key in 0..100u8 {
        assert!(Records::of(&store).peek("shutdown.sqlite", &key).unwrap().is_none());
    }
    drop(store);
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", path.display()));
    }
}
