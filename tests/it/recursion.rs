//! Calls from inside the execution that they would have to wait for.

use crate::support::{guarded, now, on_one_thread, panic_of, pending, poke, ready};
use idempotently::{Error, ErrorKind, InFlight, Operation, current};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};

fn kind<T>(outcome: Result<T, Error>) -> ErrorKind {
    outcome.err().unwrap().kind()
}

#[test]
fn a_blocking_call_of_its_own_key_is_refused_at_once() {
    static OPERATION: Operation = Operation::new("recursion.blocking");
    guarded(|| {
        let outer = OPERATION.call("key").run(|| {
            assert_eq!(kind(OPERATION.call("key").run(|| 0)), ErrorKind::Reentrant);
            7
        });
        assert_eq!(outer.unwrap(), 7);
        assert_eq!(OPERATION.call("key").run(|| 0).unwrap(), 7);
        assert!(current().is_none());
    });
}

#[test]
fn an_awaited_call_of_its_own_key_is_refused_at_once() {
    static OPERATION: Operation = Operation::new("recursion.awaited");
    on_one_thread(|| async {
        let outer = OPERATION.call("key").run_async(async || {
            tokio::task::yield_now().await;
            let inner: Pin<Box<dyn Future<Output = Result<u32, Error>>>> =
                Box::pin(OPERATION.call("key").run_async(async || 0));
            assert_eq!(kind(inner.await), ErrorKind::Reentrant);
            7u32
        });
        assert_eq!(outer.await.unwrap(), 7);
    });
}

#[test]
fn it_is_seen_through_another_operation() {
    static OUTER: Operation = Operation::new("recursion.outer");
    static INNER: Operation = Operation::new("recursion.inner");
    guarded(|| {
        let outcome = OUTER
            .call(&(1, "a"))
            .run(|| INNER.call(&(1, "a")).run(|| kind(OUTER.call(&(1, "a")).run(|| ErrorKind::Full))).unwrap());
        assert_eq!(outcome.unwrap(), ErrorKind::Reentrant);
        assert_eq!((OUTER.len(), INNER.len()), (1, 1));
    });
}

#[test]
fn it_is_seen_through_another_awaited_operation() {
    static OUTER: Operation = Operation::new("recursion.outer_awaited");
    static INNER: Operation = Operation::new("recursion.inner_awaited");
    on_one_thread(|| async {
        let outer = OUTER.call(&1).run_async(async || {
            let inner = INNER.call(&1).run_async(async || {
                tokio::task::yield_now().await;
                let again: Pin<Box<dyn Future<Output = Result<ErrorKind, Error>>>> =
                    Box::pin(OUTER.call(&1).run_async(async || ErrorKind::Full));
                kind(again.await)
            });
            inner.await.unwrap()
        });
        assert_eq!(outer.await.unwrap(), ErrorKind::Reentrant);
    });
}

#[test]
fn a_blocking_call_inside_an_awaited_body_is_seen() {
    static OPERATION: Operation = Operation::new("recursion.mixed");
    on_one_thread(|| async {
        let outer = OPERATION.call(&1).try_run_async(async || {
            tokio::task::yield_now().await;
            let inner = OPERATION.call(&1).try_run(|| Ok::<_, Error>(ErrorKind::Full));
            Ok::<_, Error>(kind(inner))
        });
        assert_eq!(outer.await.unwrap(), ErrorKind::Reentrant);
    });
}

#[test]
fn recursion_with_other_keys_works() {
    static OPERATION: Operation = Operation::new("recursion.other_keys");
    static BODIES: AtomicU32 = AtomicU32::new(0);
    fn fibonacci(n: u64) -> Result<u64, Error> {
        OPERATION.call(&n).try_run(|| {
            BODIES.fetch_add(1, Ordering::SeqCst);
            if n < 2 { Ok(n) } else { Ok(fibonacci(n - 1)? + fibonacci(n - 2)?) }
        })
    }
    assert_eq!(fibonacci(60).unwrap(), 1_548_008_755_920);
    assert_eq!(BODIES.load(Ordering::SeqCst), 61);
}

#[test]
fn awaited_recursion_with_other_keys_works() {
    static OPERATION: Operation = Operation::new("recursion.other_keys_awaited");
    fn sum(n: u64) -> Pin<Box<dyn Future<Output = Result<u64, Error>> + Send>> {
        Box::pin(OPERATION.call(&n).try_run_async(async move || {
            tokio::task::yield_now().await;
            if n == 0 { Ok(0) } else { Ok(n + sum(n - 1).await?) }
        }))
    }
    on_one_thread(|| async { assert_eq!(sum(100).await.unwrap(), 5050) });
}

