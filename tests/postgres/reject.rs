//! A failure that was returned leaves the key free for the next call.

use crate::support::{open, schema};
use futures_lite::future::block_on;
use idempotently::{Error, InFlight, OnInterruption, Operation, SharedStore};

static CHARGE: Operation =
    Operation::new("tests.reject").in_flight(InFlight::Reject).interrupted(OnInterruption::Retry);

#[test]
fn after_a_failure_the_same_call_runs_again_though_duplicates_are_rejected() {
    let (to, _bare) = schema();
    let store = SharedStore::new(open(&to));
    let mut refused = Vec::new();
    for key in 0..200_u64 {
        for _ in 0..2 {
            let failing = async || Err::<u64, Box<dyn std::error::Error + Send + Sync>>("declined".into());
            let answer = block_on(CHARGE.call(&key).store(&store).try_run_async(failing));
            let Err(error) = answer else { panic!("{key}: {answer:?}") };
            refused.extend(error.downcast_ref::<Error>().map(|error| (key, error.kind())));
        }
    }
    assert!(refused.is_empty(), "{} of 400 calls were refused: {refused:?}", refused.len());
}
