//! The verbs: requests into statements, and rows into answers.

use super::doubt::{Doubt, ServerClock};
use super::job::{Job, Kind, Page, Queued, Ticket};
use super::row::{self, corrupt, micros};
use super::sql;
use crate::clock::Timestamp;
use crate::record::{Completion, OnInterruption, Record, State, judge_completion};
use crate::store::{
    AdoptRequest, Adopted, Claim, Claimed, CompleteRequest, Glimpse, Hold, Place, Recorded, Standing, StoreError,
};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection, Error, PgConnection, Postgres, Row, query};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// The channel on which processes tell each other.
pub(super) const CHANNEL: &str = "idempotently";

/// The numbers of the places whose records changed.
pub(super) type Changed = Vec<u64>;

/// Where the rows about claims have the server's time.
const TIME: usize = 11;

type Statement<'q> = Query<'q, Postgres, PgArguments>;

/// Sends one statement for all of a batch, which are of one kind, but for claims. Nothing is filled in where there is no
/// answer yet.
pub(super) async fn run(connection: &mut PgConnection, batch: &mut [Queued]) -> Result<Changed, Error> {
    match batch.first().map(|queued| queued.job.kind()) {
        None | Some(Kind::Claim) => Ok(Changed::new()),
        Some(Kind::Complete) => complete(connection, batch).await,
        Some(Kind::Free) => release(connection, batch, sql::FREE).await,
        Some(Kind::GiveUp) => release(connection, batch, sql::GIVE_UP).await,
        Some(Kind::Alone) => alone(connection, batch).await,
    }
}

async fn fetch(connection: &mut PgConnection, statement: Statement<'_>) -> Result<Vec<PgRow>, Error> {
    statement.fetch_all(connection).await
}

/// Scopes and keys as columns hold them.
fn places<'p>(places: impl IntoIterator<Item = &'p Place>) -> (Vec<String>, Vec<String>) {
    places.into_iter().map(|place| (row::held(&place.scope).into(), row::held(&place.key).into())).unzip()
}

/// Which request of a batch a row is about, and whether something was written for it.
fn about(row: &PgRow) -> Result<(usize, bool), Error> {
    let number: i64 = row.try_get(0)?;
    Ok((usize::try_from(number - 1).unwrap_or(usize::MAX), row.try_get(1)?))
}

/// What the server's clock says.
pub(super) async fn time(connection: &mut PgConnection) -> Result<Timestamp, Error> {
    let rows = fetch(connection, query("SELECT clock_timestamp()")).await?;
    let told = rows.first().map(|row| row::moment(row, 0)).transpose()?.flatten();
    told.ok_or(Error::RowNotFound)
}

/// Sends one statement for all claims of a batch, which take nothing after their last moment.
pub(super) async fn claim(
    connection: &mut PgConnection,
    batch: &mut [Queued],
    last_moment: Timestamp,
    clock: &mut ServerClock,
) -> Result<Changed, Error> {
    let last_moment = last_moment.as_micros();
    let rows = {
        let claims: Vec<&Claim> = batch.iter().filter_map(|queued| as_claim(&queued.job)).collect();
        if let [one] = claims.as_slice() {
            let statement = query(sql::CLAIM)
                .bind(row::held(&one.place.scope).into_owned())
                .bind(row::held(&one.place.key).into_owned())
                .bind(one.owner.0.to_vec())
                .bind(one.fingerprint.map(Vec::from))
                .bind(micros(one.lease))
                .bind(last_but_one(one.interrupted))
                .bind(row::number(&one.place).cast_signed())
                .bind(last_moment);
            fetch(connection, statement).await?
        } else {
            let (scopes, keys) = places(claims.iter().map(|claim| &claim.place));
            let statement = query(sql::CLAIMS)
                .bind(scopes)
                .bind(keys)
                .bind(claims.iter().map(|claim| claim.owner.0.to_vec()).collect::<Vec<_>>())
                .bind(claims.iter().map(|claim| claim.fingerprint.map(Vec::from)).collect::<Vec<Option<Vec<u8>>>>())
                .bind(claims.iter().map(|claim| micros(claim.lease)).collect::<Vec<_>>())
                .bind(claims.iter().map(|claim| last_but_one(claim.interrupted)).collect::<Vec<_>>())
                .bind(claims.iter().map(|claim| row::number(&claim.place).cast_signed()).collect::<Vec<_>>())
                .bind(last_moment);
            fetch(connection, statement).await?
        }
    };
    match rows.first().map(|row| row::moment(row, TIME)).transpose()?.flatten() {
        Some(said) => clock.hear(said),
        None => clock.miss(),
    }
    let mut changed = Changed::new();
    for row in &rows {
        let (index, wrote) = about(row)?;
        let Some(Queued { job: Job::Claim(claim, ticket), .. }) = batch.get_mut(index) else { continue };
        match (row::record(row, 2), wrote) {
            (Err(error), _) => ticket.fill(Err(error)),
            (Ok((record, _)), true) => {
                if record.state == State::Interrupted {
                    changed.push(row::number(&claim.place));
                }
                ticket.fill(Ok(written(&record)));
            }
            (Ok((record, now)), false) => {
                if let Some(answer) = row::answer(record, claim, now) {
                    ticket.fill(Ok(answer));
                }
            }
        }
    }
    Ok(changed)
}

