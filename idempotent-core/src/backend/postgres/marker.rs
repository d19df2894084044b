//! The record as a row of the caller's own transaction.
//!
//! The row is made first, and whoever else wants its key waits for the transaction to end: at a lock of the key's number,
//! which a durable claim looks at and does not wait for. It refers to a row that cannot be, which the server checks at
//! the commit and which only completion clears: so nothing half made can be committed.

use super::fault::explain;
use super::options::PostgresOptions;
use super::row::{self, micros};
use super::schema;
use super::sql::{columns, nothing, queue};
use crate::backend::marker::{CommitStatus, Found, Request, TransactionId, Trouble};
use crate::policy::InFlight;
use crate::record::{Asker, OnInterruption, Record, State, Verdict, judge as judge_record};
use crate::store::{Place, StoreError};
use sqlx::postgres::PgRow;
use sqlx::{Error, PgConnection, Row, query, query_scalar};
use std::time::Duration;

/// What a transaction with a call that is not completed fails with.
const GUARD: &str = "idempotently_call_is_not_completed";

/// How often a claim is repeated that found the key neither free nor taken, because others took and left it meanwhile.
const MOST_TRIES: u32 = 100;

const GRANTED: i16 = 1;
const SEEN: i16 = 2;
const BUSY: i16 = 3;

/// `$1` scope, `$2` key, `$3` owner, `$4` fingerprint, `$5` the place's number, `$6` lease in milliseconds.
///
/// `seen` is what is answered without a write. `alone` is made only where it is empty: it waits for other transactions
/// with the key. Whoever committed meanwhile is not in the statement's snapshot; then there is no row, or above READ
/// COMMITTED a serialization failure.
macro_rules! claim {
    ($seen:expr, $put:expr, $before:literal, [$($alone:expr),*], $after:literal) => {
        concat!(
            "WITH seen AS MATERIALIZED (
                SELECT ", columns!("t"), ", t.unfinished IS NOT NULL AS unfinished FROM idempotently_record t
                WHERE t.scope = $1 AND t.key = $2", $seen, "),
            ", $before, "
            alone AS MATERIALIZED (", $($alone,)* "),
            put AS (", $put, " RETURNING t.token, set_config('idle_in_transaction_session_timeout', $6, true))
            SELECT 1::smallint, false, false, 1::smallint, 2::smallint, put.token, 1::bigint, NULL::bytea,
                NULL::bytea, NULL::timestamptz, NULL::timestamptz, NULL::bytea, clock_timestamp() FROM put
            UNION ALL SELECT 2::smallint, seen.unfinished,
                current_setting('transaction_isolation') IN ('repeatable read', 'serializable'),
                ", columns!("seen"), ", clock_timestamp() FROM seen",
            $after
        )
    };
}

/// Makes the row. One of a durable holder's is not locked, for its lane would wait.
macro_rules! make {
    () => {
        "INSERT INTO idempotently_record AS t
            (scope, key, version, state, token, attempt, owner, fingerprint, unfinished)
        SELECT $1, $2, 1, 2, nextval('idempotently_token'), 1, $3, $4, 1 FROM alone WHERE alone.mine
        ON CONFLICT (scope, key) DO NOTHING"
    };
}

/// Takes the row of a record that has ended.
macro_rules! take {
    () => {
        "UPDATE idempotently_record t SET token = nextval('idempotently_token'), attempt = 1, owner = $3,
            fingerprint = $4, ends = NULL, outcome = NULL, unfinished = 1
        FROM alone WHERE alone.mine AND t.scope = $1 AND t.key = $2
            AND t.version = 1 AND t.state = 2 AND t.ends <= clock_timestamp()"
    };
}

/// The same statement for each thing that a duplicate may do.
struct Statements {
    wait: &'static str,
    /// `$7` how long to wait, in milliseconds. The caller's own limit comes back in the same statement, after the waiting.
    wait_for: &'static str,
    reject: &'static str,
}

macro_rules! statements {
    ($seen:expr, $put:expr) => {
        Statements {
            wait: claim!(
                $seen,
                $put,
                "",
                [
                    "SELECT pg_advisory_xact_lock(",
                    queue!("$5"),
                    ") IS NOT NULL AS mine WHERE NOT EXISTS (SELECT FROM seen)"
                ],
                ""
            ),
            wait_for: concat!(
                claim!(
                    $seen,
                    $put,
                    "old AS MATERIALIZED (
                        SELECT current_setting('lock_timeout') AS limit, set_config('lock_timeout', $7, true) AS set
                        WHERE NOT EXISTS (SELECT FROM seen)),",
                    [
                        "SELECT pg_advisory_xact_lock(",
                        queue!("$5"),
                        ") IS NOT NULL AS mine FROM old WHERE old.set IS NOT NULL"
                    ],
                    " UNION ALL SELECT 0::smallint, set_config('lock_timeout', old.limit, true) IS NULL, false, "
                ),
                nothing!(),
                ", clock_timestamp() FROM old"
            ),
            reject: concat!(
                claim!(
                    $seen,
                    $put,
                    "",
                    [
                        "SELECT pg_try_advisory_xact_lock(",
                        queue!("$5"),
                        ") AS mine WHERE NOT EXISTS (SELECT FROM seen)"
                    ],
                    " UNION ALL SELECT 3::smallint, false, false, "
                ),
                nothing!(),
                ", clock_timestamp() FROM alone WHERE NOT alone.mine"
            ),
        }
    };
}

