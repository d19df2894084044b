//! How a call was answered.

use crate::support::{guarded, now, on_many_threads, on_one_thread, panic_of, pending, ready};
use idempotently::{Error, How, InFlight, Missing, Operation, observe, observe_async};
use std::future::{pending as never, poll_fn};
use std::task::Poll;
use tokio::task::JoinSet;

/// Pending once.
async fn pause() {
    let mut paused = false;
    poll_fn(|_| if std::mem::replace(&mut paused, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

#[test]
fn a_blocking_call_is_executed_replayed_refused_or_unprotected() {
    static OPERATION: Operation = Operation::new("observing.blocking");
    let call = |key: &str| observe(|| OPERATION.call(key).run(|| 1u32).ok());
    assert_eq!((call("a").how, call("a").how, call("").how), (How::Executed, How::Replayed, How::Refused));
    assert_eq!((call("a").value, call("").value), (Some(1), None));
    let missing = |missing| observe(|| OPERATION.call_optional(&None::<&str>, missing).run(|| 1u32).ok());
    assert_eq!((missing(Missing::Run).how, missing(Missing::Reject).how), (How::Unprotected, How::Refused));
    let there = observe(|| OPERATION.call_optional(&Some("a"), Missing::Run).run(|| 1u32));
    assert_eq!(there.how, How::Replayed);
    assert_eq!(OPERATION.len(), 1);
}

#[test]
fn an_awaited_call_is_executed_replayed_joined_refused_or_unprotected() {
    static OPERATION: Operation = Operation::new("observing.awaited");
    let call = |key: &'static str| {
        Box::pin(observe_async(OPERATION.call(key).run_async(async || {
            pause().await;
            1u32
        })))
    };
    let (mut leader, mut follower) = (call("a"), call("a"));
    pending(&mut leader);
    pending(&mut follower);
    assert_eq!((ready(&mut leader).how, ready(&mut follower).how), (How::Executed, How::Joined));
    assert_eq!((ready(&mut call("a")).how, ready(&mut call("")).how), (How::Replayed, How::Refused));
    let missing =
        |missing| now(observe_async(OPERATION.call_optional(&None::<u32>, missing).run_async(async || 1u32))).how;
    assert_eq!((missing(Missing::Run), missing(Missing::Reject)), (How::Unprotected, How::Refused));
}

#[test]
fn a_follower_that_takes_over_has_executed() {
    static OPERATION: Operation = Operation::new("observing.seated");
    let leader = {
        let mut leader = Box::pin(OPERATION.call(&1).run_async(never::<u32>));
        pending(&mut leader);
        leader
    };
    let mut follower = Box::pin(observe_async(OPERATION.call(&1).run_async(async || 2u32)));
    pending(&mut follower);
    drop(leader);
    assert_eq!(ready(&mut follower).how, How::Executed);
}

#[test]
fn a_call_that_failed_has_executed() {
    static OPERATION: Operation = Operation::new("observing.failed");
    assert_eq!(observe(|| OPERATION.call(&1).try_run(|| Err::<u32, _>(anyhow::anyhow!("no")))).how, How::Executed);
}

#[test]
fn only_the_first_operation_is_looked_at() {
    static OUTER: Operation = Operation::new("observing.outer");
    static INNER: Operation = Operation::new("observing.inner");
    static AFTER: Operation = Operation::new("observing.after");
    AFTER.call(&1).run(|| ()).unwrap();
    INNER.call(&1).run(|| ()).unwrap();
    let seen = observe(|| {
        OUTER.call(&1).run(|| INNER.call(&1).run(|| ()).unwrap()).unwrap();
        AFTER.call(&1).run(|| ()).unwrap();
    });
    assert_eq!(seen.how, How::Executed);
    let seen = observe(|| {
        let replayed = OUTER.call(&1).run(|| ());
        AFTER.call(&2).run(|| ()).unwrap();
        replayed.unwrap();
    });
    assert_eq!(seen.how, How::Replayed);
}

#[test]
fn an_observer_inside_a_body_does_not_disturb_the_one_outside() {
    static OUTER: Operation = Operation::new("observing.nested_outer");
    static INNER: Operation = Operation::new("observing.nested_inner");
    for expected in [How::Executed, How::Replayed] {
        let seen = observe(|| {
            OUTER.call(&1).run(|| {
                assert_eq!(observe(|| INNER.call(&1).run(|| 1).unwrap()).how, How::Executed);
                assert_eq!(observe(|| INNER.call(&1).run(|| 1).unwrap()).how, How::Replayed);
            })
        });
        assert_eq!(seen.how, expected);
    }
    let twice = observe(|| observe(|| INNER.call(&1).run(|| 1).unwrap()).how);
    assert_eq!((twice.value, twice.how), (How::Replayed, How::Unprotected));
}

#[test]
fn what_calls_no_operation_is_unprotected() {
    assert_eq!(observe(|| 1).how, How::Unprotected);
    assert_eq!(now(observe_async(async { 1 })).how, How::Unprotected);
}

#[test]
fn tasks_that_take_turns_on_one_thread_do_not_see_each_others_answers() {
    static OPERATION: Operation = Operation::new("observing.turns");
    on_one_thread(|| async {
        for key in 0..20u32 {
            let call = move || async move {
                let seen = observe_async(async move {
                    pause().await;
                    tokio::task::yield_now().await;
                    let value = OPERATION.call(&key).run_async(async || tokio::task::yield_now().await).await;
                    tokio::task::yield_now().await;
                    OPERATION.call(&key).run_async(async || ()).await.unwrap();
                    value.unwrap();
                });
                seen.await.how
            };
            let unobserved = async move {
                for _ in 0..5 {
                    OPERATION.call(&(key + 1000)).run_async(async || ()).await.unwrap();
                    tokio::task::yield_now().await;
                }
            };
            let nothing = observe_async(async {
                for _ in 0..5 {
                    tokio::task::yield_now().await;
                }
            });
            let (one, (), two, nothing) = tokio::join!(call(), unobserved, call(), nothing);
            // Which of the two comes first is the runtime's affair.
            assert!(
                matches!((one, two), (How::Executed, How::Joined) | (How::Joined, How::Executed)),
                "{one:?} {two:?}"
            );
            assert_eq!(nothing.how, How::Unprotected);
        }
    });
}

#[test]
fn tasks_that_move_between_threads_keep_their_answers() {
    static OPERATION: Operation = Operation::new("observing.moves");
    on_many_threads(|| async {
        for key in 0..50u32 {
            let mut tasks = JoinSet::new();
            for _ in 0..16 {
                tasks.spawn(async move {
                    let call = OPERATION.call(&key).run_async(async || tokio::task::yield_now().await);
                    observe_async(call).await.how
                });
            }
            let seen = tasks.join_all().await;
            assert_eq!(seen.iter().filter(|how| **how == How::Executed).count(), 1, "{seen:?}");
            assert!(seen.iter().all(|how| matches!(how, How::Executed | How::Joined | How::Replayed)), "{seen:?}");
        }
    });
}

#[test]
fn a_panic_leaves_no_observer_behind() {
    static OPERATION: Operation = Operation::new("observing.panics");
    assert_eq!(panic_of(|| observe(|| OPERATION.call(&1).run(|| panic!("on purpose") as u8))), "on purpose");
    OPERATION.call(&1).run(|| 1u8).unwrap();
    assert_eq!(observe(|| 1).how, How::Unprotected);
    assert_eq!(observe(|| OPERATION.call(&1).run(|| 1u8)).how, How::Replayed);
}

#[test]
fn a_refused_duplicate_is_refused() {
    guarded(|| {
        static OPERATION: Operation = Operation::new("observing.refused").in_flight(InFlight::Reject);
        let seen = observe(|| {
            OPERATION.call(&1).try_run(|| {
                let inner = observe(|| OPERATION.call(&1).try_run(|| Ok::<_, Error>(1u8)));
                assert_eq!(inner.how, How::Refused);
                Ok::<_, Error>(1u8)
            })
        });
        assert_eq!(seen.how, How::Executed);
    });
}
