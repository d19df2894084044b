//! Calls as spans and as numbers, in process and durable, and no key in any of them.

#![cfg(all(feature = "tracing", feature = "metrics"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(feature = "durable")]
#[expect(dead_code, reason = "the tests of the end of a program need more of it")]
#[path = "../durable/away.rs"]
mod away;
mod watching;

use futures_lite::future::{block_on, poll_once, yield_now, zip};
use idempotently::{Error, ErrorKind, InFlight, Missing, Operation};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;
use watching::{SECRET, Seen, watch};

/// The outcomes of the calls, in the order in which they were answered.
fn outcomes(seen: &Seen) -> Vec<&str> {
    seen.calls.iter().map(|call| call.get("outcome")).collect()
}

#[test]
fn a_call_is_a_span_and_three_numbers() {
    static LIFT: Operation = Operation::new("watched.lift");
    let seen = watch(|| {
        for _ in 0..2 {
            LIFT.call(SECRET).run(|| 7).unwrap();
        }
    });
    assert_eq!(outcomes(&seen), ["executed", "replayed"]);
    let [first, second] = &seen.calls[..] else { panic!("{seen:?}") };
    assert_eq!((first.get("operation"), first.get("attempt")), ("watched.lift", "1"));
    assert_eq!(first.get("key"), second.get("key"));
    assert_eq!(first.get("key").len(), 8);
    assert!(first.get("waited").parse::<u64>().unwrap() < 60_000_000);
    assert_eq!(second.get("attempt"), "");
    for outcome in ["executed", "replayed"] {
        assert_eq!(seen.count("watched.lift", outcome), 1, "{outcome}");
        for name in ["idempotent_call_seconds", "idempotent_waited_seconds"] {
            let [seconds] = seen.histogram(name, "watched.lift", outcome)[..] else { panic!("{name} {outcome}") };
            assert!((0.0..60.0).contains(&seconds), "{name} {outcome}: {seconds}");
        }
    }
}

#[test]
fn a_body_runs_inside_the_span_of_its_call() {
    static OUTER: Operation = Operation::new("watched.outer");
    static INNER: Operation = Operation::new("watched.inner");
    let seen = watch(|| {
        OUTER.call(&1).run(|| INNER.call(&1).run(|| tracing::info!("sync")).unwrap()).unwrap();
        block_on(OUTER.call(&2).run_async(async || {
            yield_now().await;
            tracing::info!("async");
        }))
        .unwrap();
        tracing::info!("outside");
    });
    let inside = |message: &str| seen.event(message).inside.clone();
    assert_eq!(inside("sync"), ["watched.outer", "watched.inner"]);
    assert_eq!(inside("async"), ["watched.outer"]);
    assert!(inside("outside").is_empty());
}

#[test]
fn a_body_is_told_from_its_failure() {
    static WORK: Operation = Operation::new("watched.failing");
    let seen = watch(|| {
        let failing = || WORK.call(&1).try_run(|| Err::<u8, anyhow::Error>(anyhow::anyhow!("no")));
        assert!(failing().is_err());
        let panicking = || WORK.call(&1).run(|| -> u8 { panic!("on purpose") });
        assert!(catch_unwind(AssertUnwindSafe(panicking)).is_err());
        let later = block_on(WORK.call(&1).try_run_async(async || Err::<u8, anyhow::Error>(anyhow::anyhow!("no"))));
        assert!(later.is_err());
        let caught = AssertUnwindSafe(WORK.call(&1).run_async(async || -> u8 { panic!("on purpose") }));
        assert!(block_on(futures_lite::FutureExt::catch_unwind(caught)).is_err());
        let mut dropped = Box::pin(WORK.call(&1).run_async(async || std::future::pending::<u8>().await));
        assert!(block_on(poll_once(&mut dropped)).is_none());
    });
    assert_eq!(outcomes(&seen), ["failed", "failed", "failed", "failed", "abandoned"]);
    assert_eq!(seen.count("watched.failing", "failed"), 4);
}

