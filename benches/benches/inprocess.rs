//! Time in one process: `cargo bench -p idempotent-benches --bench inprocess [-- [--quick] [case …]]`.

use idempotent_benches::cases::{ALL, Case};
use idempotent_benches::measure::Effort;
use idempotent_benches::options::Options;
use std::io;
use std::process::Command;

#[expect(clippy::print_stdout, reason = "what was measured is what it is for")]
fn main() -> io::Result<()> {
    let options = Options::read();
    let names = ALL.map(|(name, _)| name);
    let chosen: Vec<Case> = ALL.into_iter().filter(|(name, _)| options.chosen(name, &names)).collect();
    if let [(_, measure)] = chosen[..] {
        let effort = if options.quick { Effort::QUICK } else { Effort::FULL };
        println!("{}{}", options.note(), measure(&effort));
        return Ok(());
    }
    // Each in a process of its own: what one leaves in the heap would be in the figures of the next.
    for (name, _) in chosen {
        let effort = if options.quick { "--quick" } else { "--bench" };
        let status = Command::new(std::env::current_exe()?).args([effort, name]).status()?;
        if !status.success() {
            return Err(io::Error::other(format!("{name}: {status}")));
        }
    }
    Ok(())
}