pub(super) fn as_claim(job: &Job) -> Option<&Claim> {
    if let Job::Claim(claim, _) = job { Some(claim) } else { None }
}

/// Gives back what claims may have been granted of which nobody heard. Returns the indices of those that are over and done
/// with, and the numbers of the places that were given back.
pub(super) async fn disclaim(
    connection: &mut PgConnection,
    doubts: &[Doubt],
) -> Result<(HashSet<usize>, Changed), Error> {
    let (scopes, keys) = places(doubts.iter().map(|doubt| &doubt.place));
    let numbers: Vec<i64> = doubts.iter().map(|doubt| row::number(&doubt.place).cast_signed()).collect();
    let mut transaction = connection.begin_with(sql::BEGIN).await?;
    query(sql::ALONE).bind(scopes.clone()).bind(keys.clone()).bind(numbers).execute(&mut *transaction).await?;
    let statement = query(sql::DISCLAIM)
        .bind(scopes)
        .bind(keys)
        .bind(doubts.iter().map(|doubt| doubt.owner.0.to_vec()).collect::<Vec<_>>())
        .bind(doubts.iter().map(|doubt| doubt.last.moment.as_micros()).collect::<Vec<_>>())
        .bind(doubts.iter().flat_map(|doubt| &doubt.told).map(|token| row::token(*token)).collect::<Vec<_>>());
    let rows = fetch(&mut transaction, statement).await?;
    transaction.commit().await?;
    let (mut over, mut changed) = (HashSet::with_capacity(rows.len()), Changed::new());
    for row in &rows {
        let (index, was_granted) = about(row)?;
        over.insert(index);
        if was_granted && let Some(doubt) = doubts.get(index) {
            changed.push(row::number(&doubt.place));
        }
    }
    Ok((over, changed))
}

/// What a claim comes to that wrote this.
fn written(record: &Record) -> Claimed {
    match record.state {
        State::InFlight { .. } => Claimed::Granted { token: record.token, attempt: record.attempt },
        State::Interrupted | State::Completed { .. } => Claimed::Interrupted,
    }
}

/// How many attempts may be followed by another one.
fn last_but_one(interrupted: OnInterruption) -> i64 {
    match interrupted {
        OnInterruption::Retry => i64::MAX,
        OnInterruption::RetryUpTo(retries) => retries.into(),
        OnInterruption::Fail => 0,
    }
}

async fn complete(connection: &mut PgConnection, batch: &mut [Queued]) -> Result<Changed, Error> {
    let rows = {
        let jobs: Vec<_> = batch.iter().filter_map(|queued| as_complete(&queued.job)).collect();
        if let [CompleteRequest { hold, outcome, retention, .. }] = jobs.as_slice() {
            let statement = query(sql::COMPLETE)
                .bind(row::held(&hold.place.scope).into_owned())
                .bind(row::held(&hold.place.key).into_owned())
                .bind(row::token(hold.token))
                .bind(outcome.as_slice())
                .bind(retention.map(micros));
            fetch(connection, statement).await?
        } else {
            let (scopes, keys) = places(jobs.iter().map(|request| &request.hold.place));
            let statement = query(sql::COMPLETES)
                .bind(scopes)
                .bind(keys)
                .bind(jobs.iter().map(|request| row::token(request.hold.token)).collect::<Vec<_>>())
                .bind(jobs.iter().map(|request| request.outcome.as_slice()).collect::<Vec<&[u8]>>())
                .bind(jobs.iter().map(|request| request.retention.map(micros)).collect::<Vec<Option<i64>>>());
            fetch(connection, statement).await?
        }
    };
    // A key that no row is about has no record.
    let mut came_to: Vec<Option<Result<Recorded, StoreError>>> =
        batch.iter().map(|_| Some(Ok(Recorded::Lost))).collect();
    let mut changed = Changed::new();
    for row in &rows {
        let (index, wrote) = about(row)?;
        let Some(Queued { job: Job::Complete(request, ..), .. }) = batch.get(index) else { continue };
        came_to[index] = if wrote {
            changed.push(row::number(&request.hold.place));
            Some(Ok(Recorded::Done))
        } else {
            row::record(row, 2).map(|(record, now)| unwritten(record, request, now)).transpose()
        };
    }
    for (queued, came_to) in batch.iter_mut().zip(came_to) {
        if let (Job::Complete(.., ticket), Some(came_to)) = (&mut queued.job, came_to) {
            ticket.fill(came_to);
        }
    }
    Ok(changed)
}

