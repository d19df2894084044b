//! How a store is opened.

use crate::store::StoreError;
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use std::str::FromStr;

/// How a store is opened.
///
/// ```
/// use idempotently::backend::postgres::PostgresOptions;
///
/// // The tables come from a migration of one's own.
/// let options = PostgresOptions::new().create_tables(false);
/// # let _ = options;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresOptions {
    pub(super) create_tables: bool,
}

impl PostgresOptions {
    /// The tables are created where they are not there.
    #[must_use]
    pub const fn new() -> Self {
        Self { create_tables: true }
    }

    /// Whether the tables are created where they are not there. Without it they must be there:
    /// [`schema_sql`](super::PostgresStore::schema_sql) has the statements.
    #[must_use]
    pub const fn create_tables(mut self, create: bool) -> Self {
        self.create_tables = create;
        self
    }
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// Where a URL leads.
pub(super) fn parse(url: &str) -> Result<PgConnectOptions, StoreError> {
    const WRONG: &str = "the PostgreSQL URL cannot be understood; write `postgres://user:password@host:5432/database`, with what is \
         not a letter or digit in the password as `%2F` and the like";
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(StoreError::new(WRONG).permanent());
    }
    // The reason is left out: it may quote the URL.
    PgConnectOptions::from_str(url).map_err(|_| StoreError::new(WRONG).permanent())
}

/// The same, as the library's connections are opened.
pub(super) fn settled(options: PgConnectOptions) -> PgConnectOptions {
    // Every statement is the library's own, and each of its connections prepares each once.
    let options = options.disable_statement_logging();
    if options.get_application_name().is_some() { options } else { options.application_name("idempotently") }
}
