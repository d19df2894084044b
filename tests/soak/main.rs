//! The layer under load for a minute: clients that hang up at any moment, handlers that fail, keys that come again with
//! another body. What it does is counted, and so is the memory of its process.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod clients;
mod connection;
mod ledger;
mod server;

use clients::{Load, Seen};
use ledger::Ledger;
use server::Server;
use std::time::Duration;

/// After so long everything is made that is made once: the memory is compared with what there is then.
const WARM_UP: Duration = Duration::from_secs(10);
/// How much more memory there may be at the end, in hundredths.
const MORE: u64 = 5;
/// As many KiB are noise: pages of code that run for the first time, and what the allocator keeps for later. A server this
/// small moves by a few hundred without end or trend.
const NOISE: u64 = 512;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_for_a_minute() {
    soak("sqlite", Duration::from_mins(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_for_half_a_minute() {
    soak("memory", Duration::from_secs(30)).await;
}

/// Loads a server for a while, then for the rest of the span. After both every record has expired and is purged.
async fn soak(store: &str, span: Duration) {
    let server = Server::start(store);
    let load = Load::new(server.address());
    load.run(WARM_UP).await;
    server.purge_all().await;
    let before = server.resident();
    load.run(span.saturating_sub(WARM_UP)).await;
    let records = server.purge_all().await;
    let after = server.resident();
    let seen = load.ended();
    let ledger = Ledger::read(&server.ledger());
    eprintln!("{store}: {before} KiB, then {after} KiB; {records} records; {seen:?}; {ledger:?}");
    enough(&seen, &ledger);
    assert_eq!(ledger.twice(), Vec::<&str>::new(), "keys with two effects in the time that their records are kept");
    ledger.check_answers(&seen.answers);
    assert!(ledger.late() > 0 || records == ledger.keys(), "{records} records were purged, {ledger:?}");
    let most = before * (100 + MORE) / 100 + NOISE;
    assert!(after <= most, "{before} KiB after {WARM_UP:?}, {after} KiB after {span:?}");
}

/// A test in which nothing happened shows nothing.
fn enough(seen: &Seen, ledger: &Ledger) {
    assert!(ledger.keys() > 500, "effects");
    for (what, count) in [
        ("first answers", seen.first),
        ("replays", seen.replayed),
        ("answers to another body", seen.reused),
        ("injected failures", seen.injected),
        ("resets after sending", seen.resets[0]),
        ("resets half way through the body", seen.resets[1]),
        ("resets before reading", seen.resets[2]),
    ] {
        assert!(count > 20, "{what}: {count}");
    }
}
