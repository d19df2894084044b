//! Two workers, one queue that delivers some messages more than once, and mails that leave once.
//!
//! `cargo run --example emails` puts welcome mails into a queue, starts itself twice as workers, and kills one of them at
//! the worst moment: the mail server has taken its mail, and the worker has not heard of it. What keeps the mail from
//! leaving twice is one attribute, on `send` in `worker.rs`.
//!
//! A mail server knows no references: it sends what it is given. So nobody may send a mail again of which it is not known
//! whether it has left (`interrupted = fail`); its message is put aside, and an operator (`settle` in `boss.rs`) looks
//! into the outbox and says what happened: the mail left, which is then its record, or it did not, and is sent.
//!
//! `-- --help` says what else it does. With `--features postgres` or `redis` the workers may share such a store.

mod arguments;
mod boss;
mod folder;
mod mail;
mod outbox;
mod queue;
mod report;
mod worker;

use std::error::Error;
use std::io::{self, Write};
use std::iter;
use std::process::ExitCode;

use arguments::Task;

fn main() -> ExitCode {
    let done = match arguments::parse() {
        Ok(Task::Help) => tell(arguments::HELP).map(|()| ExitCode::SUCCESS),
        Ok(Task::Send(options)) => send(&options),
        Ok(Task::Work(place)) => worker::work(&place).map(|()| ExitCode::SUCCESS),
        Err(error) => Err(error.into()),
    };
    done.unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "emails: {}", chain(&*error));
        ExitCode::from(2)
    })
}

fn send(options: &arguments::Options) -> Result<ExitCode, Box<dyn Error>> {
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
