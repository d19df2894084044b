//! Memory: `cargo bench -p idempotent-benches --bench memory [-- --quick]`. By itself, since counting takes time.

use idempotent_benches::cases::memory::{self, Counted};
use idempotent_benches::measure::Effort;
use idempotent_benches::options::Options;

#[expect(clippy::cast_precision_loss, reason = "no count here needs more than 52 bits")]
fn count(run: &mut dyn FnMut()) -> Counted {
    let info = allocation_counter::measure(run);
    Counted { allocations: info.count_total as f64, bytes: info.bytes_current as f64 }
}

#[expect(clippy::print_stdout, reason = "what was measured is what it is for")]
fn main() {
    let options = Options::read();
    print!("{}", options.note());
    let effort = if options.quick { Effort::QUICK } else { Effort::FULL };
    println!("{}", memory::allocations(count));
    println!("{}", memory::bytes(count, effort.keys));
}
