//! First calls: the body runs, and its outcome is recorded.
//!
//! *Growing*: every turn starts with nothing and fills it; both sides make their room as they go. Ours is an
//! `Operation` made for the turn, theirs is told to give its memory back before it. *With room*: every turn fills
//! what earlier turns have emptied. Emptying and giving back is outside the time that is measured, on both sides.

use crate::measure::{Contender, Effort, Results, Turn, compete};
use crate::subjects::fresh;
use crate::table::{Budget, Table};
use cached::Cached;
use idempotently::{Operation, Retention};
use std::hint::black_box;
use std::time::{Duration, Instant};

const FOREVER: &str = "first call, forever";
const DAY: &str = "first call, 24 h";
const CACHED_FOREVER: &str = "cached by key";
const CACHED_DAY: &str = "cached by key, 24 h";

pub(super) fn measure(effort: &Effort) -> Table {
    let mut table = Table::of_ratios(&format!("First call of a trivial body, {} u64 keys", effort.keys));
    for (how, results) in [("growing", growing(effort)), ("with room", with_room(effort))] {
        let mut compare = |one, other, budget| {
            let nanos = (results.nanos(one), results.nanos(other));
            let ours = format!("{one}, {how}");
            table.ratio((&ours, nanos.0), (other, nanos.1), results.ratio(one, other), budget);
        };
        compare(DAY, CACHED_DAY, Budget::AtMost(1.25));
        compare(DAY, CACHED_FOREVER, Budget::Open);
        compare(FOREVER, CACHED_FOREVER, Budget::Open);
    }
    table
}

fn growing(effort: &Effort) -> Results {
    compete(
        vec![
            Contender::timed(DAY, |calls| under_a_new_operation(calls, Retention::For(Duration::from_hours(24)))),
            Contender::timed(CACHED_DAY, |calls| {
                fresh::CACHED_DAY.write().cache_reset();
                all(calls, fresh::cached_day)
            }),
            Contender::timed(FOREVER, |calls| under_a_new_operation(calls, Retention::Forever)),
            Contender::timed(CACHED_FOREVER, |calls| {
                fresh::CACHED_FOREVER.write().cache_reset();
                all(calls, fresh::cached_forever)
            }),
        ],
        effort.heavy_rounds,
        Turn::Calls(effort.keys),
    )
}

fn with_room(effort: &Effort) -> Results {
    compete(
        vec![
            Contender::timed(DAY, |calls| {
                fresh::DAY.clear();
                all(calls, fresh::day)
            }),
            Contender::timed(CACHED_DAY, |calls| {
                fresh::CACHED_DAY.write().cache_clear();
                all(calls, fresh::cached_day)
            }),
            Contender::timed(FOREVER, |calls| {
                fresh::FOREVER.clear();
                all(calls, fresh::forever)
            }),
            Contender::timed(CACHED_FOREVER, |calls| {
                fresh::CACHED_FOREVER.write().cache_clear();
                all(calls, fresh::cached_forever)
            }),
        ],
        effort.heavy_rounds,
        Turn::Calls(effort.keys),
    )
}

fn under_a_new_operation(calls: u64, retention: Retention) -> Duration {
    let operation = Operation::new("benches.first").retention(retention);
    let took = all(calls, |id| fresh::under(&operation, id));
    assert_eq!(u64::try_from(operation.len()), Ok(calls), "every call must be a first one");
    took
}

fn all<T>(calls: u64, call: impl Fn(u64) -> T) -> Duration {
    let start = Instant::now();
    for id in 0..calls {
        black_box(call(black_box(id)));
    }
    start.elapsed()
}
