//! The tables, and whether they are the ones that this version of the library knows.

use super::fault::{MISSING, explain};
use super::options::PostgresOptions;
use crate::store::StoreError;
use sqlx::{AssertSqlSafe, PgConnection, query_scalar, raw_sql};

/// Creates what is not there.
pub(super) const SQL: &str = include_str!("schema.sql");

/// The version that this library reads and writes.
const VERSION: i32 = 1;

const UNKNOWN: &str = "the tables in the PostgreSQL database are of a version that this library does not know; \
    use the version that made them";

/// Held while tables are created: two that create one at once get in each other's way in spite of `IF NOT EXISTS`.
const LOCK: i64 = 0x6964_656d_706f_7465;

/// Creates the tables where they are not there, and refuses those of another version.
pub(super) async fn prepare(connection: &mut PgConnection, options: &PostgresOptions) -> Result<(), StoreError> {
    let found = match version(connection).await? {
        None if options.create_tables => {
            // What is sent in one piece is one transaction.
            let sql = format!("SELECT pg_advisory_xact_lock({LOCK});\n{SQL}");
            raw_sql(AssertSqlSafe(sql)).execute(&mut *connection).await.map_err(explain)?;
            version(connection).await?
        }
        found => found,
    };
    match found {
        Some(VERSION) => Ok(()),
        Some(_) => Err(StoreError::new(UNKNOWN).permanent()),
        None => Err(StoreError::new(MISSING).permanent()),
    }
}

async fn version(connection: &mut PgConnection) -> Result<Option<i32>, StoreError> {
    let there = query_scalar::<_, bool>("SELECT to_regclass('idempotently_store') IS NOT NULL");
    if !there.fetch_one(&mut *connection).await.map_err(explain)? {
        return Ok(None);
    }
    let row = query_scalar("SELECT version FROM idempotently_store").fetch_optional(connection).await;
    // A table without its row is not one that this library made: no version is no known version.
    Ok(Some(row.map_err(explain)?.unwrap_or_default()))
}
