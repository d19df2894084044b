//! `rusqlite` without the library: one connection that writes, which callers take in turns, and one a thread that reads.

use crate::stores::caller::Peer;
use crate::stores::must;
use crate::stores::ours::{Known, LEASE, OUTCOME, RETENTION, micros, owner, place};
use idempotently::store::Place;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

const FIND: &str = "SELECT state, ends, owner, outcome, fingerprint, token, attempt, id
    FROM idempotently_record WHERE scope = ?1 AND key = ?2";
const RESERVE: &str = "UPDATE idempotently_store SET last_token = last_token + ?1 RETURNING last_token";
const INSERT: &str = "INSERT INTO idempotently_record (state, ends, owner, fingerprint, token, attempt, scope, key)
    VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const COMPLETE: &str = "UPDATE idempotently_record SET state = 2, ends = ?1, outcome = ?2, owner = NULL WHERE id = ?3";

/// How many statements a connection keeps prepared, as the store's do.
const STATEMENTS: usize = 32;

#[derive(Clone)]
pub(super) struct Bare {
    path: Arc<Path>,
    writer: Arc<Mutex<Connection>>,
    known: Known,
}

/// What stands under a key.
struct Row {
    outcome: Option<Vec<u8>>,
    ends: Option<i64>,
    token: i64,
    id: i64,
}

impl Bare {
    pub(super) fn open(path: &Path, synchronous: &str, known: Known) -> Self {
        let writer = connect(path);
        must("no durability", writer.execute_batch(&format!("PRAGMA synchronous = {synchronous}")));
        Self { path: path.into(), writer: Arc::new(Mutex::new(writer)), known }
    }

    fn write<T>(&self, write: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> T {
        let connection = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = Transaction::new_unchecked(&connection, TransactionBehavior::Immediate);
        let transaction = must("no transaction", transaction);
        let written = must("not written", write(&transaction));
        must("not committed", transaction.commit());
        written
    }
}

fn connect(path: &Path) -> Connection {
    let connection = must("not opened", Connection::open(path));
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection
}

fn now() -> i64 {
    micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn find(connection: &Connection, place: &Place) -> rusqlite::Result<Option<Row>> {
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Row { outcome: row.get(3)?, ends: row.get(1)?, token: row.get(5)?, id: row.get(7)? })
    };
    connection.prepare_cached(FIND)?.query_row(params![place.scope, place.key], read).optional()
}

fn claim(connection: &Connection, place: &Place, owner: [u8; 16]) -> rusqlite::Result<i64> {
    let ends = now() + micros(LEASE);
    assert!(find(connection, place)?.is_none(), "a key is not new");
    let token = connection.prepare_cached(RESERVE)?.query_row([1], |row| row.get(0))?;
    let print: Option<[u8; 16]> = None;
    connection.prepare_cached(INSERT)?.execute(params![ends, owner, print, token, 1, place.scope, place.key])?;
    Ok(token)
}

fn complete(connection: &Connection, place: &Place, token: i64) -> rusqlite::Result<()> {
    let ends = now() + micros(RETENTION);
    let row = find(connection, place)?.filter(|row| row.token == token);
    let Some(row) = row else { panic!("a claim is gone") };
    connection.prepare_cached(COMPLETE)?.execute(params![ends, OUTCOME, row.id])?;
    Ok(())
}

thread_local! {
    /// The connection that a thread reads with, and to what.
    static READER: RefCell<Option<(PathBuf, Connection)>> = const { RefCell::new(None) };
}

/// What is there, by the thread's own connection.
fn read(path: &Path, place: &Place) -> Option<Row> {
    READER.with_borrow_mut(|reader| {
        let reader = match reader {
            Some((to, connection)) if &**to == path => connection,
            other => &mut other.insert((path.to_owned(), connect(path))).1,
        };
        must("not read", find(reader, place))
    })
}

impl Peer for Bare {
    async fn replay(self, random: u64) {
        let row = read(&self.path, self.known.pick(random));
        let answers =
            |row: Row| row.ends > Some(now()) && row.outcome.is_some_and(|found| found.len() == OUTCOME.len());
        assert!(row.is_some_and(answers), "a known key has no outcome");
    }

    async fn fresh(self, random: u64) {
        let place = place(random);
        let token = self.write(|connection| claim(connection, &place, owner(random)));
        self.write(|connection| complete(connection, &place, token));
    }
}

#[cfg(test)]
mod tests {
    use super::{COMPLETE, FIND, INSERT, RESERVE};

    #[test]
    fn the_statements_are_those_of_the_store() {
        let ledger = include_str!("../../../../idempotent-core/src/backend/sqlite/ledger.rs");
        let row = include_str!("../../../../idempotent-core/src/backend/sqlite/row.rs");
        for (sql, source) in [(RESERVE, ledger), (INSERT, ledger), (COMPLETE, ledger), (FIND, row)] {
            assert!(source.contains(sql), "{sql}");
        }
    }
}
