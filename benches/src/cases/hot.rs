//! One number as a key, answered from its record again and again.

use crate::measure::{Contender, Effort, Turn, compete};
use crate::subjects::number::hot;
use crate::subjects::{body, peers};
use crate::table::{Budget, Table};
use dashmap::DashMap;
use std::hint::black_box;

const KEY: u64 = 42;

const FOREVER: &str = "replay, forever";
const DAY: &str = "replay, 24 h";
const GET: &str = "DashMap get";
const GET_AND_CLOCK: &str = "DashMap get and coarse clock";
const CACHED_FOREVER: &str = "cached by key";
const CACHED_DAY: &str = "cached by key, 24 h";
const MOKA_FOREVER: &str = "moka get_with";
const MOKA_DAY: &str = "moka get_with, 24 h";

pub(super) fn measure(effort: &Effort) -> Table {
    let map: DashMap<u64, u64> = [(KEY, body(KEY))].into_iter().collect();
    let moka_forever = peers::moka_forever();
    let moka_day = peers::moka_day();
    let results = compete(
        vec![
            Contender::repeated(FOREVER, || hot::forever(black_box(KEY))),
            Contender::repeated(GET, || peers::get(&map, black_box(KEY))),
            Contender::repeated(DAY, || hot::day(black_box(KEY))),
            Contender::repeated(GET_AND_CLOCK, || peers::get_and_clock(&map, black_box(KEY))),
            Contender::repeated(CACHED_FOREVER, || hot::cached_forever(black_box(KEY))),
            Contender::repeated(CACHED_DAY, || hot::cached_day(black_box(KEY))),
            Contender::repeated(MOKA_FOREVER, || peers::moka(&moka_forever, black_box(KEY))),
            Contender::repeated(MOKA_DAY, || peers::moka(&moka_day, black_box(KEY))),
        ],
        effort.rounds,
        Turn::Lasting(effort.turn),
    );
    let mut table = Table::of_ratios("Replay, one u64 key");
    table.compare(&results, FOREVER, GET, Budget::AtMost(1.5));
    table.compare(&results, DAY, GET_AND_CLOCK, Budget::AtMost(1.5));
    for peer in [CACHED_FOREVER, CACHED_DAY, MOKA_FOREVER, MOKA_DAY] {
        table.compare(&results, DAY, peer, Budget::Ahead);
    }
    table
}
