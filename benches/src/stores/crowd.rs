//! Many callers on one new key, as users have it: through an operation.

use super::caller::Random;
use super::{Effort, must};
use crate::measure::{Spread, exact};
use crate::table::{Budget, Table};
use idempotently::{Error, OnInterruption, Operation, SharedStore};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::runtime::Runtime;

static HOT: Operation = Operation::new("bench.hot").interrupted(OnInterruption::Retry);

/// Callers in one process, and in two, which two handles are that know nothing of each other.
pub(super) fn measure(name: &str, runtime: &Runtime, stores: &[SharedStore; 2], effort: &Effort) -> Table {
    let title = format!("{name}: {} callers on one new key, through an `Operation`", effort.crowd);
    let mut table = Table::new(title, ["where", "ms", "p10–p90", "µs a caller", "executions", "budget", ""]);
    for (place, count) in [("one process", 1), ("two processes", 2)] {
        let mut most = 0;
        let mut millis = Vec::new();
        // The first connects whatever is not connected before somebody waits.
        for round in 0..=effort.rounds {
            let (took, executions) = meet(runtime, &stores[..count], effort.crowd);
            most = most.max(executions);
            if round > 0 {
                millis.push(took);
            }
        }
        let spread = Spread::of(millis);
        let cells = [
            place.to_owned(),
            format!("{:.1}", spread.median),
            format!("{:.1}–{:.1}", spread.low, spread.high),
            format!("{:.0}", spread.median * 1e3 / exact(effort.crowd)),
        ];
        table.bound(cells, exact(most), Budget::AtMost(1.0));
    }
    table
}

/// How many milliseconds a crowd takes until all have the outcome, and how often the body ran.
fn meet(runtime: &Runtime, stores: &[SharedStore], callers: u64) -> (f64, u64) {
    let key = Random::new().next();
    let executions = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    runtime.block_on(async {
        let stores = stores.iter().cycle().zip(0..callers);
        let callers: Vec<_> =
            stores.map(|(store, _)| tokio::spawn(call(key, store.clone(), executions.clone()))).collect();
        for caller in callers {
            let outcome = must("a caller failed", must("a caller failed", caller.await));
            assert_eq!(outcome.len(), 200);
        }
    });
    (start.elapsed().as_secs_f64() * 1e3, executions.load(Ordering::Relaxed))
}

async fn call(key: u64, store: SharedStore, executions: Arc<AtomicU64>) -> Result<String, Error> {
    let body = || async move {
        executions.fetch_add(1, Ordering::Relaxed);
        Ok("x".repeat(200))
    };
    HOT.call(&key).store(&store).try_run_async(body).await
}