fn as_complete(job: &Job) -> Option<&CompleteRequest> {
    if let Job::Complete(request, _) = job { Some(request) } else { None }
}

/// What an outcome that was not written comes to; nothing where the record has changed since it was read.
fn unwritten(record: Record, request: &CompleteRequest, now: Timestamp) -> Option<Recorded> {
    match (judge_completion(Some(&record), request.hold.token, request.fingerprint, now), record.state) {
        (Completion::Record, _) => None,
        (Completion::Already, _) => Some(Recorded::Done),
        (Completion::Superseded, State::Completed { outcome, .. }) => Some(Recorded::Superseded { outcome }),
        (Completion::Superseded | Completion::Lost, _) => Some(Recorded::Lost),
    }
}

async fn adopt(
    connection: &mut PgConnection,
    request: &AdoptRequest,
    ticket: &mut Ticket<Adopted>,
) -> Result<Changed, Error> {
    let statement = at(sql::ADOPT, &request.place)
        .bind(request.owner.0.to_vec())
        .bind(request.fingerprint.map(Vec::from))
        .bind(row::number(&request.place).cast_signed())
        .bind(last_but_one(request.interrupted))
        .bind(request.outcome.as_slice())
        .bind(request.retention.map(micros));
    let rows = fetch(connection, statement).await?;
    // Without a row another transaction was in the way, and it is asked again.
    let Some(row) = rows.first() else { return Ok(Changed::new()) };
    let (_, wrote) = about(row)?;
    match row::record(row, 2) {
        Err(error) => ticket.fill(Err(error)),
        Ok((Record { state, .. }, _)) if wrote => {
            let is_recorded = matches!(state, State::Completed { .. });
            ticket.fill(Ok(if is_recorded { Adopted::Recorded } else { Adopted::Interrupted }));
            return Ok(vec![row::number(&request.place)]);
        }
        Ok((record, now)) => {
            if let Some(adopted) = row::unadopted(record, request, now) {
                ticket.fill(Ok(adopted));
            }
        }
    }
    Ok(Changed::new())
}

async fn release(connection: &mut PgConnection, batch: &mut [Queued], sql: &'static str) -> Result<Changed, Error> {
    let released = {
        let holds: Vec<&Hold> = batch.iter().filter_map(|queued| as_release(&queued.job)).collect();
        numbers(connection, holds_statement(sql, &holds)).await?
    };
    let mut changed = Changed::new();
    for (index, queued) in batch.iter_mut().enumerate() {
        let Job::Release(hold, _, ticket) = &mut queued.job else { continue };
        if released.contains(&index) {
            changed.push(row::number(&hold.place));
        }
        ticket.fill(Ok(released.contains(&index)));
    }
    Ok(changed)
}

fn as_release(job: &Job) -> Option<&Hold> {
    if let Job::Release(hold, ..) = job { Some(hold) } else { None }
}

