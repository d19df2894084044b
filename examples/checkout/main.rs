//! A payment server in miniature: a log of requests, many of them sent more than once, served from many threads.
//!
//! `cargo run --example checkout` serves the log that comes with it, `-- --help` says what else it does. What keeps
//! the customers' money safe is one attribute, on `charge` in `bank.rs`.
//!
//! It also survives being killed. Give it a store, end it half way with `kill -9` (or by pulling the plug), and run the
//! same command again:
//!
//! ```sh
//! cargo run --example checkout -- --store sqlite:/tmp/payments.db
//! ```
//!
//! Payments that have a record are answered from it. Those that the killed process was at are done again when its lease
//! is over, five seconds after its death; where the bank had charged them already it knows the reference that comes with
//! them (`current()` and `downstream_key`), and answers with the charge that it has. In the end its ledger, a file beside
//! the store's, has every payment once, as if nothing had happened.
//!
//! With `--features postgres` or `redis` the same runs on `--store postgres://…` and `redis://…`; say with `--ledger`
//! where the bank is to write then.

mod arguments;
mod bank;
mod home;
mod ledger;
mod report;
mod requests;
mod server;

use std::error::Error;
use std::io::{self, Write};
use std::iter;
use std::process::ExitCode;
use std::time::Duration;

use arguments::Task;
use bank::Bank;
use home::Home;
use idempotently::{blocking, install};
use ledger::Ledger;

fn main() -> ExitCode {
    let done = match arguments::parse() {
        Ok(Task::Help) => tell(arguments::HELP),
        Ok(Task::Serve(options)) => serve(&options),
        Err(error) => Err(error.into()),
    };
    done.unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "checkout: {}", chain(&*error));
        ExitCode::from(2)
    })
}

fn serve(options: &arguments::Options) -> Result<ExitCode, Box<dyn Error>> {
    let log = requests::read(&options.source)?;
    let home = Home::find(options.store.as_deref(), options.ledger.as_deref())?;
    install(home.store()?)?;
    let bank = Bank::with(Ledger::open(home.ledger())?);
    for problem in &log.malformed {
        let _ = writeln!(io::stderr(), "{problem}");
    }
    let served = server::serve(&bank, &log.payments, options.threads);
    for (payment, error) in served.failures() {
        let _ = writeln!(io::stderr(), "{}: {error}", payment.id);
    }
    // Where the store was away when a charge was done, its record is late.
    let left = blocking::shutdown(Duration::from_secs(10));
    if left.unrecorded > 0 {
        let _ = writeln!(io::stderr(), "{} charges have no record, since the store is away", left.unrecorded);
    }
    let statement = bank.statement();
    let report = report::Report::new(&log, &served, &statement);
    tell(&report.to_string())?;
    Ok(if report.is_balanced() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What went wrong, and why.
fn chain(error: &dyn Error) -> String {
    let causes = iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |words, cause| format!("{words}: {cause}"))
}

/// A reader that has seen enough (`| head`) is no failure.
fn tell(text: &str) -> Result<ExitCode, Box<dyn Error>> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}
