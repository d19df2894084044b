//! The HTTP layer can be measured on every store, at the least effort.

use idempotent_benches::stores::{Effort, HTTP};

#[test]
fn the_layer_is_measured_on_every_store() {
    for (name, measure) in HTTP {
        for table in measure(&Effort::QUICK) {
            let shown = table.to_string();
            assert!(!table.is_empty() && !shown.contains("NaN") && !shown.contains("inf"), "{name}\n{shown}");
        }
    }
}
