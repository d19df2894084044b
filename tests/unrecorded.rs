//! An outcome that the store did not take is an event, once, whichever thread finds it out.

#![cfg(all(feature = "durable", feature = "tracing", feature = "metrics"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "durable/away.rs"]
mod away;
#[expect(dead_code, reason = "this test looks at events only")]
#[path = "observability/watching.rs"]
mod watching;

use away::Away;
use futures_lite::future::{block_on, poll_once};
use idempotently::{Error, OnInterruption, Operation, SharedStore, blocking};
use std::time::Duration;
use watching::{SECRET, Watcher};

static CHARGE: Operation = Operation::new("unrecorded.charge").interrupted(OnInterruption::Retry);

#[test]
fn each_outcome_that_is_late_is_one_event() {
    let watcher = Watcher::default();
    tracing::subscriber::set_global_default(watcher.clone()).unwrap();
    let events = || {
        let events = watcher.seen().events;
        let late = events.iter().filter(|event| event.level == "WARN" && event.target == "idempotently");
        late.map(|event| event.fields["operation"].clone()).collect::<Vec<_>>()
    };
    let away = Away::new();
    let store = SharedStore::new(away.clone());
    let call = CHARGE.call(SECRET).store(&store).try_run(|| {
        away.goes();
        Ok::<u8, Error>(1)
    });
    assert_eq!(call.unwrap(), 1);
    away.failures(3);
    assert_eq!(events(), ["unrecorded.charge"], "found out by the caller, and tried twice more");
    away.comes_back();
    assert!(blocking::shutdown(Duration::from_secs(20)).is_complete());

    let mut call = Box::pin(CHARGE.call("other").store(&store).try_run_async(async || {
        away.falls_silent();
        Ok::<u8, Error>(1)
    }));
    assert!(block_on(poll_once(&mut call)).is_none());
    away.goes();
    drop(call);
    away.failures(5);
    assert_eq!(events(), ["unrecorded.charge"], "found out by the thread that tries again, twice");
    away.comes_back();
    assert!(blocking::shutdown(Duration::from_secs(20)).is_complete());
    assert_eq!(events(), [] as [String; 0]);

    away.keeps_releases();
    let call = CHARGE.call("failing").store(&store).try_run(|| Err::<u8, _>(anyhow::anyhow!("declined")));
    assert_eq!(call.unwrap_err().to_string(), "declined");
    let told = watcher.seen().events;
    let told: Vec<_> =
        told.iter().filter(|event| event.level == "WARN").map(|event| &event.fields["outcome"]).collect();
    assert_eq!(told, ["unreleased"], "the key is not given back, and its caller does not wait for that");
    away.comes_back();
    assert!(blocking::shutdown(Duration::from_secs(20)).is_complete());
}
