//! Memory is counted, not timed, so its budgets hold in every test run.

use idempotent_benches::cases::memory::{self, Counted};

#[expect(clippy::cast_precision_loss, reason = "no count here needs more than 52 bits")]
fn count(run: &mut dyn FnMut()) -> Counted {
    let info = allocation_counter::measure(run);
    Counted { allocations: info.count_total as f64, bytes: info.bytes_current as f64 }
}

#[test]
fn a_replay_allocates_nothing() {
    let table = memory::allocations(count).to_string();
    assert!(!table.contains("MISSED"), "{table}");
}

#[test]
fn a_record_is_small() {
    let table = memory::bytes(count, 20_000).to_string();
    assert!(!table.contains("MISSED"), "{table}");
}
