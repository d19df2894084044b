//! The record as a row of the caller's own transaction, through the caller's client.
//!
//! SQLite has one writer at a time, so the row that is made first keeps all others out until the transaction ends. It
//! refers to a row that cannot be, which is checked at the commit and which only completion clears: so nothing half made
//! can be committed.

use super::row::{COMPLETED, CORRUPT, IN_FLIGHT, INTERRUPTED, lease};
use super::schema;
use crate::backend::marker::{CommitStatus, Found, Request, Trouble};
use crate::clock::{Now, WallClock};
use crate::policy::InFlight;
use crate::store::{Place, StoreError};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Error, Row, SqliteConnection, query, query_scalar, raw_sql};
use std::fmt;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

/// `?1` scope, `?2` key, `?3` owner, `?4` fingerprint, `?5` now. The first that is done is the write: a read would fix the
/// snapshot to one that cannot be written to. Without foreign keys nothing would hold the transaction back, so nothing is
/// made.
/// The token is used up in the same go, and only where the row was made.
const CLAIM: &str = "INSERT INTO idempotently_record AS t
        (scope, key, state, token, attempt, owner, fingerprint, unfinished)
    SELECT ?1, ?2, 2, last_token + 1, 1, ?3, ?4, 1 FROM idempotently_store, pragma_foreign_keys WHERE foreign_keys = 1
    ON CONFLICT (scope, key) DO UPDATE SET token = excluded.token, attempt = 1, owner = excluded.owner,
        fingerprint = excluded.fingerprint, ends = NULL, outcome = NULL, unfinished = 1
        WHERE t.state = 2 AND t.ends IS NOT NULL AND t.ends <= ?5
    RETURNING token;
    UPDATE idempotently_store SET last_token = last_token + 1 WHERE changes() > 0";

const FIND: &str = "SELECT state, ends, outcome, fingerprint, unfinished, owner FROM idempotently_record
    WHERE scope = ?1 AND key = ?2";

const COMPLETE: &str = "UPDATE idempotently_record SET outcome = ?4, ends = ?5, unfinished = NULL
    WHERE scope = ?1 AND key = ?2 AND token = ?3 AND unfinished IS NOT NULL";

const IS_RECORDED: &str = "SELECT EXISTS (SELECT 1 FROM idempotently_record
    WHERE scope = ?1 AND key = ?2 AND owner = ?3 AND unfinished IS NULL)";

const UNGUARDED: &str = "the connection to SQLite does not check foreign keys, and they keep a call that did not complete \
    from being committed; leave `foreign_keys` on in its options";

const MISSING: &str = "the tables of `idempotently` are not in the SQLite file; \
    call `idempotently::transaction::set_up`, or run `SqliteStore::schema_sql()` in a migration";

/// Takes the key for this transaction, or says who has it.
pub(crate) async fn claim(connection: &mut SqliteConnection, request: &Request) -> Result<Found, Trouble> {
    let limit = match request.in_flight {
        InFlight::Wait => return claim_now(connection, request).await,
        InFlight::WaitFor(limit) => i64::try_from(limit.as_millis()).unwrap_or(i64::MAX).min(i64::from(i32::MAX)),
        InFlight::Reject => 0,
    };
    let before: i64 = query_scalar("PRAGMA busy_timeout").fetch_one(&mut *connection).await.map_err(judge)?;
    let mut limited = BusyTimeout { connection, before, is_restored: false };
    set_busy_timeout(limited.connection, limit).await?;
    let found = claim_now(limited.connection, request).await;
    set_busy_timeout(limited.connection, before).await?;
    limited.is_restored = true;
    match found {
        Err(Trouble::Contended(error)) if limit > 0 => Err(Trouble::TimedOut(error)),
        // Whoever writes the file may be the one.
        Err(Trouble::Contended(_)) => Ok(Found::InFlight { visible: false }),
        found => found,
    }
}

/// A connection whose `busy_timeout` is another one for the time of a claim. It is the connection's, which goes back to its
/// pool, so a call that is dropped half way must not leave its own there.
struct BusyTimeout<'c> {
    connection: &'c mut SqliteConnection,
    before: i64,
    is_restored: bool,
}