fn holds_statement(sql: &'static str, holds: &[&Hold]) -> Statement<'static> {
    let (scopes, keys) = places(holds.iter().map(|hold| &hold.place));
    query(sql).bind(scopes).bind(keys).bind(holds.iter().map(|hold| row::token(hold.token)).collect::<Vec<_>>())
}

/// Which requests a statement came through for.
async fn numbers(connection: &mut PgConnection, statement: Statement<'_>) -> Result<Vec<usize>, Error> {
    let rows = fetch(connection, statement).await?;
    rows.iter().map(|row| Ok(usize::try_from(row.try_get::<i64, _>(0)? - 1).unwrap_or(usize::MAX))).collect()
}

async fn renew(connection: &mut PgConnection, holds: &[Hold], lease: Duration) -> Result<Vec<bool>, Error> {
    // One row for one hold, however often it is asked for: a row is written once in a statement.
    let mut index: HashMap<&Hold, usize> = HashMap::with_capacity(holds.len());
    let mut once: Vec<&Hold> = Vec::with_capacity(holds.len());
    for hold in holds {
        index.entry(hold).or_insert_with(|| {
            once.push(hold);
            once.len() - 1
        });
    }
    let held = numbers(connection, holds_statement(sql::RENEW, &once).bind(micros(lease))).await?;
    Ok(holds.iter().map(|hold| index.get(hold).is_some_and(|index| held.contains(index))).collect())
}

/// The verbs that share no statement.
async fn alone(connection: &mut PgConnection, batch: &mut [Queued]) -> Result<Changed, Error> {
    let Some(Queued { job, .. }) = batch.first_mut() else { return Ok(Changed::new()) };
    match job {
        Job::Renew(holds, lease, ticket) => ticket.fill(Ok(renew(connection, holds, *lease).await?)),
        Job::Adopt(request, ticket) => return adopt(connection, request, ticket).await,
        Job::Peek(place, ticket) => {
            let statement = at(sql::PEEK, place);
            let rows = fetch(connection, statement).await?;
            ticket.fill(rows.first().map_or(Ok(None), |row| glimpse(row, place.clone())));
        }
        Job::Forget(place, ticket) => {
            let rows = fetch(connection, at(sql::FORGET, place)).await?;
            let Some(row) = rows.first() else {
                ticket.fill(Ok(false));
                return Ok(Changed::new());
            };
            ticket.fill(Ok(!row.try_get::<bool, _>(0)?));
            return Ok(vec![row::number(place)]);
        }
        Job::Resolve(place, outcome, retention, ticket) => {
            let statement = at(sql::RESOLVE, place).bind(outcome.clone()).bind(retention.map(micros));
            let resolved = statement.execute(connection).await?.rows_affected() > 0;
            ticket.fill(Ok(resolved));
            return Ok(if resolved { vec![row::number(place)] } else { Changed::new() });
        }
        Job::List(page, ticket) => ticket.fill(list(connection, page).await?),
        Job::Purge(limit, ticket) => {
            let statement = query(sql::PURGE).bind(i64::try_from(*limit).unwrap_or(i64::MAX));
            let gone = statement.execute(connection).await?.rows_affected();
            ticket.fill(Ok(usize::try_from(gone).unwrap_or(usize::MAX)));
        }
        Job::Tell(told, ticket) => {
            query(sql::TELL).bind(CHANNEL).bind(told.clone()).execute(connection).await?;
            ticket.fill(Ok(()));
        }
        Job::Claim(..) | Job::Complete(..) | Job::Release(..) | Job::Leave(_) => {}
    }
    Ok(Changed::new())
}

fn at<'q>(sql: &'static str, place: &Place) -> Statement<'q> {
    query(sql).bind(row::held(&place.scope).into_owned()).bind(row::held(&place.key).into_owned())
}

fn glimpse(row: &PgRow, place: Place) -> Result<Option<Glimpse>, StoreError> {
    let (record, now) = row::record(row, 0)?;
    Ok((!record.has_ended(now)).then(|| Glimpse::of(place, record)))
}

async fn list(connection: &mut PgConnection, page: &Page) -> Result<Result<Vec<Glimpse>, StoreError>, Error> {
    let only = match page.standing {
        Standing::InFlight => "t.state = 1 AND t.state <> 2",
        Standing::Completed => "t.state = 2 AND (t.ends IS NULL OR t.ends > clock_timestamp())",
        Standing::Interrupted => "t.state = 3 AND t.state <> 2",
    };
    let after = if page.after.is_some() { ">" } else { ">=" };
    let sql = format!("{}{only} AND t.key {after} $2 ORDER BY t.key LIMIT $3", sql::LIST);
    let statement = query(AssertSqlSafe(sql))
        .bind(row::held(&page.scope).into_owned())
        .bind(row::held(page.after.as_deref().unwrap_or_default()).into_owned())
        .bind(i64::try_from(page.limit).unwrap_or(i64::MAX));
    let rows = fetch(connection, statement).await?;
    let mut listed = Vec::with_capacity(rows.len());
    for row in &rows {
        let key: String = row.try_get(10)?;
        let Some(key) = row::told(&key) else { return Ok(Err(corrupt())) };
        let place = Place { scope: page.scope.clone(), key: key.as_ref().into() };
        match glimpse(row, place) {
            Ok(seen) => listed.extend(seen),
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(listed))
}
