//! One text as a key, and a shared text as the outcome.

use crate::measure::{Contender, Effort, Results, Turn, compete};
use crate::subjects::{peers, text};
use crate::table::{Budget, Table};
use std::hint::black_box;
use std::sync::Arc;

/// Lengths on both sides of what fits into three machine words.
const KEYS: [(&str, &str); 2] =
    [("11 bytes", "order-12345"), ("36 bytes (a UUID)", "0b7ff4f8-2f5c-4f0e-9a55-3f6f9d1f7c11")];

const FOREVER: &str = "replay, forever";
const DAY: &str = "replay, 24 h";
const QUICK_CACHE: &str = "quick_cache get";
const QUICK_CACHE_AND_CLOCK: &str = "quick_cache get and coarse clock";
const CACHED_DAY: &str = "cached by key, 24 h";
const MOKA_DAY: &str = "moka get_with_by_ref, 24 h";

pub(super) fn measure(effort: &Effort) -> Table {
    let mut table = Table::of_ratios("Replay, one &str key, Arc<str> outcome");
    for (length, key) in KEYS {
        let results = of_key(effort, key);
        let mut compare = |ours, peer, budget| {
            let (name, nanos) = (format!("{ours}, {length}"), (results.nanos(ours), results.nanos(peer)));
            table.ratio((&name, nanos.0), (peer, nanos.1), results.ratio(ours, peer), budget);
        };
        compare(FOREVER, QUICK_CACHE, Budget::AtMost(1.1));
        compare(DAY, QUICK_CACHE, Budget::AtMost(1.1));
        compare(DAY, QUICK_CACHE_AND_CLOCK, Budget::Open);
        compare(DAY, CACHED_DAY, Budget::Ahead);
        compare(DAY, MOKA_DAY, Budget::Ahead);
    }
    table
}

fn of_key(effort: &Effort, key: &str) -> Results {
    let quick = quick_cache::sync::Cache::new(1_000);
    quick.insert(key.to_owned(), Arc::from(key));
    let moka = peers::moka_text_day();
    compete(
        vec![
            Contender::repeated(FOREVER, || text::forever(black_box(key))),
            Contender::repeated(DAY, || text::day(black_box(key))),
            Contender::repeated(QUICK_CACHE, || text::quick_cache(&quick, black_box(key))),
            Contender::repeated(QUICK_CACHE_AND_CLOCK, || text::quick_cache_and_clock(&quick, black_box(key))),
            Contender::repeated(CACHED_DAY, || text::cached_day(black_box(key))),
            Contender::repeated(MOKA_DAY, || text::moka(&moka, black_box(key))),
        ],
        effort.rounds,
        Turn::Lasting(effort.turn),
    )
}
