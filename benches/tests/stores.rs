//! Every store can be measured, at the least effort.

use idempotent_benches::stores::{ALL, Effort, TRANSACTIONS};

#[test]
fn every_store_is_measured() {
    for (name, measure) in ALL.into_iter().chain(TRANSACTIONS) {
        for table in measure(&Effort::QUICK) {
            let shown = table.to_string();
            assert!(!table.is_empty() && !shown.contains("NaN") && !shown.contains("inf"), "{name}\n{shown}");
        }
    }
}
