//! Calls on runtimes: blocking ones that must not wait for their own thread, and those that are dropped half way.

use crate::stores::{Shareable, fresh_key};
use idempotently::store::Standing;
use idempotently::{Error, OnInterruption, Operation, Records, connect};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Builder;

static BLOCKING: Operation = Operation::new("faults.blocking").interrupted(OnInterruption::Retry);

pub(crate) fn a_blocking_call_inside_a_runtime_of_one_thread_answers(records: &dyn Shareable) {
    let (url, key) = (records.url(), fresh_key());
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(async {
        let store = connect(&url).unwrap();
        BLOCKING.call(&key).store(&store).try_run(|| Ok::<_, Error>("answered".to_owned()))
    });
    assert_eq!(answer.unwrap(), "answered");
}

static DROPPED: Operation = Operation::new("faults.dropped").interrupted(OnInterruption::Retry);

/// How many calls are dropped at a random moment.
const CALLS: u64 = 400;

pub(crate) fn calls_that_are_dropped_leave_no_claim_behind(records: &dyn Shareable) {
    let store = connect(&records.url()).unwrap();
    let random = RandomState::new();
    let begun = Arc::new(AtomicU64::new(0));
    for batch in 0..20 {
        // The later they are dropped, the more of them have begun, however busy the machine is.
        let latest = 2_000 << (batch / 4);
        // Half of them are dropped by their time-outs, half by the end of their runtime.
        let by_the_end = batch % 2 == 0;
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        for call in 0..CALLS / 20 {
            let (store, key, begun) = (store.clone(), fresh_key(), begun.clone());
            let moment = Duration::from_micros(random.hash_one((batch, call)) % latest);
            let pending = async move {
                let body = async || {
                    begun.fetch_add(1, Ordering::Relaxed);
                    std::future::pending::<Result<u8, Error>>().await
                };
                DROPPED.call(&key).store(&store).try_run_async(body).await
            };
            if by_the_end {
                runtime.spawn(pending);
            } else {
                runtime.spawn(async move { tokio::time::timeout(moment, pending).await });
            }
        }
        thread::sleep(Duration::from_micros(random.hash_one(batch) % latest));
        runtime.shutdown_timeout(Duration::from_secs(10));
    }
    assert!(begun.load(Ordering::Relaxed) > 0, "nothing was left to be given back");
    let records = Records::of(&store);
    let start = Instant::now();
    // The releases are on their way; there is nothing that tells when the last one has arrived but the records.
    while !records.list("faults.dropped", Standing::InFlight, None, 10).unwrap().is_empty() {
        assert!(start.elapsed() < Duration::from_secs(10), "claims were left behind");
        thread::sleep(Duration::from_millis(20));
    }
}
