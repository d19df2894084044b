//! The command line.

use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt as _};

pub(crate) const HELP: &str = "\
A shop whose \"Pay now\" button may be pressed as often as one likes, beside one where it may not.

Usage: cargo run --example shop [-- OPTIONS]

  --port N         where the page is, on this machine only; 0 is any free port (8080)
  --store URL      where the answers are kept: `sqlite:FILE`, `memory:`, and with the feature of that name
                   `postgres://…` and `redis://…` (without it: target/shop/records.db)
  --ledger FILE    the SQLite file where the shop writes its charges down
                   (without it: beside the SQLite file, with `.ledger` at its end)
  -h, --help       shows this

Exit code: 0 when it was closed with Ctrl-C, 2 when it could not be opened.";

/// What the program is asked to do.
pub(crate) enum Task {
    Help,
    Open(Options),
}

pub(crate) struct Options {
    pub(crate) port: u16,
    pub(crate) store: Option<String>,
    pub(crate) ledger: Option<PathBuf>,
}

pub(crate) fn parse() -> Result<Task, lexopt::Error> {
    let mut parser = Parser::from_env();
    let mut options = Options { port: 8080, store: None, ledger: None };
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Task::Help),
            Arg::Long("port") => options.port = parser.value()?.parse()?,
            Arg::Long("store") => options.store = Some(parser.value()?.string()?),
            Arg::Long("ledger") => options.ledger = Some(parser.value()?.into()),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Task::Open(options))
}
