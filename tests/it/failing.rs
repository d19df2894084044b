//! Outcomes that are not kept.

use crate::support::{Alone, guarded, now, on_many_threads};
use idempotently::{Error, How, Operation, observe};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use tokio::task::JoinSet;

#[derive(Debug)]
enum Failure {
    Own(u32),
    Refused,
}

impl From<Error> for Failure {
    fn from(_: Error) -> Self {
        Self::Refused
    }
}

#[test]
fn an_error_is_not_kept_and_the_next_call_runs() {
    static OPERATION: Operation = Operation::new("failing.error");
    for number in 0..5 {
        let seen = observe(|| OPERATION.call(&1).try_run(|| Err::<u32, _>(Failure::Own(number))));
        assert!(matches!(seen.value, Err(Failure::Own(own)) if own == number));
        assert_eq!(seen.how, How::Executed);
        assert!(OPERATION.is_empty());
    }
    assert_eq!(OPERATION.call(&1).try_run(|| Ok::<_, Failure>(7u32)).unwrap(), 7);
    assert_eq!(OPERATION.call(&1).try_run(|| Err::<u32, _>(Failure::Own(0))).unwrap(), 7);
}

#[test]
fn what_the_predicate_does_not_accept_is_not_kept() {
    static OPERATION: Operation = Operation::new("failing.predicate");
    let call = |outcome: u32| OPERATION.call(&1).run_if(|outcome| *outcome > 10, || outcome).unwrap();
    assert_eq!((call(3), call(4), OPERATION.len()), (3, 4, 0));
    assert_eq!((call(11), call(4), OPERATION.len()), (11, 11, 1));
}

#[test]
fn threads_that_fail_take_turns() {
    static OPERATION: Operation = Operation::new("failing.threads");
    guarded(|| {
        for round in 0..100u32 {
            let (bodies, alone, barrier) = (AtomicU32::new(0), Alone::default(), Barrier::new(16));
            let fail = || {
                barrier.wait();
                OPERATION.call(&round).try_run(|| {
                    let _body = alone.enter(round);
                    Err::<u32, _>(Failure::Own(bodies.fetch_add(1, Ordering::SeqCst)))
                })
            };
            let mut own: Vec<u32> = thread::scope(|scope| {
                let threads: Vec<_> = (0..16).map(|_| scope.spawn(fail)).collect();
                threads
                    .into_iter()
                    .map(|thread| match thread.join().unwrap() {
                        Err(Failure::Own(own)) => own,
                        other => panic!("{other:?}"),
                    })
                    .collect()
            });
            own.sort_unstable();
            assert_eq!(own, (0..16).collect::<Vec<_>>(), "each caller has the error of its own body");
            assert!(OPERATION.is_empty());
        }
    });
}

#[test]
fn tasks_that_fail_take_turns_until_one_does_not() {
    static OPERATION: Operation = Operation::new("failing.tasks");
    on_many_threads(|| async {
        for round in 0..20u32 {
            let (bodies, alone) = (Arc::new(AtomicU32::new(0)), Arc::new(Alone::default()));
            let mut tasks = JoinSet::new();
            for _ in 0..200 {
                let (bodies, alone) = (bodies.clone(), alone.clone());
                tasks.spawn(OPERATION.call(&round).try_run_async(async move || {
                    let _body = alone.enter(round);
                    tokio::task::yield_now().await;
                    let number = bodies.fetch_add(1, Ordering::SeqCst);
                    if number < 150 { Err(Failure::Own(number)) } else { Ok(number) }
                }));
            }
            let outcomes = tasks.join_all().await;
            assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Ok(150))).count(), 50);
            assert_eq!(bodies.load(Ordering::SeqCst), 151);
        }
        assert_eq!(OPERATION.len(), 20);
    });
}

#[test]
fn an_error_type_needs_no_clone() {
    struct Sealed;
    impl From<Error> for Sealed {
        fn from(_: Error) -> Self {
            Self
        }
    }
    static OPERATION: Operation = Operation::new("failing.sealed");
    assert!(now(OPERATION.call(&1).try_run_async(async || Err::<u8, _>(Sealed))).is_err());
    assert!(now(OPERATION.call(&1).try_run_async(async || Ok::<u8, Sealed>(1))).is_ok());
}
