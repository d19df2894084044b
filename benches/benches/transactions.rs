//! Records inside transactions: `cargo bench -p idempotent-benches --features stores --bench transactions
//! [-- [--quick] [database …]]`.

use idempotent_benches::options::Options;
use idempotent_benches::stores::{Effort, TRANSACTIONS};
use std::io;

#[expect(clippy::print_stdout, reason = "what was measured is what it is for")]
fn main() -> io::Result<()> {
    let options = Options::read();
    let names = TRANSACTIONS.map(|(name, _)| name);
    let effort = if options.quick { Effort::QUICK } else { Effort::FULL };
    let mut too_low = false;
    println!("{}", options.note());
    for (_, measure) in TRANSACTIONS.into_iter().filter(|(name, _)| options.chosen(name, &names)) {
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
