//! The tasks of this repository: `cargo xtask help` lists them.

mod checks;
mod lines;
mod metadata;
mod requests;
mod servers;
mod shell;
mod summary;

use std::io::Write as _;
use std::process::ExitCode;

use shell::{Failure, cargo};

const HELP: &str = "\
cargo xtask <task>

  test       everything that must hold before a change is merged; .ci/run calls this
  quick      format, lints and the tests that need no server; for while you work
  lines      counts the code of each package, without comments, blank lines and tests
  docs       writes the generated pages again (docs/expansion.md)
  requests   writes the data of the example again (examples/data/requests.jsonl)
  screenshot photographs the page of the example again (docs/shop.png)
  servers    installs the servers that tests start, and says which versions they are
  deny       checks licences and sources with cargo-deny, which it installs if need be
  help       shows this";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["test"] => checks::all(),
        ["quick"] => checks::quick(),
        ["lines"] => lines::tell(),
        ["docs"] => docs(),
        ["requests"] => requests::write(),
        ["screenshot"] => screenshot(),
        ["servers"] => servers::ready().map(drop),
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

fn screenshot() -> Result<(), Failure> {
    servers::ready()?;
    cargo(["build", "--package", "idempotent-examples", "--example", "shop"]).run()?;
    let file = shell::root().join("docs/shop.png");
    let test = ["test", "--package", "idempotent-shop-tests", "--test", "browser", "the_picture"];
    cargo(test).env("SHOP_SCREENSHOT", &file.to_string_lossy()).run()
}
