//! Reading beside the writer: a snapshot of what is committed, for which nobody waits.

use super::fault::{Fault, explain};
use super::row::{self, COMPLETED, Held, IN_FLIGHT, INTERRUPTED};
use super::schema;
use crate::clock::Now;
use crate::record::Record;
use crate::store::{Glimpse, Place, Standing, StoreError};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The most connections that are kept open while nobody reads.
const MOST_IDLE: usize = 8;

/// How a key stands, as far as waiting for it goes: state and token, where there is a record.
pub(super) type Mark = Option<(i64, i64)>;

/// A file that is there and has the schema.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) patience: Duration,
}

impl File {
    /// A connection that can only read.
    pub(super) fn reader(&self) -> rusqlite::Result<Connection> {
        // Not `READ_ONLY`: such a connection could not repair the log's index after a crash.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(self.patience)?;
        schema::only_read(&connection)?;
        Ok(connection)
    }
}

/// The connections to read with.
pub(super) enum Readers {
    /// Each reader has one to itself for as long as it reads.
    File { file: File, idle: Mutex<Vec<Connection>> },
    /// A database in memory has one connection, the writer's.
    Memory(Arc<Mutex<Connection>>),
}

impl Readers {
    pub(super) fn of(file: File) -> Self {
        Self::File { file, idle: Mutex::default() }
    }

    pub(super) fn file(&self) -> Option<&File> {
        match self {
            Self::File { file, .. } => Some(file),
            Self::Memory(_) => None,
        }
    }

    pub(super) fn record(&self, place: &Place, now: &Now) -> Result<Option<Record>, StoreError> {
        let held = self.read(|connection| row::find(connection, place, now))?;
        Ok(held.map(|Held { record, .. }| record))
    }

    pub(super) fn mark(&self, place: &Place) -> Result<Mark, StoreError> {
        self.read(|connection| mark(connection, place))
    }

    pub(super) fn list(&self, page: &Page, now: &Now) -> Result<Vec<Glimpse>, StoreError> {
        self.read(|connection| page.read(connection, now))
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, StoreError> {
        match self {
            Self::Memory(connection) => Ok(read(&lock(connection))?),
            Self::File { file, idle } => {
                let taken = lock(idle).pop();
                let connection = taken.map_or_else(|| file.reader(), Ok).map_err(explain)?;
                let answer = read(&connection);
                // One that failed may have come to harm; the next reader opens another.
                if !matches!(answer, Err(Fault::Sqlite(_))) {
                    let mut idle = lock(idle);
                    if idle.len() < MOST_IDLE {
                        idle.push(connection);
                    }
                }
                Ok(answer?)
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a key stands now.
pub(super) fn mark(connection: &Connection, place: &Place) -> Result<Mark, Fault> {
    let sql = "SELECT state, token FROM idempotently_record WHERE scope = ?1 AND key = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row(params![place.scope, place.key], |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(found.optional()?)
}

/// Records of a scope that stand alike, in the order of their keys.
pub(super) struct Page {
    pub(super) scope: Arc<str>,
    pub(super) standing: Standing,
    pub(super) after: Option<Arc<str>>,
    pub(super) limit: usize,
}

impl Page {
    /// The state is part of the text, and so is what an index is limited to, word for word: only then is it used.
    fn sql(&self) -> String {
        let (state, index, only) = match self.standing {
            Standing::InFlight => (IN_FLIGHT, "open", "state <> 2"),
            Standing::Completed => (COMPLETED, "place", "(ends IS NULL OR ends > ?3)"),
            Standing::Interrupted => (INTERRUPTED, "open", "state <> 2"),
        };
        let after = if self.after.is_some() { ">" } else { ">=" };
        format!(
            "SELECT state, ends, owner, outcome, fingerprint, token, attempt, key
             FROM idempotently_record INDEXED BY idempotently_record_{index}
             WHERE scope = ?1 AND state = {state} AND {only} AND key {after} ?2 ORDER BY key LIMIT ?4"
        )
    }

    fn read(&self, connection: &Connection, now: &Now) -> Result<Vec<Glimpse>, Fault> {
        let mut statement = connection.prepare(&self.sql())?;
        let after = self.after.as_deref().unwrap_or_default();
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        let mut rows = statement.query(params![self.scope, after, now.wall.as_micros(), limit])?;
        let mut page = Vec::new();
        while let Some(row) = rows.next()? {
            let place = Place { scope: self.scope.clone(), key: row.get(7)? };
            page.push(Glimpse::of(place, row::record(row, now)?));
        }
        Ok(page)
    }
}
