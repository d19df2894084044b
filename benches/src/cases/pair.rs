//! Two threads at once, on one key and on many.

use super::Walk;
use crate::measure::{Contender, Effort, Results, Turn, compete, repeat};
use crate::subjects::number::many;
use crate::subjects::peers;
use crate::table::{Budget, Table};
use std::collections::hash_map::RandomState;
use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

const DAY: &str = "replay, 24 h";
const SAME_SIZES: &str = "DashMap get, same sizes";
const CACHED_DAY: &str = "cached by key, 24 h";
const MOKA_DAY: &str = "moka get_with, 24 h";

pub(super) fn measure(effort: &Effort) -> Table {
    let mut table = Table::of_ratios(&format!("Replay, two threads on one u64 key and on {}", effort.keys));
    for (what, keys) in [("one key", 1), ("many keys", effort.keys)] {
        let results = over(effort, keys);
        let ours = format!("{DAY}, {what}");
        let mut compare = |peer, budget| {
            let nanos = (results.nanos(DAY), results.nanos(peer));
            table.ratio((&ours, nanos.0), (peer, nanos.1), results.ratio(DAY, peer), budget);
        };
        compare(SAME_SIZES, Budget::AtMost(1.25));
        compare(CACHED_DAY, Budget::Ahead);
        compare(MOKA_DAY, Budget::Ahead);
    }
    table
}

fn over(effort: &Effort, keys: u64) -> Results {
    let map = peers::wide_map::<RandomState>(keys);
    let moka = peers::moka_day();
    for id in 0..keys {
        many::day(id);
        many::cached_day(id);
        peers::moka(&moka, id);
    }
    // On one key there is nothing to walk through, and shorter turns do.
    let (rounds, calls) = if keys == 1 { (10, effort.keys / 10) } else { (1, keys) };
    compete(
        vec![
            both(DAY, keys, many::day),
            both(SAME_SIZES, keys, |id| peers::get_wide(&map, id)),
            both(CACHED_DAY, keys, many::cached_day),
            both(MOKA_DAY, keys, |id| peers::moka(&moka, id)),
        ],
        effort.heavy_rounds * rounds,
        Turn::Calls(calls),
    )
}

/// Two threads that make that many calls each, after the same turn untimed; the slower one counts.
fn both<'a>(name: &'static str, keys: u64, call: impl Fn(u64) -> u64 + Sync + 'a) -> Contender<'a> {
    Contender::timed(name, move |calls| {
        let ready = Barrier::new(2);
        let run = |from: u64| {
            let mut walk = Walk::over(keys).from(from);
            let mut turn = || {
                ready.wait();
                repeat(calls, &mut || call(black_box(walk.next())))
            };
            turn();
            turn()
        };
        thread::scope(|scope| {
            let other = scope.spawn(|| run(keys / 2));
            run(0).max(other.join().unwrap_or(Duration::MAX))
        })
    })
}
