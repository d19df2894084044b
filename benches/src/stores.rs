//! The stores beside what they are made of: the same statements and scripts, on the same server or file, without the
//! library.

mod caller;
mod crowd;
mod folder;
#[cfg(feature = "http")]
mod http;
mod ours;
mod postgres;
mod redis;
mod sqlite;
mod transactions;

#[cfg(feature = "http")]
pub use http::{HTTP, without_wrk};
pub use transactions::TRANSACTIONS;

use crate::table::Table;
use std::fmt;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// A store: its name, and what measures it.
pub type Case = (&'static str, fn(&Effort) -> Vec<Table>);

/// All stores that others can be put beside.
pub const ALL: [Case; 3] = [("sqlite", sqlite::measure), ("postgres", postgres::measure), ("redis", redis::measure)];

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Rounds of turns.
    pub rounds: usize,
    /// How long a turn is.
    pub turn: Duration,
    /// Rounds in which `pgbench` takes part, and `wrk`.
    pub pgbench_rounds: usize,
    /// How many whole seconds a turn of `pgbench` has; its first is not counted where there is another.
    pub pgbench_seconds: u64,
    /// How many tasks call at once.
    pub callers: &'static [u64],
    /// How many keys have an outcome that is replayed.
    pub keys: u64,
    /// How many callers meet on one key.
    pub crowd: u64,
}

impl Effort {
    /// What the figures are taken with.
    pub const FULL: Self = Self {
        rounds: 7,
        turn: Duration::from_millis(200),
        pgbench_rounds: 3,
        pgbench_seconds: 3,
        callers: &[1, 16, 64, 256],
        keys: 1_000,
        crowd: 500,
    };

    /// Enough to see that every case works.
    pub const QUICK: Self = Self {
        rounds: 1,
        turn: Duration::from_millis(20),
        pgbench_rounds: 1,
        pgbench_seconds: 1,
        callers: &[1, 4],
        keys: 20,
        crowd: 20,
    };
}

/// What a caller does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    /// Claims a key that has an outcome.
    Replay,
    /// Claims a new key, and records an outcome.
    Fresh,
}

impl Work {
    const ALL: [Self; 2] = [Self::Replay, Self::Fresh];

    /// The name of a row.
    fn by(self, callers: u64) -> String {
        let caller = if callers == 1 { "caller" } else { "callers" };
        match self {
            Self::Replay => format!("replay, {callers} {caller}"),
            Self::Fresh => format!("fresh, {callers} {caller}"),
        }
    }
}

/// What came out, or the end: a measurement in which something failed measures nothing.
fn must<T, E: fmt::Display>(what: &str, came_to: Result<T, E>) -> T {
    came_to.unwrap_or_else(|error| panic!("{what}: {error}"))
}

/// What all callers run on.
fn runtime() -> Runtime {
    must("no runtime", Builder::new_multi_thread().worker_threads(2).enable_all().build())
}
