//! The command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt as _};

pub(crate) const HELP: &str = "\
Serves a log of payment requests, and charges every payment once.

Usage: cargo run --example checkout [-- [OPTIONS] [FILE]]

  FILE             requests as JSON, one a line; `-` reads them from stdin
                   (without it: examples/data/requests.jsonl, which comes with the example)
  --store URL      where the records are: `sqlite:FILE`, `memory:`, and with the feature of that name
                   `postgres://…` and `redis://…` (without it: a file that is deleted at the end)
  --ledger FILE    where the bank writes its charges down; it must last as long as the store
                   (without it: beside the SQLite file, with `.ledger` at its end)
  --threads N      how many requests are served at a time, up to 1024 (16)
  -h, --help       shows this

With a store, kill it half way and run it again: the customers are charged as if it had run once.

A request looks like this; fields that are not named here are ignored:
  {\"at\": \"2025-11-28T09:00:00.013Z\", \"id\": \"pay_1\", \"customer\": \"Ada Ito\",
   \"amount\": 1299, \"currency\": \"EUR\", \"card\": \"tok_visa\"}

Exit code: 0 when the bank's books hold every paid payment once, 1 when they do not, 2 when
nothing could be served.";

/// The most threads that can be asked for.
const MOST_THREADS: usize = 1_024;

/// What the program is asked to do.
pub(crate) enum Task {
    Help,
    Serve(Options),
}

pub(crate) struct Options {
    pub(crate) source: Source,
    pub(crate) threads: NonZeroUsize,
    pub(crate) store: Option<String>,
    pub(crate) ledger: Option<PathBuf>,
}

/// Where the requests come from.
pub(crate) enum Source {
    File(PathBuf),
    Stdin,
}

pub(crate) fn parse() -> Result<Task, lexopt::Error> {
    let mut parser = Parser::from_env();
    let mut source = None;
    let mut threads = 16;
    let mut store = None;
    let mut ledger = None;
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Task::Help),
            Arg::Long("threads") => threads = parser.value()?.parse()?,
            Arg::Long("store") => store = Some(parser.value()?.string()?),
            Arg::Long("ledger") => ledger = Some(parser.value()?.into()),
            Arg::Value(value) if source.is_none() => {
                source = Some(if value == "-" { Source::Stdin } else { Source::File(value.into()) });
            }
            other => return Err(other.unexpected()),
        }
    }
    let threads = NonZeroUsize::new(threads).filter(|threads| threads.get() <= MOST_THREADS);
    let threads = threads.ok_or_else(|| format!("--threads must be 1 to {MOST_THREADS}"))?;
    Ok(Task::Serve(Options { source: source.unwrap_or_else(bundled), threads, store, ledger }))
}

fn bundled() -> Source {
    Source::File(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/data/requests.jsonl")))
}