#[test]
fn a_follower_joins_or_takes_over_and_says_how_long_it_waited() {
    static WORK: Operation = Operation::new("watched.following");
    let seen = watch(|| {
        block_on(async {
            let leader = WORK.call(&1).run_async(async || {
                yield_now().await;
                thread::sleep(Duration::from_millis(20));
                1
            });
            let (one, two) = zip(leader, WORK.call(&1).run_async(async || 2)).await;
            assert_eq!((one.unwrap(), two.unwrap()), (1, 1));

            let mut leader = Box::pin(WORK.call(&2).run_async(async || std::future::pending::<i32>().await));
            assert!(poll_once(&mut leader).await.is_none());
            let mut follower = pin!(WORK.call(&2).run_async(async || 2));
            assert!(poll_once(&mut follower).await.is_none());
            drop(leader);
            assert_eq!(follower.await.unwrap(), 2);
        });
    });
    assert_eq!(outcomes(&seen), ["executed", "joined", "abandoned", "executed"]);
    assert!(seen.calls[1].get("waited").parse::<u64>().unwrap() >= 20_000, "{seen:?}");
    assert_eq!(seen.calls[3].get("attempt"), "2");
}

#[test]
fn a_refusal_says_its_kind() {
    static WORK: Operation = Operation::new("watched.refusing").in_flight(InFlight::Reject);
    let seen = watch(|| {
        let refused = |print: u8| WORK.call(SECRET).fingerprint(&print).run(|| 1).unwrap_err().kind();
        WORK.call(SECRET)
            .fingerprint(&1)
            .run(|| {
                let (done, is_done) = channel();
                let dispatch = tracing::dispatcher::get_default(Clone::clone);
                thread::scope(|scope| {
                    scope.spawn(move || {
                        let kinds = tracing::dispatcher::with_default(&dispatch, || (refused(1), refused(2)));
                        done.send(kinds).unwrap();
                    });
                });
                assert_eq!(is_done.recv().unwrap(), (ErrorKind::InFlight, ErrorKind::KeyReused));
                1
            })
            .unwrap();
        let missing: Option<&str> = None;
        let error = WORK.call_optional(&missing, Missing::Reject).fingerprint(&1).run(|| 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MissingKey);
        assert_eq!(WORK.call_optional(&missing, Missing::Run).fingerprint(&1).run(|| 2).unwrap(), 2);
    });
    let told: Vec<_> = seen.calls.iter().map(|call| (call.get("outcome"), call.get("error"))).collect();
    let expected = [
        ("rejected", "InFlight"),
        ("mismatched", "KeyReused"),
        ("executed", ""),
        ("rejected", "MissingKey"),
        ("unprotected", ""),
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_panics_instead_of_refusing_is_told_too() {
    static ONE: Operation = Operation::new("watched.twice");
    static TWO: Operation = Operation::new("watched.twice");
    let seen = watch(|| {
        ONE.call(&1).run(|| 1).unwrap();
        let error: Error = TWO.call(&1).run(|| 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misdeclared);
        #[cfg(feature = "macros")]
        {
            #[idempotently::idempotent(key = key)]
            fn infallible(key: &str) -> usize {
                key.len()
            }
            assert!(catch_unwind(|| infallible("")).is_err());
        }
    });
    let expected: &[&str] =
        if cfg!(feature = "macros") { &["executed", "failed", "rejected"] } else { &["executed", "failed"] };
    assert_eq!(outcomes(&seen), expected);
}

#[test]
fn nobody_who_listens_is_needed() {
    static WORK: Operation = Operation::new("watched.by_nobody");
    assert_eq!(WORK.call(&1).run(|| 1).unwrap(), 1);
}

#[cfg(feature = "tokio")]
mod detached {
    use super::{Seen, outcomes, watch};
    use idempotently::Operation;
    use std::future::pending;
    use std::sync::Arc;
    use tokio::sync::Notify;

    fn on_one_thread<F: Future>(body: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(body)
    }

    #[test]
    fn a_detached_call_is_answered_when_its_body_is() {
        static WORK: Operation = Operation::new("watched.detached");
        let seen: Seen = watch(|| {
            on_one_thread(async {
                let (go, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
                let (gate, over) = (go.clone(), done.clone());
                let mut call = Box::pin(WORK.call(&1).run_detached(async move || {
                    gate.notified().await;
                    tracing::info!("detached");
                    over.notify_one();
                    1
                }));
                assert!(futures_lite::future::poll_once(&mut call).await.is_none());
                drop(call);
                go.notify_one();
                done.notified().await;
                tokio::task::yield_now().await;
                assert_eq!(WORK.call(&1).run_detached(async || 2).await.unwrap(), 1);
                let failing = WORK.call(&2).run_detached(async || -> i32 { panic!("on purpose") });
                assert!(tokio::spawn(failing).await.is_err());
                let mut left = Box::pin(WORK.call(&3).run_detached(async || pending::<i32>().await));
                assert!(futures_lite::future::poll_once(&mut left).await.is_none());
            });
        });
        assert_eq!(seen.event("detached").inside, ["watched.detached"]);
        assert_eq!(outcomes(&seen), ["executed", "replayed", "failed", "abandoned"]);
    }
}

#[cfg(feature = "durable")]
mod durable {
    use super::away::Away;
    use super::watching::{SECRET, Seen, Watcher, watch};
    use super::{Duration, channel, outcomes, thread, yield_now};
    use futures_lite::future::{block_on, poll_once};
    use idempotently::backend::memory::MemoryStore;
    use idempotently::{Error, ErrorKind, OnInterruption, Operation, SharedStore};
    use std::error::Error as _;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::Instant;

    const FAIL: OnInterruption = OnInterruption::Fail;

    #[test]
    fn durable_calls_are_told_alike() {
        static CHARGE: Operation = Operation::new("watched.durable").interrupted(FAIL);
        let seen = watch(|| {
            let memory = MemoryStore::new();
            let (store, other) = (SharedStore::new(memory.clone()), SharedStore::new(memory));
            let charge = |store: &SharedStore| {
                CHARGE.call(SECRET).store(store).try_run(|| {
                    tracing::info!("durable");
                    Ok::<u8, Error>(1)
                })
            };
            charge(&store).unwrap();
            charge(&other).unwrap();
            let failing = CHARGE.call(&2).store(&store).try_run(|| Err::<u8, anyhow::Error>(anyhow::anyhow!("no")));
            assert!(failing.is_err());
            block_on(CHARGE.call(&3).store(&store).try_run_async(async || {
                yield_now().await;
                tracing::info!("durable async");
                Ok::<u8, Error>(1)
            }))
            .unwrap();
            let mut dropped = Box::pin(CHARGE.call(&4).store(&store).try_run_async(async || {
                std::future::pending::<()>().await;
                Ok::<u8, Error>(1)
            }));
            assert!(block_on(poll_once(&mut dropped)).is_none());
            drop(dropped);
            let again = CHARGE.call(&4).store(&store).try_run(|| Ok::<u8, Error>(1));
            assert_eq!(again.unwrap_err().kind(), ErrorKind::Interrupted);
            let panicking = || CHARGE.call(&5).store(&store).try_run(|| -> Result<u8, Error> { panic!("on purpose") });
            assert!(catch_unwind(AssertUnwindSafe(panicking)).is_err());
        });
        assert_eq!(
            outcomes(&seen),
            ["executed", "replayed", "failed", "executed", "abandoned", "interrupted", "failed"]
        );
        assert_eq!(seen.event("durable").inside, ["watched.durable"]);
        assert_eq!(seen.event("durable async").inside, ["watched.durable"]);
        assert_eq!(seen.calls[5].get("error"), "Interrupted");
    }

    #[test]
    fn a_store_that_is_away_is_told_once_for_each_outcome() {
        static CHARGE: Operation = Operation::new("watched.unrecorded").interrupted(FAIL);
        let seen = watch(|| {
            let away = Away::new();
            let store = SharedStore::new(away.clone());
            let charge = |key: &str| {
                CHARGE.call(key).store(&store).try_run(|| {
                    away.goes();
                    Ok::<u8, Error>(1)
                })
            };
            assert_eq!(charge(SECRET).unwrap(), 1);
            // The late outcome is tried again and fails again: that is no news.
            away.failures(2);
            assert_eq!(
                CHARGE.call(&2).store(&store).try_run(|| Ok::<u8, Error>(1)).unwrap_err().kind(),
                ErrorKind::Store
            );
            assert_eq!(store.unrecorded(), 1);
            away.comes_back();
            assert_eq!(idempotently::blocking::shutdown(Duration::from_secs(20)).unrecorded, 0);
            assert_eq!(charge(SECRET).unwrap(), 1);
        });
        assert_eq!(outcomes(&seen), ["unrecorded", "failed", "replayed"]);
        assert_eq!(seen.count("watched.unrecorded", "unrecorded"), 1);
        let told: Vec<_> = seen.events.iter().filter(|event| event.target == "idempotently").collect();
        let [event, refused] = told[..] else { panic!("{told:?}") };
        assert_eq!(refused.fields.get("error").map(String::as_str), Some("Store"));
        assert_eq!(event.level, "WARN");
        assert_eq!(event.fields.get("operation").map(String::as_str), Some("watched.unrecorded"));
        assert_eq!(event.fields.get("key").map(String::as_str), Some(seen.calls[0].get("key")));
    }

    /// The events of the library, and what they say in one field.
    fn told<'a>(seen: &'a Seen, field: &str) -> Vec<(&'a str, &'a str)> {
        let events = seen.events.iter().filter(|event| event.target == "idempotently");
        events.map(|event| (&*event.level, event.fields.get(field).map_or("", String::as_str))).collect()
    }

    #[test]
    fn why_a_call_is_refused_is_said_once_in_a_while() {
        static CHARGE: Operation = Operation::new("watched.refused").interrupted(FAIL);
        static OTHER: Operation = Operation::new("watched.refused.other").interrupted(FAIL);
        let seen = watch(|| {
            let away = Away::new();
            away.goes();
            let store = SharedStore::new(away);
            let call = |operation: &'static Operation| {
                let refused = operation.call(SECRET).store(&store).try_run(|| Ok::<u8, Error>(1)).unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::Store);
            };
            for _ in 0..50 {
                call(&CHARGE);
            }
            call(&OTHER);
        });
        assert_eq!(told(&seen, "operation"), [("WARN", "watched.refused"), ("WARN", "watched.refused.other")]);
        assert_eq!(told(&seen, "cause"), [("WARN", "away"), ("WARN", "away")]);
        assert_eq!(told(&seen, "error"), [("WARN", "Store"), ("WARN", "Store")]);
        assert_eq!(told(&seen, "withheld"), [("WARN", "0"), ("WARN", "0")]);
    }

    #[test]
    fn a_record_that_cannot_be_read_is_told_and_not_quoted() {
        static CHARGE: Operation = Operation::new("watched.unreadable").interrupted(FAIL);
        let seen = watch(|| {
            let memory = MemoryStore::new();
            let (store, other) = (SharedStore::new(memory.clone()), SharedStore::new(memory));
            CHARGE.call(&1).store(&store).try_run(|| Ok::<_, Error>(SECRET.to_owned())).unwrap();
            // The next version of the program returns a number.
            let next = Operation::new("watched.unreadable");
            let refused = thread::spawn(move || {
                let test = idempotently::testing::isolate();
                let subscriber = tracing::Dispatch::new(Watcher::default());
                let error = tracing::dispatcher::with_default(&subscriber, || {
                    next.call(&1).store(&other).try_run(|| Ok::<u64, Error>(1)).unwrap_err()
                });
                drop(test);
                error
            });
            let error = refused.join().unwrap();
            assert_eq!(error.kind(), ErrorKind::Codec);
            tracing::warn!("{error} {error:?} {}", error.source().unwrap().source().unwrap());
        });
        assert_eq!(outcomes(&seen), ["executed"]);
    }

    #[test]
    fn an_outcome_that_is_not_kept_is_told() {
        static CHARGE: Operation = Operation::new("watched.unkept").interrupted(FAIL);
        let seen = watch(|| {
            let store = SharedStore::new(MemoryStore::new());
            let call = || CHARGE.call(SECRET).store(&store).try_run(|| Ok::<_, Error>(Some(())));
            assert_eq!(call().unwrap(), Some(()));
            assert_eq!(call().unwrap_err().kind(), ErrorKind::OutcomeLost);
        });
        assert_eq!(outcomes(&seen), ["executed", "failed"]);
        assert_eq!(told(&seen, "operation"), [("WARN", "watched.unkept")]);
        assert!(told(&seen, "error")[0].1.contains("JSON does not bring it back"), "{seen:?}");
    }

    #[test]
    fn a_call_that_waits_for_another_process_says_so() {
        static CHARGE: Operation = Operation::new("watched.waits").interrupted(FAIL);
        let memory = MemoryStore::new();
        let (here, there) = (SharedStore::new(memory.clone()), SharedStore::new(memory));
        let (watcher, (end, ended)) = (Watcher::default(), channel());
        let (begun, has_begun) = channel();
        let leader = thread::spawn(move || {
            CHARGE.call(SECRET).store(&there).try_run(|| {
                begun.send(()).unwrap();
                ended.recv().unwrap();
                Ok::<u8, Error>(1)
            })
        });
        has_begun.recv().unwrap();
        let subscriber = tracing::Dispatch::new(watcher.clone());
        let follower = thread::spawn(move || {
            tracing::dispatcher::with_default(&subscriber, || {
                CHARGE.call(SECRET).store(&here).try_run(|| Ok::<u8, Error>(2))
            })
        });
        let (mut seen, limit) = (Seen::default(), Instant::now() + Duration::from_mins(1));
        while told(&seen, "operation").is_empty() {
            assert!(Instant::now() < limit, "nothing is said");
            thread::yield_now();
            seen = watcher.seen();
        }
        assert_eq!(told(&seen, "operation"), [("INFO", "watched.waits")]);
        let at_most: u64 = told(&seen, "at_most")[0].1.parse().unwrap();
        assert!(at_most < 30, "what is left of the lease: {at_most}");
        end.send(()).unwrap();
        assert_eq!((leader.join().unwrap().unwrap(), follower.join().unwrap().unwrap()), (1, 1));
        assert_eq!(told(&watcher.seen(), "operation"), [], "it is said once");
    }

    #[cfg(feature = "tokio")]
    #[test]
    fn a_detached_durable_call_is_answered_when_its_outcome_is_recorded() {
        static CHARGE: Operation = Operation::new("watched.durable.detached").interrupted(FAIL);
        let seen = watch(|| {
            let store = SharedStore::new(MemoryStore::new());
            tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
                let call = || {
                    CHARGE.call(SECRET).store(&store).try_run_detached(async || {
                        tokio::task::yield_now().await;
                        tracing::info!("on its own");
                        Ok::<u8, Error>(1)
                    })
                };
                let mut gone = Box::pin(call());
                assert!(poll_once(&mut gone).await.is_none());
                drop(gone);
                assert!(idempotently::shutdown(Duration::from_secs(20)).await.bodies == 0);
                assert_eq!(call().await.unwrap(), 1);
            });
        });
        assert_eq!(outcomes(&seen), ["executed", "replayed"]);
        assert_eq!(seen.event("on its own").inside, ["watched.durable.detached"]);
    }
}
