//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt as _};

use crate::outbox::Kill;

pub(crate) const HELP: &str = "\
Sends mails from a queue that delivers more than once, by workers that may die; each mail leaves once.

Usage: cargo run --example emails [-- OPTIONS]

  --mails N        how many, up to 10000 (60)
  --kill WHEN      one worker is killed `after` the mail server has taken its mail, `before` that,
                   or `never` (after)
  --store URL      where the records are: `sqlite:FILE`, and with the feature of that name
                   `postgres://…` and `redis://…` (without it: a file that is deleted at the end)
  -h, --help       shows this

Exit code: 0 when every mail left once, 1 when not, 2 when nothing could be sent.";

const MOST_MAILS: usize = 10_000;

/// What the program is asked to do.
pub(crate) enum Task {
    Help,
    Send(Options),
    Work(Place),
}

pub(crate) struct Options {
    pub(crate) mails: usize,
    pub(crate) kill: Kill,
    pub(crate) store: Option<String>,
}

/// Where a worker works; the program says it to itself.
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) queue: PathBuf,
    pub(crate) server: SocketAddr,
    pub(crate) store: String,
}

pub(crate) fn parse() -> Result<Task, lexopt::Error> {
    let mut parser = Parser::from_env();
    let mut options = Options { mails: 60, kill: Kill::After, store: None };
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Task::Help),
            Arg::Long("mails") => options.mails = parser.value()?.parse()?,
            Arg::Long("kill") => options.kill = parser.value()?.parse_with(kill)?,
            Arg::Long("store") => options.store = Some(parser.value()?.string()?),
            Arg::Value(word) if word == "worker" => return worker(&mut parser).map(Task::Work),
            other => return Err(other.unexpected()),
        }
    }
    if !(1..=MOST_MAILS).contains(&options.mails) {
        return Err(format!("--mails must be 1 to {MOST_MAILS}").into());
    }
    Ok(Task::Send(options))
}

fn kill(word: &str) -> Result<Kill, &'static str> {
    match word {
        "after" => Ok(Kill::After),
        "before" => Ok(Kill::Before),
        "never" => Ok(Kill::Never),
        _ => Err("write `after`, `before` or `never`"),
    }
}

fn worker(parser: &mut Parser) -> Result<Place, lexopt::Error> {
    Ok(Place {
        name: parser.value()?.string()?,
        queue: parser.value()?.into(),
        server: parser.value()?.parse()?,
        store: parser.value()?.string()?,
    })
}
