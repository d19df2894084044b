//! Many numbers as keys, answered in an order that is none to the processor. Every turn has every key once, after the
//! same turn untimed: what the others left in the processor's caches is nobody's fault.

use super::Walk;
use crate::measure::{Contender, Effort, Turn, compete};
use crate::subjects::number::many;
use crate::subjects::peers;
use crate::table::{Budget, Table};
use std::collections::hash_map::RandomState;

const FOREVER: &str = "replay, forever";
const DAY: &str = "replay, 24 h";
const CACHED_FOREVER: &str = "cached by key";
const CACHED_DAY: &str = "cached by key, 24 h";
const MOKA_DAY: &str = "moka get_with, 24 h";
const SAME_SIZES: &str = "DashMap get, same sizes";
const SAME_HASH: &str = "the same with foldhash";

pub(super) fn measure(effort: &Effort) -> Table {
    let moka = peers::moka_day();
    let map = peers::wide_map::<RandomState>(effort.keys);
    let folded = peers::wide_map::<foldhash::fast::RandomState>(effort.keys);
    for id in 0..effort.keys {
        many::forever(id);
        many::day(id);
        many::cached_forever(id);
        many::cached_day(id);
        peers::moka(&moka, id);
    }
    let walk = Walk::over(effort.keys);
    let turns = |name, call: fn(u64) -> u64| {
        let mut walk = walk;
        Contender::warmed(name, move || call(walk.next()))
    };
    let mut walks = [walk; 3];
    let [first, second, third] = &mut walks;
    let results = compete(
        vec![
            turns(DAY, many::day),
            Contender::warmed(SAME_SIZES, || peers::get_wide(&map, first.next())),
            turns(CACHED_DAY, many::cached_day),
            Contender::warmed(MOKA_DAY, || peers::moka(&moka, second.next())),
            turns(FOREVER, many::forever),
            turns(CACHED_FOREVER, many::cached_forever),
            Contender::warmed(SAME_HASH, || peers::get_wide(&folded, third.next())),
        ],
        effort.heavy_rounds,
        Turn::Calls(effort.keys),
    );
    let mut table = Table::of_ratios(&format!("Replay, {} u64 keys", effort.keys));
    table.compare(&results, DAY, CACHED_DAY, Budget::Ahead);
    table.compare(&results, DAY, CACHED_FOREVER, Budget::Open);
    table.compare(&results, DAY, MOKA_DAY, Budget::Ahead);
    table.compare(&results, DAY, SAME_SIZES, Budget::AtMost(1.25));
    table.compare(&results, DAY, SAME_HASH, Budget::Open);
    table.compare(&results, FOREVER, SAME_SIZES, Budget::AtMost(1.25));
    table
}
