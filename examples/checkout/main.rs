//! A payment server in miniature: a log of requests, many of them sent more than once, served from many threads.
//!
//! `cargo run --example checkout` serves the log that comes with it, `-- --help` says what else it does. What keeps
//! the customers' money safe is one attribute, on `charge` in `bank.rs`.

mod arguments;
mod bank;
mod report;
mod requests;
mod server;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use arguments::Task;
use bank::Bank;

fn main() -> ExitCode {
    let done = match arguments::parse() {
        Ok(Task::Help) => tell(arguments::HELP),
        Ok(Task::Serve(options)) => serve(&options),
        Err(error) => Err(error.into()),
    };
    done.unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "checkout: {error}");
        ExitCode::from(2)
    })
}

fn serve(options: &arguments::Options) -> Result<ExitCode, Box<dyn Error>> {
    let log = requests::read(&options.source)?;
    for problem in &log.malformed {
        let _ = writeln!(io::stderr(), "{problem}");
    }
    let bank = Bank::default();
    let served = server::serve(&bank, &log.payments, options.threads);
    for (payment, error) in served.failures() {
        let _ = writeln!(io::stderr(), "{}: {error}", payment.id);
    }
    let books = bank.statement();
    let report = report::Report::new(&log, &served, &books);
    tell(&report.to_string())?;
    Ok(if report.is_balanced() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A reader that has seen enough (`| head`) is no failure.
fn tell(text: &str) -> Result<ExitCode, Box<dyn Error>> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}
