//! What a function fails with whose record is in a transaction.

use idempotently::Error;
use idempotently::backend::postgres::sqlx;

/// What the tests' functions fail with.
#[derive(Debug)]
pub(crate) enum Failure {
    Refused(Error),
    Database(sqlx::Error),
    Declined,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused(error) => Some(error),
            Self::Database(error) => Some(error),
            Self::Declined => None,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}
