//! One number as a key of functions that are awaited, in a loop inside one task on one thread.

use crate::measure::{Contender, Effort, Turn, compete};
use crate::subjects::{awaited, peers};
use crate::table::{Budget, Table};
use futures_lite::future::block_on;
use std::hint::black_box;
use std::time::Instant;

const KEY: u64 = 42;

const FOREVER: &str = "async replay, forever";
const DAY: &str = "async replay, 24 h";
const CACHED_FOREVER: &str = "cached by key";
const CACHED_DAY: &str = "cached by key, 24 h";
const MOKA_FOREVER: &str = "moka get_with";
const MOKA_DAY: &str = "moka get_with, 24 h";

pub(super) fn measure(effort: &Effort) -> Table {
    let moka_forever = peers::moka_async_forever();
    let moka_day = peers::moka_async_day();
    let results = compete(
        vec![
            in_one_task(FOREVER, awaited::forever),
            in_one_task(DAY, awaited::day),
            in_one_task(CACHED_FOREVER, awaited::cached_forever),
            in_one_task(CACHED_DAY, awaited::cached_day),
            in_one_task(MOKA_FOREVER, |id| awaited::moka(&moka_forever, id)),
            in_one_task(MOKA_DAY, |id| awaited::moka(&moka_day, id)),
        ],
        effort.rounds,
        Turn::Lasting(effort.turn),
    );
    let mut table = Table::of_ratios("Async replay, one u64 key");
    table.compare(&results, FOREVER, CACHED_FOREVER, Budget::Ahead);
    for peer in [CACHED_FOREVER, CACHED_DAY, MOKA_FOREVER, MOKA_DAY] {
        table.compare(&results, DAY, peer, Budget::Ahead);
    }
    table
}

fn in_one_task<'a, F: Future<Output = u64>>(name: &'static str, call: impl Fn(u64) -> F + 'a) -> Contender<'a> {
    Contender::timed(name, move |calls| {
        block_on(async {
            let start = Instant::now();
            for _ in 0..calls {
                black_box(call(black_box(KEY)).await);
            }
            start.elapsed()
        })
    })
}
