//! Every case works, at the least effort.

use idempotent_benches::cases::ALL;
use idempotent_benches::measure::Effort;

#[test]
fn every_case_measures_something() {
    for (name, measure) in ALL {
        let table = measure(&Effort::QUICK);
        assert!(!table.is_empty() && !table.to_string().contains("NaN"), "{name}\n{table}");
    }
}