impl Drop for BusyTimeout<'_> {
    fn drop(&mut self) {
        if !self.is_restored {
            // The first poll queues the statement behind those that the connection has been asked already; it is carried
            // out though nobody waits for it.
            let mut restoring = pin!(set_busy_timeout(self.connection, self.before));
            let _ = restoring.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}

async fn set_busy_timeout(connection: &mut SqliteConnection, millis: i64) -> Result<(), Trouble> {
    raw_sql(AssertSqlSafe(format!("PRAGMA busy_timeout = {millis}"))).execute(connection).await.map_err(judge)?;
    Ok(())
}

async fn claim_now(connection: &mut SqliteConnection, request: &Request) -> Result<Found, Trouble> {
    let Request { place, owner, fingerprint, .. } = request;
    let now = WallClock::default().read();
    let statement = query_scalar(CLAIM)
        .bind(&*place.scope)
        .bind(&*place.key)
        .bind(owner.0.to_vec())
        .bind(fingerprint.map(Vec::from))
        .bind(now.wall.as_micros());
    // All of it: a statement that is let go of before its end is taken back.
    let tokens: Vec<i64> = statement.fetch_all(&mut *connection).await.map_err(judge)?;
    if let Some(token) = tokens.first() {
        return Ok(Found::Granted { token: token.cast_unsigned() });
    }
    let found = query(FIND).bind(&*place.scope).bind(&*place.key).fetch_all(&mut *connection).await.map_err(judge)?;
    if let Some(row) = found.first() {
        return read(row, request, &now).map_err(Trouble::Store);
    }
    let guarded: bool = query_scalar("PRAGMA foreign_keys").fetch_one(connection).await.map_err(judge)?;
    Err(Trouble::Store(StoreError::new(if guarded { MISSING } else { UNGUARDED }).permanent()))
}

fn read(row: &SqliteRow, request: &Request, now: &Now) -> Result<Found, StoreError> {
    let unreadable = |error| StoreError::caused(CORRUPT, error);
    let state: i64 = row.try_get(0).map_err(unreadable)?;
    let ends: Option<i64> = row.try_get(1).map_err(unreadable)?;
    let fingerprint: Option<Vec<u8>> = row.try_get(3).map_err(unreadable)?;
    let unfinished: Option<i64> = row.try_get(4).map_err(unreadable)?;
    if unfinished.is_some() {
        return Ok(Found::Unfinished);
    }
    if fingerprint.as_deref() != request.fingerprint.as_ref().map(<[u8; 16]>::as_slice) {
        return Ok(Found::Mismatch);
    }
    Ok(match state {
        COMPLETED => Found::Completed { outcome: row.try_get(2).map_err(unreadable)? },
        // The transaction keeps the holder from writing its outcome: it must not wait for it.
        IN_FLIGHT => {
            let holder: Vec<u8> = row.try_get(5).map_err(unreadable)?;
            let lease = ends.and_then(|ends| lease(&holder, ends, now));
            let (_, ends) = lease.ok_or_else(|| StoreError::new(CORRUPT))?;
            if ends > now.wall { Found::InFlight { visible: false } } else { Found::Interrupted }
        }
        INTERRUPTED => Found::Interrupted,
        _ => return Err(StoreError::new(CORRUPT)),
    })
}

/// Records the outcome, as the last of the call; whether the row was there.
pub(crate) async fn complete(
    connection: &mut SqliteConnection,
    place: &Place,
    token: u64,
    outcome: &[u8],
    retention: Option<Duration>,
) -> Result<bool, Trouble> {
    let ends = retention.map(|span| WallClock::default().now().after(span).as_micros());
    let statement =
        query(COMPLETE).bind(&*place.scope).bind(&*place.key).bind(super::row::token(token)).bind(outcome).bind(ends);
    Ok(statement.execute(connection).await.map_err(judge)?.rows_affected() == 1)
}

/// Whether a transaction is committed in which these calls were recorded. Where none of them is in the file, nothing can
/// tell: a rollback to a savepoint may have taken them back before the commit.
pub(crate) async fn commit_status(
    connection: &mut SqliteConnection,
    recorded: &[Request],
) -> Result<CommitStatus, Trouble> {
    for Request { place, owner, .. } in recorded {
        let statement = query_scalar(IS_RECORDED).bind(&*place.scope).bind(&*place.key).bind(owner.0.to_vec());
        if statement.fetch_one(&mut *connection).await.map_err(judge)? {
            return Ok(CommitStatus::Committed);
        }
    }
    Ok(CommitStatus::Unknown)
}

/// Creates the tables where they are not there.
pub(crate) async fn set_up(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    raw_sql(schema::SQL).execute(&mut *connection).await.map_err(explain)?;
    let version = query_scalar::<_, i64>("SELECT version FROM idempotently_store").fetch_one(connection).await;
    if version.map_err(explain)? == schema::VERSION {
        Ok(())
    } else {
        Err(StoreError::new(schema::UNKNOWN).permanent())
    }
}

/// What an error of SQLite means to a transaction.
pub(crate) fn judge(error: Error) -> Trouble {
    let Error::Database(database) = &error else { return Trouble::Unknown(explain(error)) };
    let code: i32 = database.code().and_then(|code| code.parse().ok()).unwrap_or_default();
    match (code, code & 0xff) {
        // Busy, in all its kinds; locked, by another connection that shares the cache.
        (_, 5 | 6) => Trouble::Contended(explain(error)),
        // A foreign key, which at the end of a statement outside a transaction is ours.
        (787, _) => Trouble::NoTransaction(explain(error)),
        (_, 19) => Trouble::Aborted(explain(error)),
        (_, 10) => Trouble::Unknown(explain(error)),
        _ => Trouble::Store(explain(error)),
    }
}

fn explain(error: Error) -> StoreError {
    match error {
        Error::Database(error) => {
            let message = error.message();
            let missing = message.contains("no such table: idempotently") || message.contains("no such column");
            let what = if missing { MISSING } else { "SQLite answered with an error" };
            StoreError::caused(what, Told(error.to_string()))
        }
        error => StoreError::caused("the connection to SQLite failed", Told(error.to_string())),
    }
}

/// What SQLite said.
#[derive(Debug)]
struct Told(String);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Told {}
