//! What records and replays cost in memory. Whoever asks brings the counting, because that takes an allocator.

use crate::subjects::{awaited, fresh, number::hot, peers, text};
use crate::table::{Budget, Table};
use cached::Cached;
use dashmap::DashMap;
use futures_lite::future::block_on;
use idempotently::{Operation, Retention, idempotent};
use std::hint::black_box;
use std::time::Duration;

/// What was allocated while something ran.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// How often.
    pub allocations: f64,
    /// The bytes that are still held.
    pub bytes: f64,
}

/// Runs something and counts.
pub type Count = fn(&mut dyn FnMut()) -> Counted;

/// The most bytes that a record may take.
const BUDGET: f64 = 160.0;

#[idempotent(key = (tenant, id))]
fn of_two(tenant: u32, id: &str) -> u64 {
    u64::from(tenant) + u64::from(id.is_empty())
}

/// How often a replay allocates.
pub fn allocations(count: Count) -> Table {
    let mut table = Table::new("Allocations of a replay", ["key", "allocations", "budget", ""]);
    let mut measure = |what: &str, replay: &mut dyn FnMut(), budget| {
        const CALLS: u32 = 100;
        // The first call runs the body.
        replay();
        let counted = count(&mut || (0..CALLS).for_each(|_| replay()));
        table.bound([what.to_owned()], counted.allocations / f64::from(CALLS), budget);
    };
    let (short, uuid, long) = ("order-12345", "0b7ff4f8-2f5c-4f0e-9a55-3f6f9d1f7c11", "k".repeat(250));
    let none = Budget::AtMost(0.0);
    measure("u64", &mut || seen(hot::day(black_box(42))), none);
    measure("u64, async", &mut || seen(block_on(awaited::day(black_box(42)))), none);
    measure("&str, 11 bytes", &mut || seen(text::day(black_box(short))), none);
    measure("&str, 36 bytes", &mut || seen(text::day(black_box(uuid))), none);
    measure("&str, 250 bytes", &mut || seen(text::day(black_box(&long))), none);
    measure("(u32, &str)", &mut || seen(of_two(7, black_box(short))), none);
    measure("cached by key, 24 h: &str, 11 bytes", &mut || seen(text::cached_day(black_box(short))), Budget::Open);
    table
}

/// How many bytes a record takes: with tables as full as they get, and just after they have grown.
pub fn bytes(count: Count, keys: u64) -> Table {
    let mut table = Table::new("Bytes a record, u64 to u64", ["what", "records", "bytes", "budget", ""]);
    for keys in [keys, keys * 6 / 10] {
        let mut measure = |what: &str, bytes: f64, budget| {
            table.bound([what.to_owned(), keys.to_string()], bytes / crate::measure::exact(keys), budget);
        };
        let day = Retention::For(Duration::from_hours(24));
        measure("24 h", of_operation(count, keys, day), Budget::AtMost(BUDGET));
        measure("forever", of_operation(count, keys, Retention::Forever), Budget::AtMost(BUDGET));
        fresh::CACHED_DAY.write().cache_reset();
        let cached = count(&mut || (0..keys).for_each(|id| seen(fresh::cached_day(id))));
        measure("cached by key, 24 h", cached.bytes, Budget::Open);
        measure("moka, 24 h", of_moka(count, keys), Budget::Open);
        measure("DashMap", of_map(count, keys), Budget::Open);
    }
    table
}

fn of_operation(count: Count, keys: u64, retention: Retention) -> f64 {
    let operation = Operation::new("benches.bytes").retention(retention);
    count(&mut || (0..keys).for_each(|id| seen(fresh::under(&operation, id)))).bytes
}

fn of_moka(count: Count, keys: u64) -> f64 {
    let mut kept = None;
    let counted = count(&mut || {
        let moka = kept.insert(peers::moka_day());
        (0..keys).for_each(|id| seen(peers::moka(moka, id)));
        moka.run_pending_tasks();
    });
    counted.bytes
}

fn of_map(count: Count, keys: u64) -> f64 {
    let map = DashMap::new();
    count(&mut || (0..keys).for_each(|id| seen(map.insert(id, id)))).bytes
}

fn seen<T>(outcome: T) {
    black_box(outcome);
}
