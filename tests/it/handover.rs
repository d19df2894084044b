//! What happens to those who wait when the one who runs ends without an outcome: one of them takes over.

use crate::support::{Alone, Bell, guarded, now, on_one_thread, panic_of, pending, poke, ready};
use idempotently::{Error, Operation, current};
use std::future::{pending as never, poll_fn};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::task::Poll;
use std::thread;
use std::time::Duration;
use tokio::sync::Notify;

/// More than any limit on hand-overs that is known elsewhere.
const TIMES: u32 = 300;

type Call<T> = Pin<Box<dyn Future<Output = Result<T, Error>>>>;

fn attempt() -> u32 {
    current().unwrap().attempt()
}

/// Pending once.
async fn pause() {
    let mut paused = false;
    poll_fn(|_| if mem::replace(&mut paused, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Several calls of one key, each with a body that pauses and then does what `end` says.
fn waiting(operation: &'static Operation, calls: u32, end: fn(u32) -> Result<u32, Error>) -> Vec<Call<u32>> {
    let body = move |_| async move {
        pause().await;
        end(attempt())
    };
    let mut calls: Vec<Call<u32>> = (0..calls)
        .map(|number| Box::pin(operation.call("key").try_run_async(move || body(number))) as Call<u32>)
        .collect();
    calls.iter_mut().for_each(pending);
    calls
}

/// Ends one leader after the other, and looks at who is woken and what is counted.
fn chain(operation: &'static Operation, end: fn(u32) -> Result<u32, Error>, ends: impl Fn(Call<u32>)) {
    let mut bells: Vec<Arc<Bell>> = Vec::new();
    let mut calls = waiting(operation, TIMES + 1, end);
    for call in calls.iter_mut().skip(1) {
        let bell = Arc::new(Bell::default());
        assert!(bell.poke(call).is_pending());
        bells.push(bell);
    }
    let mut calls = calls.into_iter();
    let mut leader = calls.next().unwrap();
    for (number, mut next) in calls.enumerate() {
        let woken = bells.iter().filter(|bell| bell.has_rung()).count();
        assert!(woken <= 8 * number, "more are woken than eight for each seat");
        ends(leader);
        assert!(bells[number].has_rung(), "the next one sleeps on");
        assert_eq!(operation.len(), 1);
        pending(&mut next);
        leader = next;
    }
    assert_eq!(ready(&mut leader).unwrap(), TIMES + 1);
    assert_eq!(now(operation.call("key").run_async(async || 0u32)).unwrap(), TIMES + 1);
}

#[test]
fn panicking_bodies_hand_over_as_often_as_it_takes() {
    static OPERATION: Operation = Operation::new("handover.panics");
    let end = |attempt| {
        assert!(attempt > TIMES, "on purpose");
        Ok(attempt)
    };
    chain(&OPERATION, end, |mut leader| assert_eq!(panic_of(|| poke(&mut leader)), "on purpose"));
}

#[test]
fn dropped_futures_hand_over_as_often_as_it_takes() {
    static OPERATION: Operation = Operation::new("handover.drops");
    chain(&OPERATION, Ok, drop);
}

#[test]
fn errors_hand_over_as_often_as_it_takes() {
    static OPERATION: Operation = Operation::new("handover.errors");
    static EMPTY: Operation = Operation::new("handover.errors.source");
    let end = |attempt| if attempt > TIMES { Ok(attempt) } else { EMPTY.call("").run(|| attempt) };
    chain(&OPERATION, end, |mut leader| {
        assert_eq!(ready(&mut leader).unwrap_err().operation(), "handover.errors.source");
    });
}

#[test]
fn a_call_that_ends_alone_without_an_outcome_frees_its_key() {
    static OPERATION: Operation = Operation::new("handover.alone");
    assert_eq!(panic_of(|| OPERATION.call(&1).try_run(|| panic!("on purpose") as Result<u32, Error>)), "on purpose");
    assert!(OPERATION.is_empty());
    let mut dropped = Box::pin(OPERATION.call(&1).run_async(never::<u32>));
    pending(&mut dropped);
    assert_eq!(OPERATION.len(), 1);
    drop(dropped);
    assert!(OPERATION.is_empty());
    let asked = now(OPERATION.call(&1).run_async(async || attempt()));
    assert_eq!(asked.unwrap(), 1, "a new call is a new first attempt");
}

#[test]
fn panicking_bodies_in_threads_hand_over_one_at_a_time() {
    static OPERATION: Operation = Operation::new("handover.threads");
    const THREADS: u32 = 32;
    guarded(|| {
        for round in 0..20u32 {
            let (bodies, alone, barrier) = (AtomicU32::new(0), Alone::default(), Barrier::new(32));
            let call = || {
                barrier.wait();
                OPERATION.call(&round).try_run(|| {
                    let _body = alone.enter(round);
                    assert!(bodies.fetch_add(1, Ordering::SeqCst) == THREADS - 1, "on purpose");
                    Ok::<_, Error>(round)
                })
            };
            let panics = thread::scope(|scope| {
                let caught = || catch_unwind(AssertUnwindSafe(call)).is_err();
                let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(caught)).collect();
                threads.into_iter().filter_map(|thread| thread.join().ok()).filter(|panicked| *panicked).count()
            });
            assert_eq!((bodies.into_inner(), panics), (32, 31));
        }
        assert_eq!(OPERATION.len(), 20);
    });
}

#[test]
fn a_panicking_predicate_hands_over_and_frees_the_key() {
    static OPERATION: Operation = Operation::new("handover.predicate");
    let call = |key: u32, bad: &AtomicI32| {
        let keeps = |_: &u32| {
            assert!(bad.fetch_sub(1, Ordering::SeqCst) <= 0, "on purpose");
            true
        };
        OPERATION.call(&key).run_if(keeps, attempt)
    };
    assert_eq!(panic_of(|| call(0, &AtomicI32::new(1))), "on purpose");
    assert!(OPERATION.is_empty());
    guarded(move || {
        for round in 0..30 {
            let (bad, barrier) = (AtomicI32::new(7), Barrier::new(8));
            let panics = thread::scope(|scope| {
                let caught = || {
                    barrier.wait();
                    catch_unwind(AssertUnwindSafe(|| call(round, &bad))).is_err()
                };
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(caught)).collect();
                threads.into_iter().filter_map(|thread| thread.join().ok()).filter(|panicked| *panicked).count()
            });
            assert_eq!(panics, 7);
        }
        assert_eq!(OPERATION.len(), 30);
    });
}

/// An outcome whose n-th clone panics.
struct Fragile {
    fuse: Arc<AtomicI32>,
    attempt: u32,
}

impl Fragile {
    fn new(fuse: &Arc<AtomicI32>) -> Self {
        Self { fuse: fuse.clone(), attempt: attempt() }
    }
}

impl Clone for Fragile {
    fn clone(&self) -> Self {
        assert!(self.fuse.fetch_sub(1, Ordering::SeqCst) != 1, "clones badly");
        Self { fuse: self.fuse.clone(), attempt: self.attempt }
    }
}

/// Two calls of one key whose outcome's n-th clone panics.
fn fragile(operation: &'static Operation, key: &'static str, clones: i32) -> (Call<Fragile>, Call<Fragile>) {
    let fuse = Arc::new(AtomicI32::new(clones));
    let call = || {
        let fuse = fuse.clone();
        let mut call = Box::pin(operation.call(key).run_async(async move || {
            pause().await;
            Fragile::new(&fuse)
        })) as Call<Fragile>;
        pending(&mut call);
        call
    };
    (call(), call())
}

#[test]
fn a_clone_that_panics_while_it_is_recorded_hands_over() {
    static OPERATION: Operation = Operation::new("handover.clone");
    for (key, clones) in [("for the record", 1), ("for the followers", 2)] {
        let (mut leader, mut follower) = fragile(&OPERATION, key, clones);
        assert_eq!(panic_of(|| poke(&mut leader)), "clones badly", "{key}");
        drop(leader);
        pending(&mut follower);
        assert_eq!(ready(&mut follower).unwrap().attempt, 2, "{key}");
    }
    assert_eq!(OPERATION.len(), 2);
}

#[test]
fn a_clone_that_panics_for_a_follower_or_a_replay_leaves_the_record() {
    static OPERATION: Operation = Operation::new("handover.clone_of_a_record");
    let (mut leader, mut follower) = fragile(&OPERATION, "follower", 3);
    assert_eq!(ready(&mut leader).unwrap().attempt, 1);
    assert_eq!(panic_of(|| poke(&mut follower)), "clones badly");
    drop(follower);
    let fuse = Arc::new(AtomicI32::new(0));
    let replay = || now(OPERATION.call("follower").run_async(async || Fragile::new(&fuse)));
    assert_eq!(replay().unwrap().attempt, 1);

    let kept = replay().unwrap();
    kept.fuse.store(1, Ordering::SeqCst);
    assert_eq!(panic_of(replay), "clones badly");
    assert_eq!(replay().unwrap().attempt, 1);
    assert!(OPERATION.forget("follower"), "no lock was left behind");
}

#[test]
fn a_clone_that_panics_alone_frees_its_key() {
    static OPERATION: Operation = Operation::new("handover.clone_alone");
    let fuse = Arc::new(AtomicI32::new(1));
    let call = || OPERATION.call(&1).try_run(|| Ok::<_, Error>(Fragile::new(&fuse)));
    assert_eq!(panic_of(call), "clones badly");
    assert!(OPERATION.is_empty());
    assert_eq!(call().unwrap().attempt, 1);
}

/// An expired outcome whose destructor panics is outside of what is promised, but its key must not be lost for it.
#[cfg(feature = "testing")]
#[test]
fn an_expired_outcome_that_panics_when_dropped_does_not_take_its_key_along() {
    struct Bomb(Arc<AtomicI32>);
    impl Clone for Bomb {
        fn clone(&self) -> Self {
            Self(self.0.clone())
        }
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(self.0.fetch_sub(1, Ordering::SeqCst) != 1, "drops badly");
        }
    }
    static OPERATION: Operation = Operation::new("handover.drop_of_a_record");
    guarded(|| {
        let test = idempotently::testing::isolate();
        let fuse = Arc::new(AtomicI32::new(0));
        let call = || OPERATION.call(&1).try_run(|| Ok::<_, Error>(Bomb(fuse.clone()))).map(mem::forget);
        call().unwrap();
        test.advance("25h");
        fuse.store(1, Ordering::SeqCst);
        assert_eq!(panic_of(call), "drops badly");
        call().unwrap();
    });
}