const CLAIM: Statements = statements!("", make!());

/// Where the record was seen to have ended.
const TAKE: Statements =
    statements!(" AND (t.version = 1 AND t.state = 2 AND t.ends <= clock_timestamp()) IS NOT TRUE", take!());

/// `$1` scope, `$2` key, `$3` token, `$4` outcome, `$5` retention.
const COMPLETE: &str = "UPDATE idempotently_record SET outcome = $4,
        ends = clock_timestamp() + $5 * interval '1 microsecond', unfinished = NULL
    WHERE scope = $1 AND key = $2 AND token = $3 AND unfinished IS NOT NULL";

/// Fails in a transaction that has failed. A number is assigned at the first write.
const CHECK: &str = "SELECT txid_current_if_assigned() AS id, pg_postmaster_start_time() AS since";

/// `$1` the number of a transaction. The server forgets what became of very old ones.
const STATUS: &str = "SELECT txid_status($1), pg_postmaster_start_time()";

/// `$1` scopes, `$2` keys, `$3` owners.
const IS_ANY_RECORDED: &str = "SELECT EXISTS (
    SELECT FROM unnest($1::text[], $2::text[], $3::bytea[]) AS r(scope, key, owner)
    JOIN idempotently_record t ON t.scope = r.scope AND t.key = r.key AND t.owner = r.owner AND t.unfinished IS NULL)";

/// Takes the key for this transaction, or says who has it.
pub(crate) async fn claim(connection: &mut PgConnection, request: &Request) -> Result<Found, Trouble> {
    let (mut takes, mut has_taken) = (false, false);
    for _ in 0..MOST_TRIES {
        let sql = if takes { &TAKE } else { &CLAIM };
        let rows = ask(&mut *connection, request, sql).await.map_err(judge)?;
        has_taken |= takes;
        takes = match read(&rows, request).map_err(Trouble::Store)? {
            // Having tried to take the row, it may have locked one that the durable holder has to write: it must not wait.
            Came::To(Found::InFlight { .. }) if has_taken && request.in_flight != InFlight::Reject => break,
            Came::To(found) => return Ok(found),
            Came::ToAnEnd => true,
            Came::ToNothing => false,
        };
    }
    Err(Trouble::Contended(StoreError::new("others took the key again and again, or a durable call has it")))
}

/// What one statement came to.
enum Came {
    To(Found),
    /// The record has ended.
    ToAnEnd,
    /// Somebody was faster.
    ToNothing,
}

async fn ask(connection: &mut PgConnection, request: &Request, sql: &Statements) -> Result<Vec<PgRow>, Error> {
    let Request { place, owner, fingerprint, lease, in_flight } = request;
    let (sql, limit) = match in_flight {
        InFlight::Wait => (sql.wait, None),
        InFlight::WaitFor(limit) => (sql.wait_for, Some(millis(*limit))),
        InFlight::Reject => (sql.reject, None),
    };
    let mut statement = query(sql)
        .bind(row::held(&place.scope).into_owned())
        .bind(row::held(&place.key).into_owned())
        .bind(owner.0.to_vec())
        .bind(fingerprint.map(Vec::from))
        .bind(row::number(place).cast_signed())
        .bind(millis(*lease));
    if let Some(limit) = limit {
        statement = statement.bind(limit);
    }
    // All of it: outside a transaction the server says only at the very end that it takes the row back.
    statement.fetch_all(connection).await
}

/// As the server's settings have it, where 0 is for no limit at all.
fn millis(span: Duration) -> String {
    i32::try_from(span.as_millis()).unwrap_or(i32::MAX).max(1).to_string()
}

fn read(rows: &[PgRow], request: &Request) -> Result<Came, StoreError> {
    for row in rows {
        match row.try_get::<i16, _>(0).map_err(explain)? {
            GRANTED => {
                let token: i64 = row.try_get(5).map_err(explain)?;
                return Ok(Came::To(Found::Granted { token: token.cast_unsigned() }));
            }
            SEEN if row.try_get(1).map_err(explain)? => return Ok(Came::To(Found::Unfinished)),
            SEEN => return seen(row, request),
            BUSY => return Ok(Came::To(Found::InFlight { visible: true })),
            _ => {}
        }
    }
    Ok(Came::ToNothing)
}

