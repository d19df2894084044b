//! Orders, stock and mails in one database: each order is placed exactly once, whoever dies when.
//!
//! `cargo run --example orders` sends some thousand orders to two workers, many of them twice, some again because the
//! answer got lost, and kills the workers at random moments until all is answered. In the end the books add up to the
//! unit. What does it is one attribute, on `place` in `place.rs`: the record of a call is written in the transaction
//! that has its effects, so that all of it is committed or nothing.
//!
//! A mail is no row of a database, and no transaction takes it back. So `place` sends none: it writes down what is to be
//! sent, in the same transaction, and a mailer (`mailer.rs`) sends it afterwards, at least once, with a reference by which
//! the provider recognizes what it has already.
//!
//! It runs on SQLite, in a temporary file or in one that you name; with `--features postgres` also on
//! `--store postgres://…`. `-- --help` says what else it does.

mod arguments;
mod books;
mod boss;
mod home;
mod mailer;
mod pipe;
mod place;
mod provider;
mod report;
mod requests;
mod tables;
mod worker;

use std::error::Error;
use std::io::{self, Write};
use std::iter;
use std::process::ExitCode;

use arguments::Task;

fn main() -> ExitCode {
    let done = match arguments::parse() {
        Ok(Task::Help) => tell(arguments::HELP).map(|()| ExitCode::SUCCESS),
        Ok(Task::Sell(options)) => sell(&options),
        Ok(Task::Work { store }) => worker::work(&store).map(|()| ExitCode::SUCCESS),
        Ok(Task::Mail { store, provider }) => mailer::work(&store, provider).map(|()| ExitCode::SUCCESS),
        Err(error) => Err(error.into()),
    };
    done.unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "orders: {}", chain(&*error));
        ExitCode::from(2)
    })
}

fn sell(options: &arguments::Options) -> Result<ExitCode, Box<dyn Error>> {
    let report = boss::run(options)?;
    tell(&report.to_string())?;
    Ok(if report.is_right() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A reader that has seen enough (`| head`) is no failure.
fn tell(text: &str) -> Result<(), Box<dyn Error>> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// What went wrong, and why.
fn chain(error: &dyn Error) -> String {
    let causes = iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |words, cause| format!("{words}: {cause}"))
}