/// Starts a leader that never ends, as `leader` wraps it, and a follower; what the follower is told.
async fn follow<L: Future<Output: Send + 'static> + Send + 'static>(
    operation: &'static Operation,
    leader: impl FnOnce(Pin<Box<dyn Future<Output = Result<u32, Error>> + Send>>) -> L,
    stop: impl FnOnce(tokio::task::JoinHandle<L::Output>),
) -> u32 {
    let begun = Arc::new(Notify::new());
    let leader = tokio::spawn(leader(Box::pin(operation.call("key").run_async({
        let begun = begun.clone();
        async move || {
            begun.notify_one();
            never().await
        }
    }))));
    begun.notified().await;
    let follower = tokio::spawn(operation.call("key").run_async(async || attempt()));
    tokio::task::yield_now().await;
    stop(leader);
    follower.await.unwrap().unwrap()
}

#[test]
fn an_aborted_task_hands_over() {
    static OPERATION: Operation = Operation::new("handover.abort");
    assert_eq!(on_one_thread(|| follow(&OPERATION, |call| call, |leader| leader.abort())), 2);
}

#[test]
fn a_call_that_loses_a_select_hands_over() {
    static OPERATION: Operation = Operation::new("handover.select");
    let stop = Arc::new(Notify::new());
    let stopped = stop.clone();
    let leader = |call| async move {
        tokio::select! {
            () = stopped.notified() => {}
            _ = call => {}
        }
    };
    assert_eq!(on_one_thread(move || follow(&OPERATION, leader, move |_| stop.notify_one())), 2);
}

