//! Whether an error of the user's comes from a database that wants the transaction begun again.

use crate::error::{Error, ErrorKind};
use crate::store::StoreError;
use sqlx::error::DatabaseError;
use std::error::Error as StdError;
use std::fmt;
use std::ops::Deref;

/// That another transaction was in the way: what is looked for among the causes of an error.
#[derive(Debug)]
pub(super) struct Contention(pub(super) StoreError);

impl fmt::Display for Contention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl StdError for Contention {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

/// An error that a body of [`transaction`](super::transaction) returns: any [`Error`](StdError), `anyhow::Error`,
/// `Box<dyn Error + Send + Sync>`. The library looks through its causes for one that says to begin again.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not show its causes",
    label = "the body's error",
    note = "implement `std::error::Error` for it, with `source`, so that a serialization failure can be told from any other"
)]
pub trait Causes<Kind> {
    /// The error itself, as the first of its causes.
    fn as_cause(&self) -> &(dyn StdError + 'static);
}

/// The error is an [`Error`](StdError).
#[derive(Clone, Copy, Debug)]
pub enum ByError {}

/// The error refers to one.
#[derive(Clone, Copy, Debug)]
pub enum ByReference {}

impl<E: StdError + 'static> Causes<ByError> for E {
    fn as_cause(&self) -> &(dyn StdError + 'static) {
        self
    }
}

impl<E: Deref<Target = dyn StdError + Send + Sync + 'static>> Causes<ByReference> for E {
    fn as_cause(&self) -> &(dyn StdError + 'static) {
        &**self
    }
}

/// Whether the transaction is to be rolled back and begun again.
pub(super) fn is_contended(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if says_so(error) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn says_so(error: &(dyn StdError + 'static)) -> bool {
    if error.is::<Contention>()
        || error.downcast_ref().is_some_and(|error: &Error| error.kind() == ErrorKind::Contended)
    {
        return true;
    }
    // An enum of errors may hide the outermost of what it wraps.
    let database: Option<&dyn DatabaseError> = match error.downcast_ref() {
        Some(error) => sqlx::Error::as_database_error(error),
        None => error.downcast_ref::<Box<dyn DatabaseError>>().map(|error| &**error),
    };
    database.is_some_and(|database| means_contention(database.code().as_deref().unwrap_or_default()))
}

/// A serialization failure or a deadlock; of SQLite, that somebody else writes, or wrote since this one first read.
fn means_contention(code: &str) -> bool {
    match code {
        "40001" | "40P01" => true,
        // The other database has no codes of one to four digits.
        code => code.len() < 5 && code.parse().is_ok_and(|code: u32| code & 0xff == 5),
    }
}

#[cfg(test)]
mod tests {
    use super::{Causes, Contention, is_contended, means_contention};
    use crate::error::{Error, ErrorKind};
    use crate::store::StoreError;

    #[test]
    fn it_is_found_behind_what_an_error_wraps() {
        let contended = || Error::caused(ErrorKind::Contended, "t", Contention(StoreError::new("deadlock")));
        assert!(is_contended(contended().as_cause()));
        let boxed: Box<dyn std::error::Error + Send + Sync> = Box::new(contended());
        assert!(is_contended(boxed.as_cause()));
        assert!(is_contended(std::io::Error::other(contended()).as_cause()));
        assert!(!is_contended(Error::new(ErrorKind::Interrupted, "t").as_cause()));
    }

    #[test]
    fn codes_say_so() {
        for (code, is) in
            [("40001", true), ("40P01", true), ("5", true), ("517", true), ("23505", false), ("19", false)]
        {
            assert_eq!(means_contention(code), is, "{code}");
        }
    }
}
