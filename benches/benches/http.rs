//! The HTTP layer: `cargo bench -p idempotent-benches --features http --bench http [-- [--quick] [store …]]`.

use idempotent_benches::options::Options;
use idempotent_benches::stores::{Effort, HTTP, without_wrk};

#[expect(clippy::print_stdout, reason = "what was measured is what it is for")]
fn main() {
    let options = Options::read();
    let names = HTTP.map(|(name, _)| name);
    let effort = if options.quick { Effort::QUICK } else { Effort::FULL };
    println!("{}{}", options.note(), without_wrk());
    for (_, measure) in HTTP.into_iter().filter(|(name, _)| options.chosen(name, &names)) {
        for table in measure(&effort) {
            println!("{table}");
        }
    }
}
