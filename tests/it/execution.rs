//! What a body sees of its own execution.

use crate::support::{on_one_thread, panic_of, pending, poke, ready};
use idempotently::{Error, Execution, Operation, current};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::thread;

/// What can be compared of an execution.
fn seen(execution: &Execution) -> (&'static str, u32, u64, String) {
    (execution.scope(), execution.attempt(), execution.token(), execution.downstream_key("bank"))
}

#[test]
fn there_is_none_outside_a_body_and_one_inside() {
    static OPERATION: Operation = Operation::new("execution.inside");
    assert!(current().is_none());
    let inside = OPERATION.call(&1).run(|| {
        let execution = current().unwrap();
        assert!(execution.check().is_ok());
        let elsewhere = thread::spawn(|| current().is_none()).join().unwrap();
        assert!(elsewhere, "a thread that the body starts is outside");
        seen(&execution)
    });
    let (scope, attempt, token, _) = inside.unwrap();
    assert_eq!((scope, attempt), ("execution.inside", 1));
    assert!(token > 0);
    assert!(current().is_none());
}

#[test]
fn the_innermost_one_is_seen_and_each_is_back_after_the_inner_one_ended() {
    static OUTER: Operation = Operation::new("execution.outer");
    static INNER: Operation = Operation::new("execution.inner");
    OUTER
        .call(&1)
        .run(|| {
            let before = seen(&current().unwrap());
            let inner = INNER.call(&1).run(|| seen(&current().unwrap())).unwrap();
            assert_eq!((before.0, inner.0), ("execution.outer", "execution.inner"));
            assert_ne!(before.2, inner.2);
            assert_eq!(seen(&current().unwrap()), before, "also with the same token");
        })
        .unwrap();
}

#[test]
fn it_is_the_same_across_await_and_does_not_leak_between_tasks() {
    static OPERATION: Operation = Operation::new("execution.across");
    on_one_thread(|| async {
        let call = |key: u32| {
            OPERATION.call(&key).run_async(async move || {
                let before = seen(&current().unwrap());
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                    assert_eq!(seen(&current().unwrap()), before);
                }
                before
            })
        };
        let outside = async {
            for _ in 0..10 {
                assert!(current().is_none());
                tokio::task::yield_now().await;
            }
        };
        let (one, two, ()) = tokio::join!(call(1), call(2), outside);
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_ne!(one.2, two.2);
        assert_ne!(one.3, two.3);
    });
}

#[test]
fn tokens_grow_and_downstream_keys_stay_from_attempt_to_attempt() {
    static OPERATION: Operation = Operation::new("execution.attempts");
    type Call = Pin<Box<dyn Future<Output = Result<u32, Error>>>>;
    fn call(seen_by: std::sync::mpsc::Sender<(&'static str, u32, u64, String)>) -> Call {
        let mut call: Call = Box::pin(OPERATION.call("order").run_async(async move || {
            let mut paused = false;
            poll_fn(|_| if std::mem::replace(&mut paused, true) { Poll::Ready(()) } else { Poll::Pending }).await;
            seen_by.send(seen(&current().unwrap())).unwrap();
            assert!(current().unwrap().attempt() == 5, "on purpose");
            5
        }));
        pending(&mut call);
        call
    }
    let (sender, receiver) = std::sync::mpsc::channel();
    let mut calls: Vec<_> = (0..5).map(|_| call(sender.clone())).collect();
    let mut last = calls.pop().unwrap();
    assert_eq!(panic_of(|| poke(&mut calls[0])), "on purpose");
    for next in calls.iter_mut().skip(1) {
        pending(next);
        assert_eq!(panic_of(|| poke(next)), "on purpose");
    }
    pending(&mut last);
    assert_eq!(ready(&mut last).unwrap(), 5);
    let attempts: Vec<_> = receiver.try_iter().collect();
    assert_eq!(attempts.iter().map(|seen| seen.1).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert!(attempts.is_sorted_by(|one, two| one.2 < two.2), "{attempts:?}");
    assert!(attempts.iter().all(|seen| seen.3 == attempts[0].3), "{attempts:?}");
}

#[test]
fn tokens_never_repeat_for_a_key_that_was_forgotten() {
    static OPERATION: Operation = Operation::new("execution.tokens");
    let mut last = 0;
    for _ in 0..100 {
        let token = OPERATION.call(&1).run(|| current().unwrap().token()).unwrap();
        assert!(token > last);
        last = token;
        OPERATION.forget(&1);
    }
}

#[test]
fn a_downstream_key_depends_on_system_scope_and_key_and_tells_none_of_them() {
    static ONE: Operation = Operation::new("execution.one");
    static TWO: Operation = Operation::new("execution.two");
    let of = |operation: &Operation, key: &str, system: &str| {
        operation.call(key).run(|| current().unwrap().downstream_key(system)).unwrap()
    };
    let keys = [of(&ONE, "a", "bank"), of(&ONE, "b", "bank"), of(&TWO, "a", "bank"), of(&ONE, "c", "mail")];
    for (number, key) in keys.iter().enumerate() {
        assert!(key.len() == 32 && key.bytes().all(|digit| b"0123456789abcdef".contains(&digit)), "{key}");
        assert!(!keys[..number].contains(key));
    }
    assert!(ONE.forget("a"));
    assert_eq!(of(&ONE, "a", "bank"), keys[0], "the same in a later execution");
    // What is before and after a boundary is told apart.
    assert_ne!(of(&ONE, "d", "xy"), of(&ONE, "e", "x"));
}

#[test]
fn it_is_not_shown_with_its_key() {
    static OPERATION: Operation = Operation::new("execution.shown");
    let shown = OPERATION.call("4111 1111 1111 1111").run(|| format!("{:?}", current())).unwrap();
    assert!(!shown.contains("4111") && shown.contains("execution.shown"), "{shown}");
}
