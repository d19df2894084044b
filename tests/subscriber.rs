//! A subscriber that panics ends no thread of the library's.

#![cfg(all(feature = "durable", feature = "tracing"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "durable/away.rs"]
#[expect(dead_code, reason = "not all of it is needed here")]
mod away;

use away::Away;
use futures_lite::future::{block_on, poll_once};
use idempotently::{Error, OnInterruption, Operation, SharedStore, blocking, current};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// It panics at every warning.
struct Panics;

impl Subscriber for Panics {
    fn enabled(&self, about: &Metadata<'_>) -> bool {
        about.is_event()
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        if *event.metadata().level() == Level::WARN {
            PANICS.fetch_add(1, Ordering::SeqCst);
            panic!("on purpose");
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn a_subscriber_that_panics_ends_no_lease_and_loses_no_outcome() {
    static CHARGE: Operation = Operation::new("subscriber.charge").interrupted(OnInterruption::Retry);
    static LEASED: Operation =
        Operation::new("subscriber.leased").interrupted(OnInterruption::Retry).lease(Duration::from_millis(900));
    tracing::subscriber::set_global_default(Panics).unwrap();
    let away = Away::new();
    let store = SharedStore::new(away.clone());
    // That it is late is found out by the thread that renews leases.
    let mut call = Box::pin(CHARGE.call(&1).store(&store).try_run_async(async || {
        away.falls_silent();
        Ok::<u8, Error>(1)
    }));
    assert!(block_on(poll_once(&mut call)).is_none());
    away.goes();
    drop(call);
    away.failures(1);
    let begun = Instant::now();
    while PANICS.load(Ordering::SeqCst) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "nothing was told");
        thread::sleep(Duration::from_millis(5));
    }
    away.comes_back();
    let lasts = LEASED.call(&1).store(&store).try_run(|| {
        // A lease that nobody renews is over after 900 ms; one that is renewed is there again and again after that.
        let begun = Instant::now();
        let is_held = || current().unwrap().check().is_ok();
        while begun.elapsed() < Duration::from_millis(1800) || !is_held() {
            assert!(begun.elapsed() < Duration::from_secs(20), "no lease is renewed any more");
            thread::sleep(Duration::from_millis(10));
        }
        Ok::<u8, Error>(2)
    });
    assert_eq!(lasts.unwrap(), 2);
    assert!(blocking::shutdown(Duration::from_secs(20)).is_complete());
    assert_eq!(CHARGE.call(&1).store(&store).try_run(|| Ok::<u8, Error>(3)).unwrap(), 1, "it is recorded");
}
