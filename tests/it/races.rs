//! Many callers at once.

use crate::support::{Alone, Gate, guarded, now, on_many_threads, on_one_thread, pending, ready};
use idempotently::{Error, How, Operation, observe_async};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

#[test]
fn sixteen_threads_on_one_key_run_one_body_and_agree() {
    static OPERATION: Operation = Operation::new("races.threads");
    guarded(|| {
        let bodies = AtomicU64::new(0);
        for round in 0..300u64 {
            let barrier = Barrier::new(16);
            let answers: Vec<u64> = thread::scope(|scope| {
                let press = || {
                    barrier.wait();
                    OPERATION.call(&round).run(|| bodies.fetch_add(1, Ordering::SeqCst)).unwrap()
                };
                let threads: Vec<_> = (0..16).map(|_| scope.spawn(press)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(answers, [round; 16]);
        }
        assert_eq!(OPERATION.len(), 300);
    });
}

/// Runs 10 000 tasks against one key; how many joined.
async fn ten_thousand(operation: &'static Operation, bodies: &'static AtomicU32) -> usize {
    let gate = Arc::new(Semaphore::new(0));
    let mut tasks = JoinSet::new();
    for number in 0..10_000u32 {
        let gate = gate.clone();
        tasks.spawn(observe_async(operation.call("one").run_async(async move || {
            bodies.fetch_add(1, Ordering::SeqCst);
            let _ = gate.acquire().await;
            number
        })));
    }
    tasks.spawn(observe_async(async move {
        gate.close();
        Ok::<u32, Error>(u32::MAX)
    }));
    let seen = tasks.join_all().await;
    let led = seen.iter().find(|seen| seen.how == How::Executed).unwrap().value.clone().unwrap();
    let agree = seen.iter().filter(|seen| seen.value.as_ref().is_ok_and(|value| *value == led)).count();
    assert_eq!(agree, 10_000);
    seen.iter().filter(|seen| seen.how == How::Joined).count()
}

#[test]
fn ten_thousand_tasks_on_one_key_run_one_body_and_the_others_join_it() {
    static OPERATION: Operation = Operation::new("races.tasks");
    static BODIES: AtomicU32 = AtomicU32::new(0);
    let joined = on_one_thread(|| ten_thousand(&OPERATION, &BODIES));
    assert_eq!((BODIES.load(Ordering::SeqCst), joined), (1, 9_999));
    assert_eq!(OPERATION.len(), 1);
}

#[test]
fn ten_thousand_tasks_on_many_threads_run_one_body() {
    static OPERATION: Operation = Operation::new("races.tasks_on_many_threads");
    static BODIES: AtomicU32 = AtomicU32::new(0);
    on_many_threads(|| ten_thousand(&OPERATION, &BODIES));
    assert_eq!(BODIES.load(Ordering::SeqCst), 1);
}

#[test]
fn other_keys_do_not_wait_for_running_bodies_in_threads() {
    static OPERATION: Operation = Operation::new("races.other_keys");
    guarded(|| {
        let gate = Gate::default();
        let inside = Barrier::new(17);
        thread::scope(|scope| {
            for key in 0..16u64 {
                let (gate, inside) = (&gate, &inside);
                scope.spawn(move || {
                    OPERATION.call(&key).run(|| {
                        inside.wait();
                        gate.pass();
                        key
                    })
                });
            }
            inside.wait();
            for key in 16..516u64 {
                assert_eq!(OPERATION.call(&key).run(|| key).unwrap(), key);
                assert_eq!(OPERATION.call(&key).run(|| 0).unwrap(), key);
                assert!(OPERATION.forget(&key));
            }
            assert_eq!(OPERATION.len(), 16);
            gate.open();
        });
        assert_eq!(OPERATION.len(), 16);
    });
}

#[test]
fn other_keys_do_not_wait_for_running_bodies_in_tasks() {
    static OPERATION: Operation = Operation::new("races.other_keys_in_tasks");
    let gate = Semaphore::new(0);
    let mut led: Vec<_> = (0..16u64)
        .map(|key| {
            let gate = &gate;
            Box::pin(OPERATION.call(&key).run_async(async move || {
                let _ = gate.acquire().await;
                key
            }))
        })
        .collect();
    led.iter_mut().for_each(pending);
    for key in 16..516u64 {
        assert_eq!(now(OPERATION.call(&key).run_async(async || key)).unwrap(), key);
        assert_eq!(now(OPERATION.call(&key).run_async(async || 0)).unwrap(), key);
    }
    gate.close();
    for (key, led) in (0..16u64).zip(&mut led) {
        assert_eq!(ready(led).unwrap(), key);
    }
}

#[test]
fn threads_and_tasks_wait_for_each_other_under_one_operation() {
    static OPERATION: Operation = Operation::new("races.mixed");
    on_many_threads(|| async {
        let bodies = Arc::new(AtomicU64::new(0));
        let alone = Arc::new(Alone::default());
        for round in 0..100u64 {
            let barrier = Arc::new(tokio::sync::Barrier::new(16));
            let mut callers = JoinSet::new();
            for caller in 0..16 {
                let (bodies, alone, barrier) = (bodies.clone(), alone.clone(), barrier.clone());
                callers.spawn(async move {
                    barrier.wait().await;
                    if caller % 2 == 0 {
                        let body = async move || {
                            let _body = alone.enter(round);
                            tokio::task::yield_now().await;
                            bodies.fetch_add(1, Ordering::SeqCst)
                        };
                        return OPERATION.call(&round).run_async(body).await.unwrap();
                    }
                    let body = move || {
                        let _body = alone.enter(round);
                        bodies.fetch_add(1, Ordering::SeqCst)
                    };
                    let thread = move || OPERATION.call(&round).run(body).unwrap();
                    tokio::task::spawn_blocking(thread).await.unwrap()
                });
            }
            assert_eq!(callers.join_all().await, [round; 16]);
        }
    });
}