#[test]
fn the_same_key_of_another_operation_is_no_recursion() {
    static ONE: Operation = Operation::new("recursion.one");
    static TWO: Operation = Operation::new("recursion.two");
    assert_eq!(ONE.call(&1).run(|| TWO.call(&1).run(|| 2).unwrap()).unwrap(), 2);
}

#[test]
fn two_calls_of_one_key_that_one_task_awaits_together_are_no_recursion() {
    static OPERATION: Operation = Operation::new("recursion.join");
    on_one_thread(|| async {
        let call = |number: u32| {
            OPERATION.call(&1).run_async(async move || {
                tokio::task::yield_now().await;
                number
            })
        };
        let (one, two, three) = tokio::join!(call(1), call(2), call(3));
        assert_eq!((one.unwrap(), two.unwrap(), three.unwrap()), (1, 1, 1));
    });
}

#[test]
fn a_refusal_for_recursion_comes_before_every_other_answer_to_a_duplicate() {
    guarded(|| {
        static OPERATION: Operation = Operation::new("recursion.reject").in_flight(InFlight::Reject).capacity(1);
        let outer = OPERATION.call(&1).run(|| {
            let inner = kind(OPERATION.call(&1).run(|| ErrorKind::Full));
            assert!(OPERATION.forget(&1));
            assert_eq!(
                kind(OPERATION.call(&1).run(|| ErrorKind::Full)),
                ErrorKind::Reentrant,
                "forgotten, and still running"
            );
            inner
        });
        assert_eq!(outer.unwrap(), ErrorKind::Reentrant);
    });
}

#[test]
fn a_follower_that_took_over_is_inside_too() {
    static OPERATION: Operation = Operation::new("recursion.follower");
    guarded(|| {
        let call = || {
            Box::pin(OPERATION.call(&1).try_run_async(async || {
                tokio::task::yield_now().await;
                Ok::<_, Error>(kind(OPERATION.call(&1).try_run(|| Ok::<_, Error>(ErrorKind::Full))))
            }))
        };
        let (mut leader, mut follower) = (call(), call());
        pending(&mut leader);
        pending(&mut follower);
        drop(leader);
        pending(&mut follower);
        assert_eq!(ready(&mut follower).unwrap(), ErrorKind::Reentrant);
    });
}

#[test]
fn a_panic_leaves_what_is_around_it_as_it_was() {
    guarded(|| {
        static OUTER: Operation = Operation::new("recursion.around");
        static INNER: Operation = Operation::new("recursion.panicking");
        let outer = OUTER.call(&1).run(|| {
            assert_eq!(panic_of(|| INNER.call(&1).run(|| panic!("on purpose") as u8)), "on purpose");
            assert_eq!(current().unwrap().scope(), "recursion.around");
            let mut awaited = Box::pin(INNER.call(&1).run_async(async || panic!("on purpose") as u8));
            assert_eq!(panic_of(|| poke(&mut awaited)), "on purpose");
            assert_eq!(current().unwrap().scope(), "recursion.around");
            kind(OUTER.call(&1).run(|| ErrorKind::Full))
        });
        assert_eq!(outer.unwrap(), ErrorKind::Reentrant);
        assert!(current().is_none());
        assert_eq!(now(INNER.call(&1).try_run_async(async || Ok::<_, Error>(1u8))).unwrap(), 1);
    });
}

/// Runs a closure when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn a_body_that_calls_its_own_key_while_it_is_dropped_is_refused() {
    static OPERATION: Operation = Operation::new("recursion.dropped");
    static SEEN: AtomicU32 = AtomicU32::new(0);
    guarded(|| {
        let mut call = Box::pin(OPERATION.call(&1).try_run_async(async || {
            let _undo = OnDrop(|| {
                assert_eq!(current().unwrap().scope(), "recursion.dropped");
                let again = OPERATION.call(&1).try_run(|| Ok::<_, Error>(0u32));
                assert_eq!(kind(again), ErrorKind::Reentrant);
                SEEN.fetch_add(1, Ordering::SeqCst);
            });
            std::future::pending::<Result<u32, Error>>().await
        }));
        pending(&mut call);
        drop(call);
        assert_eq!(SEEN.load(Ordering::SeqCst), 1);
        assert!(OPERATION.is_empty());
    });
}

#[test]
fn a_predicate_that_calls_its_own_key_is_refused() {
    static OPERATION: Operation = Operation::new("recursion.predicate");
    guarded(|| {
        let keeps = |_: &u32| kind(OPERATION.call(&1).run(|| 0u32)) == ErrorKind::Reentrant;
        assert_eq!(OPERATION.call(&1).run_if(keeps, || 1u32).unwrap(), 1);
        assert_eq!(OPERATION.len(), 1);
    });
}
