//! The tasks of this repository: `cargo xtask help` lists them.

mod checks;
mod metadata;
mod requests;
mod servers;
mod shell;

use std::io::Write as _;
use std::process::ExitCode;

use shell::{Failure, cargo};

const HELP: &str = "\
cargo xtask <task>

  test       everything that must hold before a change is merged; .ci/run calls this
  docs       writes the generated pages again (docs/expansion.md)
  requests   writes the data of the example again (examples/data/requests.jsonl)
  deny       checks licences and sources with cargo-deny, which it installs if need be
  help       shows this";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["test"] => checks::all(),
        ["docs"] => docs(),
        ["requests"] => requests::write(),
        ["deny"] => checks::deny_installed(),
        [] | ["help" | "-h" | "--help"] => {
            let _ = writeln!(std::io::stdout(), "{HELP}");
            Ok(())
        }
        other => Err(Failure::new(format!("no such task: {}\n\n{HELP}", other.join(" ")))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            shell::say(&format!("\nxtask: {failure}"));
            ExitCode::FAILURE
        }
    }
}

fn docs() -> Result<(), Failure> {
    cargo(["test", "--package", "idempotent-macros"]).env("UPDATE_EXPANSIONS", "1").run()
}
