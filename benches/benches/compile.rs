//! Compile time: `cargo bench -p idempotent-benches --bench compile [-- [--quick] [part …]]`, where a part is `check`,
//! `debug`, `release`, `crates`, `sync` or `async`.

use idempotent_benches::compile;
use idempotent_benches::options::Options;
use std::io;

#[expect(clippy::print_stdout, reason = "what was measured is what it is for")]
fn main() -> io::Result<()> {
    let options = Options::read();
    print!("{}", options.note());
    compile::measure(&options, |table| println!("{table}"))
}
