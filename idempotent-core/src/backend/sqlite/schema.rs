//! The tables, and how a connection is set up for them.

use super::fault::{READ_ONLY, explain, patiently};
use super::options::{SqliteOptions, Synchronous};
use crate::store::StoreError;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior};
use std::path::Path;
use std::time::Duration;

/// Creates what is not there.
pub(super) const SQL: &str = include_str!("schema.sql");

/// The version that this library reads and writes.
pub(super) const VERSION: i64 = 2;

/// The one before, whose files become files of this version when they are opened.
const EARLIER: i64 = 1;

pub(super) const UNKNOWN: &str = "the tables in the SQLite file are of a version that this library does not know; \
    use the version that wrote them";

/// How many statements a connection keeps prepared: all that the library has.
const STATEMENTS: usize = 32;

/// The connection that writes, to a file that is made ready where it is not.
pub(super) fn open(path: &Path, options: &SqliteOptions) -> Result<Connection, StoreError> {
    if path.as_os_str().is_empty() {
        return Err(StoreError::new("the SQLite file has no name; name one").permanent());
    }
    if path.parent().is_some_and(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        return Err(StoreError::new("the folder of the SQLite file does not exist; create it").permanent());
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(explain)?;
    set_up(&connection, options)?;
    Ok(connection)
}

/// The only connection to a database in memory.
pub(super) fn open_in_memory() -> Result<Connection, StoreError> {
    let connection = Connection::open_in_memory().map_err(explain)?;
    create(&connection, Duration::ZERO)?;
    Ok(connection)
}

pub(super) fn set_up(connection: &Connection, options: &SqliteOptions) -> Result<(), StoreError> {
    if connection.is_readonly("main").map_err(explain)? {
        return Err(StoreError::new(READ_ONLY).permanent());
    }
    // The library waits by itself: SQLite does not always, where the journal's mode changes.
    connection.busy_timeout(Duration::ZERO).map_err(explain)?;
    let log = || connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0));
    let mode = patiently(options.busy_timeout, log).map_err(explain)?;
    if mode != "wal" {
        return Err(StoreError::new(
            "the SQLite file cannot have a write-ahead log where it is; put it on a local disk",
        )
        .permanent());
    }
    connection
        .execute_batch(match options.synchronous {
            Synchronous::Full => "PRAGMA synchronous = FULL",
            Synchronous::Normal => "PRAGMA synchronous = NORMAL",
        })
        .map_err(explain)?;
    create(connection, options.busy_timeout)
}

/// A connection that reads beside the one that writes.
pub(super) fn only_read(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.execute_batch("PRAGMA query_only = ON")
}

/// Creates the tables where they are not there, upgrades those of the version before, and refuses those of a later one.
fn create(connection: &Connection, patience: Duration) -> Result<(), StoreError> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    let found = match patiently(patience, || version(connection)).map_err(explain)? {
        Some(found) if found != EARLIER => found,
        Some(_) | None => patiently(patience, || make(connection)).map_err(explain)?,
    };
    if found == VERSION { Ok(()) } else { Err(StoreError::new(UNKNOWN).permanent()) }
}

/// Creates or upgrades the tables, unless another process just did.
fn make(connection: &Connection) -> rusqlite::Result<i64> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    if version(&transaction)?.is_none_or(|found| found == EARLIER) {
        transaction.execute_batch(SQL)?;
    }
    let made = version(&transaction)?;
    transaction.commit()?;
    Ok(made.unwrap_or_default())
}

fn version(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let known = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'idempotently_store'";
    if connection.query_row(known, [], |_| Ok(())).optional()?.is_none() {
        return Ok(None);
    }
    // A table without its row is not one that this library made: no version is no known version.
    let row = connection.query_row("SELECT version FROM idempotently_store", [], |row| row.get(0)).optional()?;
    Ok(Some(row.unwrap_or_default()))
}
