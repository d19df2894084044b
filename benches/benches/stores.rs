//! The stores: `cargo bench -p idempotent-benches --features stores --bench stores [-- [--quick] [store …]]`.

use idempotent_benches::options::Options;
use idempotent_benches::stores::{ALL, Effort};
use std::io;

#[expect(clippy::print_stdout, reason = "what was measured is what it is for")]
fn main() -> io::Result<()> {
    let options = Options::read();
    let names = ALL.map(|(name, _)| name);
    let effort = if options.quick { Effort::QUICK } else { Effort::FULL };
    let mut too_low = false;
    println!("{}", options.note());
    for (_, measure) in ALL.into_iter().filter(|(name, _)| options.chosen(name, &names)) {
        for table in measure(&effort) {
            println!("{table}");
            too_low |= table.is_too_low();
        }
    }
    if too_low && !options.quick {
        return Err(io::Error::other("less than half of what it should be at least"));
    }
    Ok(())
}