#[test]
fn a_call_that_runs_into_its_callers_time_limit_hands_over() {
    static OPERATION: Operation = Operation::new("handover.timeout");
    let leader = |call| tokio::time::timeout(Duration::from_millis(20), call);
    assert_eq!(on_one_thread(move || follow(&OPERATION, leader, drop)), 2);
}

#[test]
fn a_follower_that_goes_away_instead_of_taking_over_wakes_the_next_one() {
    static OPERATION: Operation = Operation::new("handover.gone");
    let mut calls = waiting(&OPERATION, 4, Ok);
    let bells = [(); 3].map(|()| Arc::new(Bell::default()));
    for (bell, call) in bells.iter().zip(calls.iter_mut().skip(1)) {
        assert!(bell.poke(call).is_pending());
    }
    drop(calls.remove(0));
    assert!(bells.iter().all(|bell| bell.has_rung()), "one that does not look holds nobody up");
    drop(calls.remove(0));
    drop(calls.pop());
    let mut last = calls.pop().unwrap();
    pending(&mut last);
    assert_eq!(ready(&mut last).unwrap(), 2);
}

#[test]
fn the_last_follower_that_goes_away_frees_the_key() {
    static OPERATION: Operation = Operation::new("handover.last");
    let calls = waiting(&OPERATION, 5, Ok);
    for (number, call) in calls.into_iter().enumerate() {
        assert_eq!(OPERATION.len(), 1, "{number}");
        drop(call);
    }
    assert!(OPERATION.is_empty());
    // The other way round: the followers first.
    let mut calls = waiting(&OPERATION, 5, Ok);
    while let Some(call) = calls.pop() {
        assert_eq!(OPERATION.len(), 1);
        drop(call);
    }
    assert!(OPERATION.is_empty());
    assert_eq!(now(OPERATION.call("key").run_async(async || attempt())).unwrap(), 1);
}

#[test]
fn a_newcomer_takes_a_vacant_seat_and_the_woken_follower_joins_it() {
    static OPERATION: Operation = Operation::new("handover.newcomer");
    let mut calls = waiting(&OPERATION, 2, Ok);
    drop(calls.remove(0));
    let mut newcomer = waiting(&OPERATION, 1, Ok).remove(0);
    let mut woken = calls.remove(0);
    pending(&mut woken);
    assert_eq!(ready(&mut newcomer).unwrap(), 2);
    assert_eq!(ready(&mut woken).unwrap(), 2);
    assert_eq!(OPERATION.len(), 1);
}
