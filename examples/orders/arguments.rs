//! The command line.

use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt as _};

pub(crate) const HELP: &str = "\
Places orders, each of them once, by workers that are killed at random.

Usage: cargo run --example orders [-- OPTIONS]

  --orders N       how many, up to 100000 (3000)
  --kills N        how often somebody is killed, up to a twentieth of the orders (12)
  --seed N         what is ordered, and who dies when (by the clock)
  --store URL      the shop's database: `sqlite:FILE`, and with the feature of that name
                   `postgres://…` (without it: a file that is deleted at the end)
  --mails FOLDER   where the mail provider keeps what it was given; it must last as long as the store
                   (without it: beside the SQLite file, with `.mails` at its end)
  -h, --help       shows this

With a store, it may be run again, also with the same seed: what was ordered is not ordered again.

Exit code: 0 when the books add up, 1 when they do not, 2 when it could not be found out.";

const MOST_ORDERS: usize = 100_000;

/// What the program is asked to do.
pub(crate) enum Task {
    Help,
    Sell(Options),
    /// The program says these to itself.
    Work {
        store: String,
    },
    Mail {
        store: String,
        provider: PathBuf,
    },
}

pub(crate) struct Options {
    pub(crate) orders: usize,
    pub(crate) kills: usize,
    pub(crate) seed: Option<u64>,
    pub(crate) store: Option<String>,
    pub(crate) mails: Option<PathBuf>,
}

pub(crate) fn parse() -> Result<Task, lexopt::Error> {
    let mut parser = Parser::from_env();
    let mut options = Options { orders: 3_000, kills: 12, seed: None, store: None, mails: None };
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Task::Help),
            Arg::Long("orders") => options.orders = parser.value()?.parse()?,
            Arg::Long("kills") => options.kills = parser.value()?.parse()?,
            Arg::Long("seed") => options.seed = Some(parser.value()?.parse()?),
            Arg::Long("store") => options.store = Some(parser.value()?.string()?),
            Arg::Long("mails") => options.mails = Some(parser.value()?.into()),
            Arg::Value(word) if word == "worker" => return Ok(Task::Work { store: parser.value()?.string()? }),
            Arg::Value(word) if word == "mailer" => {
                return Ok(Task::Mail { store: parser.value()?.string()?, provider: parser.value()?.into() });
            }
            other => return Err(other.unexpected()),
        }
    }
    if !(1..=MOST_ORDERS).contains(&options.orders) {
        return Err(format!("--orders must be 1 to {MOST_ORDERS}").into());
    }
    if options.kills > options.orders / 20 {
        return Err(format!("--kills must be 0 to {} for so many orders", options.orders / 20).into());
    }
    Ok(Task::Sell(options))
}
