//! `on_failure = share`, hand-overs and races of annotated functions.

use crate::support::{Alone, guarded, on_one_thread, panic_of, pending, poke, ready};
use idempotently::{Error, How, idempotent, observe_async};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier, LazyLock};
use std::thread;
use tokio::sync::Semaphore;

#[derive(Clone, Debug, PartialEq)]
enum Failure {
    Declined(u32),
    Refused,
}

impl From<Error> for Failure {
    fn from(_: Error) -> Self {
        Self::Refused
    }
}

static BODIES: AtomicU32 = AtomicU32::new(0);

#[idempotent(key = id, on_failure = share, handle = CHARGE)]
async fn charge(id: u32, gate: Arc<Semaphore>) -> Result<u32, Failure> {
    let number =
        if id == 1 { BODIES.fetch_add(1, Ordering::SeqCst) } else { idempotently::current().unwrap().attempt() };
    let _ = gate.acquire().await;
    Err(Failure::Declined(number))
}

#[test]
fn a_shared_failure_answers_everybody_who_waited_and_nobody_later() {
    on_one_thread(|| async {
        for _ in 0..3 {
            let before = BODIES.load(Ordering::SeqCst);
            let gate = Arc::new(Semaphore::new(0));
            let tasks: Vec<_> = (0..100).map(|_| tokio::spawn(observe_async(charge(1, gate.clone())))).collect();
            tokio::task::yield_now().await;
            gate.close();
            let mut joined = 0;
            for task in tasks {
                let seen = task.await.unwrap();
                assert_eq!(seen.value, Err(Failure::Declined(before)));
                joined += u32::from(seen.how == How::Joined);
            }
            assert_eq!(joined, 99);
            assert!(!CHARGE.forget(&1u32));
        }
    });
}

#[test]
fn a_forgotten_failure_is_not_shared() {
    on_one_thread(|| async {
        let gate = Arc::new(Semaphore::new(0));
        let mut leader = Box::pin(charge(2, gate.clone()));
        let mut follower = Box::pin(charge(2, gate.clone()));
        pending(&mut leader);
        pending(&mut follower);
        assert!(CHARGE.forget(&2u32));
        gate.close();
        let (Err(Failure::Declined(first)), Err(Failure::Declined(second))) =
            (ready(&mut leader), ready(&mut follower))
        else {
            panic!("somebody was refused");
        };
        assert_ne!(first, second);
    });
}

#[idempotent(key = id, keep = |value: &u32| *value > 10, on_failure = share)]
fn measure(id: u32, value: u32, inside: &Barrier) -> u32 {
    let _ = id;
    inside.wait();
    value
}

#[test]
fn what_a_predicate_refuses_can_be_shared_too() {
    let inside = Barrier::new(1);
    assert_eq!((measure(1, 3, &inside), measure(1, 4, &inside), measure(1, 11, &inside)), (3, 4, 11));
    assert_eq!(measure(1, 3, &inside), 11);
}

static ALONE: LazyLock<Alone<u32>> = LazyLock::new(Alone::default);

#[idempotent(key = id)]
fn count(id: u32) -> u32 {
    let _body = ALONE.enter(id);
    BODIES_OF_COUNT.fetch_add(1, Ordering::SeqCst)
}

static BODIES_OF_COUNT: AtomicU32 = AtomicU32::new(0);

#[test]
fn sixteen_threads_run_one_body() {
    guarded(|| {
        for round in 0..100 {
            let barrier = Barrier::new(16);
            let call = || {
                barrier.wait();
                count(round)
            };
            let answers: Vec<_> = thread::scope(|scope| {
                let threads: Vec<_> = (0..16).map(|_| scope.spawn(call)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(answers, [round; 16]);
        }
    });
}

#[idempotent(key = "{tenant}:{id}")]
async fn attempt(tenant: &str, id: u32) -> u32 {
    let _ = (tenant, id);
    let attempt = idempotently::current().unwrap().attempt();
    crate::attribute::shapes::pause().await;
    assert!(attempt > 2, "on purpose");
    attempt
}

#[test]
fn a_panic_and_a_dropped_future_hand_over() {
    let mut calls = [(); 3].map(|()| Box::pin(attempt("a", 1)));
    calls.iter_mut().for_each(pending);
    let [mut first, mut second, mut third] = calls;
    assert_eq!(panic_of(|| poke(&mut first)), "on purpose");
    pending(&mut second);
    drop(second);
    pending(&mut third);
    assert_eq!(ready(&mut third), 3);
}