fn seen(row: &PgRow, request: &Request) -> Result<Came, StoreError> {
    let fixed: bool = row.try_get(2).map_err(explain)?;
    let (record, now) = row::record(row, 3)?;
    let asker = Asker { owner: request.owner, fingerprint: request.fingerprint, interrupted: OnInterruption::Fail };
    Ok(Came::To(match (judge_record(Some(&record), &asker, now), record) {
        (Verdict::Grant { .. }, _) => return Ok(Came::ToAnEnd),
        (Verdict::Completed, Record { state: State::Completed { outcome, .. }, .. }) => Found::Completed { outcome },
        (Verdict::Mismatch, _) => Found::Mismatch,
        (Verdict::InFlight(_) | Verdict::Mine, _) => Found::InFlight { visible: !fixed },
        (Verdict::Completed | Verdict::Interrupt | Verdict::Interrupted, _) => Found::Interrupted,
    }))
}

/// Records the outcome, as the last of the call; whether the row was there.
pub(crate) async fn complete(
    connection: &mut PgConnection,
    place: &Place,
    token: u64,
    outcome: &[u8],
    retention: Option<Duration>,
) -> Result<bool, Trouble> {
    let statement = query(COMPLETE)
        .bind(row::held(&place.scope).into_owned())
        .bind(row::held(&place.key).into_owned())
        .bind(row::token(token))
        .bind(outcome)
        .bind(retention.map(micros));
    Ok(statement.execute(connection).await.map_err(judge)?.rows_affected() == 1)
}

/// Fails where the transaction has failed. What identifies it, where it has written anything.
pub(crate) async fn check(connection: &mut PgConnection) -> Result<Option<TransactionId>, Trouble> {
    let row = query(CHECK).fetch_one(connection).await.map_err(judge)?;
    let xid: Option<i64> = row.try_get(0).map_err(judge)?;
    let Some((xid, server_started)) = xid.zip(row::moment(&row, 1).map_err(judge)?) else { return Ok(None) };
    Ok(Some(TransactionId::Numbered { xid, server_started }))
}

/// What became of a transaction of another connection, in which these calls were recorded.
pub(crate) async fn commit_status(
    connection: &mut PgConnection,
    id: TransactionId,
    recorded: &[Request],
) -> Result<CommitStatus, Trouble> {
    if let TransactionId::Numbered { xid, server_started } = id {
        let row = query(STATUS).bind(xid).fetch_one(&mut *connection).await.map_err(judge)?;
        // Another server, or the same one started again, may have given the number to another transaction.
        if row::moment(&row, 1).map_err(judge)? == Some(server_started) {
            match row.try_get::<Option<String>, _>(0).map_err(judge)?.as_deref() {
                Some("aborted") => return Ok(CommitStatus::Aborted),
                Some("in progress") => return Ok(CommitStatus::InProgress),
                _ => {}
            }
        }
    }
    // Asked after the status, so that the snapshot has what was committed by then.
    let (scopes, keys): (Vec<String>, Vec<String>) = recorded
        .iter()
        .map(|Request { place, .. }| (row::held(&place.scope).into_owned(), row::held(&place.key).into_owned()))
        .unzip();
    let owners: Vec<Vec<u8>> = recorded.iter().map(|request| request.owner.0.to_vec()).collect();
    let statement = query_scalar(IS_ANY_RECORDED).bind(scopes).bind(keys).bind(owners);
    let is_recorded: bool = statement.fetch_one(connection).await.map_err(judge)?;
    Ok(if is_recorded { CommitStatus::Committed } else { CommitStatus::Unknown })
}

/// Creates the tables where they are not there.
pub(crate) async fn set_up(connection: &mut PgConnection) -> Result<(), StoreError> {
    schema::prepare(connection, &PostgresOptions::new()).await
}

/// What an error of the server means to a transaction.
pub(crate) fn judge(error: Error) -> Trouble {
    let Error::Database(database) = &error else { return Trouble::Unknown(explain(error)) };
    let guarded = database.constraint() == Some(GUARD);
    match database.code().as_deref().unwrap_or_default() {
        "40001" | "40P01" => Trouble::Contended(explain(error)),
        "55P03" => Trouble::TimedOut(explain(error)),
        "25P02" => Trouble::Aborted(explain(error)),
        "23503" if guarded => Trouble::NoTransaction(explain(error)),
        // A constraint of the caller's own that is checked at the commit.
        code if code.starts_with("23") => Trouble::Aborted(explain(error)),
        "25P03" => Trouble::Silent(explain(error)),
        code if code.starts_with("57P") || code.starts_with("08") => Trouble::Unknown(explain(error)),
        _ => Trouble::Store(explain(error)),
    }
}
