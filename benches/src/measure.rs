//! Interleaved measurement: everything that is compared takes short turns in one process, and only what was measured
//! within one round is divided by one another. A slow minute of the machine then slows both sides of a ratio.

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Rounds of short turns.
    pub rounds: usize,
    /// How long a short turn is: much shorter than what a scheduler gives a process at a time, so that few turns are
    /// interrupted.
    pub turn: Duration,
    /// Rounds of turns that each fill a table or wake a crowd.
    pub heavy_rounds: usize,
    /// How many keys a large table has.
    pub keys: u64,
    /// How many tasks wait for one key.
    pub tasks: u64,
}

impl Effort {
    /// What the figures are taken with.
    pub const FULL: Self =
        Self { rounds: 2_000, turn: Duration::from_micros(250), heavy_rounds: 40, keys: 100_000, tasks: 10_000 };

    /// Enough to see that every case works.
    pub const QUICK: Self =
        Self { rounds: 1, turn: Duration::from_micros(20), heavy_rounds: 1, keys: 1_000, tasks: 100 };
}

/// How many calls a turn makes.
#[derive(Clone, Copy, Debug)]
pub enum Turn {
    /// As many as take about this long.
    Lasting(Duration),
    /// This many.
    Calls(u64),
}

/// One of those that are compared.
pub struct Contender<'a> {
    name: &'static str,
    turn: Box<dyn FnMut(u64) -> Duration + 'a>,
}

impl<'a> Contender<'a> {
    /// One that makes that many calls and says how long they took.
    pub fn timed(name: &'static str, turn: impl FnMut(u64) -> Duration + 'a) -> Self {
        Self { name, turn: Box::new(turn) }
    }

    /// One that makes one call.
    pub fn repeated<T>(name: &'static str, mut call: impl FnMut() -> T + 'a) -> Self {
        Self::timed(name, move |calls| repeat(calls, &mut call))
    }

    /// One that makes one call, and makes all calls of a turn once before those that are timed: what the others left
    /// in the processor's caches is not its fault.
    pub fn warmed<T>(name: &'static str, mut call: impl FnMut() -> T + 'a) -> Self {
        Self::timed(name, move |calls| {
            repeat(calls, &mut call);
            repeat(calls, &mut call)
        })
    }

    /// How many calls take about `long`.
    fn calls_in(&mut self, long: Duration) -> u64 {
        let mut calls = 1;
        loop {
            // The shortest of some: a try that was interrupted says nothing.
            let took = (0..5).map(|_| (self.turn)(calls)).min().unwrap_or(long);
            if took * 2 >= long {
                let scale = long.as_secs_f64() / took.as_secs_f64();
                return whole(exact(calls) * scale).max(1);
            }
            calls *= 2;
        }
    }
}

/// Makes that many calls; how long they took.
#[inline]
pub(crate) fn repeat<T>(calls: u64, call: &mut impl FnMut() -> T) -> Duration {
    let start = Instant::now();
    for _ in 0..calls {
        black_box(call());
    }
    start.elapsed()
}

impl fmt::Debug for Contender<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contender").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What each contender's calls took, in nanoseconds, by round.
#[derive(Debug)]
pub struct Results(Vec<(&'static str, Vec<f64>)>);

/// Lets the contenders take turns. Each round begins with another one, and every second round goes backwards, so that
/// nobody always follows the same.
pub fn compete(mut contenders: Vec<Contender<'_>>, rounds: usize, turn: Turn) -> Results {
    let calls: Vec<u64> = contenders
        .iter_mut()
        .map(|contender| match turn {
            Turn::Lasting(long) => contender.calls_in(long),
            Turn::Calls(calls) => calls,
        })
        .collect();
    let mut nanos = vec![Vec::with_capacity(rounds); contenders.len()];
    for round in 0..rounds {
        for place in 0..contenders.len() {
            let place = if round % 2 == 0 { place } else { contenders.len() - 1 - place };
            let who = (place + round / 2) % contenders.len();
            let took = (contenders[who].turn)(calls[who]);
            nanos[who].push(took.as_secs_f64() * 1e9 / exact(calls[who]));
        }
    }
    Results(contenders.iter().map(|contender| contender.name).zip(nanos).collect())
}

impl Results {
    fn of(&self, name: &str) -> &[f64] {
        let found = self.0.iter().find(|(contender, _)| *contender == name);
        assert!(found.is_some(), "nobody called `{name}` was measured");
        found.map_or(&[], |(_, nanos)| nanos)
    }

    /// The nanoseconds of a call, in the middle of the rounds.
    pub fn nanos(&self, name: &str) -> f64 {
        Spread::of(self.of(name).to_vec()).median
    }

    /// How many times as long `one` took as `other`.
    pub fn ratio(&self, one: &str, other: &str) -> Spread {
        Spread::of(self.of(one).iter().zip(self.of(other)).map(|(one, other)| one / other).collect())
    }

    /// How much longer `one` took than `other`, in times of what `unit` took.
    pub fn added(&self, one: &str, other: &str, unit: &str) -> Spread {
        let sides = self.of(one).iter().zip(self.of(other));
        Spread::of(sides.zip(self.of(unit)).map(|((one, other), unit)| (one - other) / unit).collect())
    }
}

/// Where the values of the rounds lie.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    /// A tenth is below.
    pub low: f64,
    /// Half is below.
    pub median: f64,
    /// A tenth is above.
    pub high: f64,
}

impl Spread {
    /// Of at least one value.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |tenths: usize| values[((values.len() - 1) * tenths + 5) / 10];
        Self { low: at(1), median: at(5), high: at(9) }
    }
}

/// A count as a number to calculate with; counts here are far below 2⁵².
#[expect(clippy::cast_precision_loss, reason = "no count here needs more than 52 bits")]
pub(crate) fn exact(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "how many calls fit is small and positive")]
fn whole(number: f64) -> u64 {
    number as u64
}

#[cfg(test)]
mod tests {
    use super::{Contender, Spread, Turn, compete};
    use std::cell::RefCell;
    use std::time::Duration;

    #[test]
    fn nobody_always_follows_the_same() {
        let order = RefCell::new(String::new());
        let contender = |name: &'static str| {
            let order = &order;
            Contender::timed(name, move |calls| {
                order.borrow_mut().push_str(name);
                Duration::from_nanos(calls * 2)
            })
        };
        let results = compete(vec![contender("a"), contender("b"), contender("c")], 4, Turn::Calls(10));
        assert_eq!(order.into_inner(), "abccbabcaacb");
        assert!((results.nanos("b") - 2.0).abs() < 1e-6);
        assert!((results.ratio("a", "c").median - 1.0).abs() < 1e-6);
        assert!(results.added("a", "c", "b").median.abs() < 1e-6);
    }

    #[test]
    fn a_spread_is_read_from_sorted_values() {
        let spread = Spread::of((0..=100).rev().map(f64::from).collect());
        assert_eq!((spread.low, spread.median, spread.high), (10.0, 50.0, 90.0));
        let spread = Spread::of(vec![3.0, 1.0, 2.0]);
        assert_eq!((spread.low, spread.median, spread.high), (1.0, 2.0, 3.0));
    }
}
