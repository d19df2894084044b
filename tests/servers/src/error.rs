//! Why a server is not there.

use std::error::Error;
use std::fmt;

/// Why a server could not be started, and what to do about it.
#[derive(Clone, Debug)]
pub struct ServerError(String);

impl ServerError {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }

    pub(crate) fn because(what: &str, error: impl fmt::Display) -> Self {
        Self(format!("{what}: {error}"))
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for ServerError {}
