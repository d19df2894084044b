//! Every store can be measured, at the least effort.

use idempotent_benches::stores::{ALL, Effort};

#[test]
fn every_store_is_measured() {
    for (name, measure) in ALL {
        for table in measure(&Effort::QUICK) {
            let shown = table.to_string();
            assert!(!table.is_empty() && !shown.contains("NaN") && !shown.contains("inf"), "{name}\n{shown}");
        }
    }
}
