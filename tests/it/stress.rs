//! Everything at once, with a detector of bodies that overlap.

use crate::support::{Alone, guarded, on_many_threads};
use idempotently::{Error, ErrorKind, Operation};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use tokio::task::JoinSet;

/// Cheap and the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[test]
fn threads_that_call_fail_panic_and_forget_never_run_two_bodies_of_one_key() {
    static OPERATION: Operation = Operation::new("stress.threads");
    static ALONE: LazyLock<Alone<u64>> = LazyLock::new(Alone::default);
    fn one(random: &mut Random) {
        let key = random.below(7);
        match random.below(20) {
            0 => drop(OPERATION.forget(&key)),
            1 if key == 0 => drop(OPERATION.clear()),
            choice => {
                let call = || {
                    OPERATION.call(&key).try_run(|| {
                        let _body = ALONE.enter(key);
                        for _ in 0..random.below(200) {
                            std::hint::spin_loop();
                        }
                        assert!(choice > 3, "on purpose");
                        if choice < 10 { Err(anyhow::anyhow!("no")) } else { Ok(key) }
                    })
                };
                if let Ok(Ok(value)) = catch_unwind(AssertUnwindSafe(call)) {
                    assert_eq!(value, key);
                }
            }
        }
    }
    guarded(|| {
        thread::scope(|scope| {
            for seed in 0..8 {
                scope.spawn(move || {
                    let mut random = Random(seed);
                    for _ in 0..8_000 {
                        one(&mut random);
                    }
                });
            }
        });
        OPERATION.clear();
        assert!(OPERATION.is_empty());
    });
}

/// One call of a random key, that may fail, panic, or be aborted half way.
async fn call(
    operation: &'static Operation,
    alone: Arc<Alone<u64>>,
    mut random: Random,
) -> Option<Result<u64, ErrorKind>> {
    let key = random.below(5);
    let (choice, pauses) = (random.below(20), random.below(6));
    let call = operation.call(&key).try_run_async(async move || {
        let _body = alone.enter(key);
        for _ in 0..pauses {
            tokio::task::yield_now().await;
        }
        if choice < 6 { operation.call("").try_run(|| Ok::<_, Error>(0)) } else { Ok(key) }
    });
    if choice % 5 == 0 {
        // It is dropped after two polls, wherever it stands.
        return futures_lite::future::or(async { Some(call.await) }, async {
            tokio::task::yield_now().await;
            None
        })
        .await
        .map(|outcome| outcome.map_err(|error| error.kind()));
    }
    if choice == 7 {
        operation.forget(&key);
    }
    Some(call.await.map_err(|error| error.kind()).inspect(|value| assert_eq!(*value, key)))
}

#[test]
fn tasks_that_call_fail_go_away_and_forget_never_run_two_bodies_of_one_key() {
    static OPERATION: Operation = Operation::new("stress.tasks");
    on_many_threads(|| async {
        let alone = Arc::new(Alone::default());
        let mut seen: HashMap<Option<Result<u64, ErrorKind>>, u32> = HashMap::new();
        for round in 0..40 {
            let mut tasks = JoinSet::new();
            for task in 0..1000 {
                tasks.spawn(call(&OPERATION, alone.clone(), Random(round * 1000 + task)));
            }
            for outcome in tasks.join_all().await {
                *seen.entry(outcome).or_default() += 1;
            }
            OPERATION.clear();
            assert!(OPERATION.is_empty());
        }
        assert!(seen.contains_key(&None) && seen.contains_key(&Some(Err(ErrorKind::InvalidKey))), "{seen:?}");
        assert!((0..5).all(|key| seen.contains_key(&Some(Ok(key)))), "{seen:?}");
    });
}

#[test]
fn no_answer_is_older_than_a_forgetting_before_the_call() {
    static OPERATION: Operation = Operation::new("stress.answers");
    guarded(|| {
        // Each forgetting has a number, which is announced before it and done after it.
        let (announced, done) = (AtomicU64::new(0), AtomicU64::new(0));
        let (bodies, over) = (AtomicU64::new(0), AtomicBool::new(false));
        let call = || {
            let before = done.load(Ordering::SeqCst);
            let answer = OPERATION.call("key").try_run(|| {
                bodies.fetch_add(1, Ordering::SeqCst);
                Ok::<_, Error>(announced.load(Ordering::SeqCst))
            });
            assert!(answer.unwrap() >= before, "an answer of a body that ran before the record was forgotten");
        };
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !over.load(Ordering::SeqCst) {
                        call();
                        thread::yield_now();
                    }
                });
            }
            scope.spawn(|| {
                while bodies.load(Ordering::SeqCst) < 5_000 {
                    announced.fetch_add(1, Ordering::SeqCst);
                    OPERATION.forget("key");
                    done.fetch_add(1, Ordering::SeqCst);
                    thread::yield_now();
                }
                over.store(true, Ordering::SeqCst);
            });
        });
        OPERATION.clear();
        assert!(OPERATION.is_empty());
    });
}
