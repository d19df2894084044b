//! What can go wrong with a file, told apart by what is to be done about it.

use crate::store::StoreError;
use rusqlite::{Error, ErrorCode};
use std::thread;
use std::time::{Duration, Instant};

/// Why a verb has no answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// This record is to blame: nobody else who is served in the same transaction is told.
    Record(StoreError),
    /// SQLite refused, so that the transaction is over.
    Sqlite(Error),
}

impl Fault {
    /// What a verb came to, unless it ended the transaction.
    pub(super) fn apart<T>(came_to: Result<T, Self>) -> Result<Result<T, StoreError>, Error> {
        match came_to {
            Ok(value) => Ok(Ok(value)),
            Err(Self::Record(error)) => Ok(Err(error)),
            Err(Self::Sqlite(error)) => Err(error),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Record(error) => error,
            Fault::Sqlite(error) => explain(error),
        }
    }
}

/// SQLite's own words, under a sentence that says what to do.
pub(super) fn explain(error: Error) -> StoreError {
    let is_permanent = is_permanent(error.sqlite_error_code());
    StoreError::caused(advice(error.sqlite_error_code()), error).permanent_if(is_permanent)
}

/// Whether SQLite will say the same until somebody changes the file, its rights or the record.
fn is_permanent(code: Option<ErrorCode>) -> bool {
    matches!(
        code,
        Some(
            ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::CannotOpen
                | ErrorCode::NotADatabase
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::TooBig
        )
    )
}

fn advice(code: Option<ErrorCode>) -> &'static str {
    match code {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "the SQLite file is being written by somebody else; make those transactions shorter, \
             or raise `busy_timeout`"
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => READ_ONLY,
        Some(ErrorCode::CannotOpen) => {
            "the SQLite file cannot be opened; let the process read and write it and its folder"
        }
        Some(ErrorCode::NotADatabase) => "the file is not an SQLite database; name another one",
        Some(ErrorCode::DatabaseCorrupt) => "the SQLite file is damaged; put a good copy in its place",
        Some(ErrorCode::DiskFull) => "the disk with the SQLite file is full; make room",
        Some(ErrorCode::TooBig) => {
            "the record is larger than this SQLite allows; return a smaller outcome, and a reference to the rest"
        }
        _ => "SQLite answered with an error",
    }
}

pub(super) const READ_ONLY: &str = "the SQLite file cannot be written; let the process write it and its folder";

/// Tries again while somebody else has the file, in steps finer than SQLite's own, which begin at a millisecond.
pub(super) fn patiently<T>(patience: Duration, mut attempt: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    let since = Instant::now();
    let mut pause = Duration::from_micros(50);
    loop {
        match attempt() {
            Err(error) if is_busy(&error) && since.elapsed() < patience => {
                thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(2));
            }
            ended => return ended,
        }
    }
}

pub(super) fn is_busy(error: &Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}
