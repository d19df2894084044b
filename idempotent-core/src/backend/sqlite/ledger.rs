//! The verbs, inside a transaction that has the file to itself.

use super::fault::Fault;
use super::row::{self, Held, Ruling};
use crate::clock::{Now, Timestamp, WallClock};
use crate::record::{AdoptionDecision, Asker, Completion, Record, State, decide_adoption, judge_completion};
use crate::store::{AdoptRequest, Adopted, Claim, Claimed, CompleteRequest, Hold, Place, Recorded, Release};
use rusqlite::{CachedStatement, Connection, Params, Row, params};
use std::ops::RangeInclusive;
use std::time::Duration;

const RESERVE: &str = "UPDATE idempotently_store SET last_token = last_token + ?1 RETURNING last_token";
const INSERT: &str = "INSERT INTO idempotently_record (state, ends, owner, fingerprint, token, attempt, scope, key)
    VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const TAKE: &str = "UPDATE idempotently_record
    SET state = 1, ends = ?1, owner = ?2, fingerprint = ?3, token = ?4, attempt = ?5, outcome = NULL WHERE id = ?6";
const HOLDER: &str =
    "SELECT id, owner FROM idempotently_record WHERE scope = ?1 AND key = ?2 AND state = 1 AND token = ?3";
const RENEW: &str = "UPDATE idempotently_record SET ends = ?1, owner = ?2 WHERE id = ?3";
const INSERT_OUTCOME: &str = "INSERT INTO idempotently_record
    (state, ends, outcome, fingerprint, token, attempt, scope, key) VALUES (2, ?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const ADOPT: &str = "UPDATE idempotently_record
    SET state = 2, ends = ?1, outcome = ?2, owner = NULL, fingerprint = ?3, token = ?4, attempt = ?5 WHERE id = ?6";
const COMPLETE: &str = "UPDATE idempotently_record SET state = 2, ends = ?1, outcome = ?2, owner = NULL WHERE id = ?3";
const INTERRUPT: &str =
    "UPDATE idempotently_record SET state = 3, ends = NULL, outcome = NULL, owner = NULL WHERE id = ?1";
const FREE: &str = "DELETE FROM idempotently_record WHERE scope = ?1 AND key = ?2 AND state = 1 AND token = ?3";
const GIVE_UP: &str = "UPDATE idempotently_record SET state = 3, ends = NULL, owner = NULL
    WHERE scope = ?1 AND key = ?2 AND state = 1 AND token = ?3";
const FORGET: &str = "DELETE FROM idempotently_record WHERE scope = ?1 AND key = ?2
    RETURNING state = 2 AND ends IS NOT NULL AND ends <= ?3";
const INTERRUPTED: &str = "SELECT id FROM idempotently_record WHERE scope = ?1 AND key = ?2 AND state = 3";
const RESOLVE: &str = "UPDATE idempotently_record SET state = 2, ends = ?1, outcome = ?2, token = ?3 WHERE id = ?4";
const PURGE: &str = "DELETE FROM idempotently_record WHERE id IN (SELECT id FROM idempotently_record
    WHERE state = 2 AND ends IS NOT NULL AND ends <= ?1 ORDER BY ends LIMIT ?2)";

/// The records, in one transaction.
pub(super) struct Ledger<'t> {
    connection: &'t Connection,
    clock: &'t WallClock,
    tokens: RangeInclusive<i64>,
    takers: usize,
    changed: Vec<Place>,
}

impl<'t> Ledger<'t> {
    /// For as many requests that take a token, so that all tokens are reserved in one step.
    pub(super) fn new(connection: &'t Connection, clock: &'t WallClock, takers: usize) -> Self {
        // Nothing is reserved before the first grant: a transaction without one leaves the counter's page alone.
        Self { connection, clock, tokens: RangeInclusive::new(1, 0), takers, changed: Vec::new() }
    }

    /// The keys whose records changed.
    pub(super) fn into_changed(self) -> Vec<Place> {
        self.changed
    }

    pub(super) fn claim(&mut self, claim: &Claim) -> Result<Claimed, Fault> {
        let now = self.clock.read();
        let (id, record) = row::find(self.connection, &claim.place, &now)?.map(|held| (held.id, held.record)).unzip();
        match (row::rule(record, claim, now.wall), id) {
            (Ruling::Grant { attempt }, id) => self.grant(claim, id, attempt, &now),
            (Ruling::Mine { token, attempt }, Some(id)) => {
                let (owner, ends) = row::holder(claim.owner, claim.lease, &now);
                self.execute(RENEW, params![ends, owner, id])?;
                Ok(Claimed::Granted { token, attempt })
            }
            (Ruling::Interrupt, Some(id)) => {
                self.execute(INTERRUPT, [id])?;
                self.changed.push(claim.place.clone());
                Ok(Claimed::Interrupted)
            }
            (Ruling::Mine { .. } | Ruling::Interrupt, None) => Ok(Claimed::Interrupted),
            (Ruling::Answer(answer), _) => Ok(answer),
        }
    }

    fn grant(&mut self, claim: &Claim, id: Option<i64>, attempt: u32, now: &Now) -> Result<Claimed, Fault> {
        let token = self.token()?;
        let (owner, ends) = row::holder(claim.owner, claim.lease, now);
        let print = claim.fingerprint;
        if let Some(id) = id {
            self.execute(TAKE, params![ends, owner, print, token, attempt, id])?;
        } else {
            let Place { scope, key } = &claim.place;
            self.execute(INSERT, params![ends, owner, print, token, attempt, scope, key])?;
        }
        self.changed.push(claim.place.clone());
        Ok(Claimed::Granted { token: token.unsigned_abs(), attempt })
    }

    /// The next token: larger than all before, of every key and process.
    fn token(&mut self) -> Result<i64, Fault> {
        if let Some(token) = self.tokens.next() {
            return Ok(token);
        }
        let count = i64::try_from(self.takers).unwrap_or(1).max(1);
        let last: Option<i64> = self.row(RESERVE, [count], |row| row.get(0))?;
        let last = last.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        self.tokens = (last - count + 2)..=last;
        Ok(last - count + 1)
    }

    pub(super) fn complete(&mut self, request: &CompleteRequest) -> Result<Recorded, Fault> {
        let CompleteRequest { hold, fingerprint, outcome, retention } = request;
        let now = self.clock.read();
        let found = row::find(self.connection, &hold.place, &now)?;
        match (judge_completion(found.as_ref().map(|found| &found.record), hold.token, *fingerprint, now.wall), found) {
            (Completion::Record, Some(Held { id, .. })) => {
                self.execute(COMPLETE, params![ends(now.wall, *retention), outcome, id])?;
                self.changed.push(hold.place.clone());
                Ok(Recorded::Done)
            }
            (Completion::Already, _) => Ok(Recorded::Done),
            (
                Completion::Superseded,
                Some(Held { record: Record { state: State::Completed { outcome, .. }, .. }, .. }),
            ) => Ok(Recorded::Superseded { outcome }),
            (Completion::Record | Completion::Superseded | Completion::Lost, _) => Ok(Recorded::Lost),
        }
    }

    pub(super) fn adopt(&mut self, request: &AdoptRequest) -> Result<Adopted, Fault> {
        let now = self.clock.read();
        let &AdoptRequest { owner, fingerprint, interrupted, .. } = request;
        let (id, record) = row::find(self.connection, &request.place, &now)?.map(|held| (held.id, held.record)).unzip();
        match (decide_adoption(record.as_ref(), &Asker { owner, fingerprint, interrupted }, now.wall), record) {
            (AdoptionDecision::Record { attempt }, _) => {
                let (ends, token) = (ends(now.wall, request.retention), self.token()?);
                let AdoptRequest { place: Place { scope, key }, outcome, .. } = request;
                if let Some(id) = id {
                    self.execute(ADOPT, params![ends, outcome, fingerprint, token, attempt, id])?;
                } else {
                    self.execute(INSERT_OUTCOME, params![ends, outcome, fingerprint, token, attempt, scope, key])?;
                }
                self.changed.push(request.place.clone());
                Ok(Adopted::Recorded)
            }
            (AdoptionDecision::Completed, Some(Record { state: State::Completed { outcome, .. }, .. })) => {
                Ok(Adopted::Completed { outcome })
            }
            (AdoptionDecision::InFlight(remaining), _) => Ok(Adopted::InFlight { remaining }),
            (AdoptionDecision::Mismatch, _) => Ok(Adopted::Mismatch),
            (AdoptionDecision::Interrupt, _) => {
                self.execute(INTERRUPT, [id])?;
                self.changed.push(request.place.clone());
                Ok(Adopted::Interrupted)
            }
            (AdoptionDecision::Completed | AdoptionDecision::Interrupted, _) => Ok(Adopted::Interrupted),
        }
    }

    pub(super) fn release(&mut self, hold: &Hold, how: Release) -> Result<bool, Fault> {
        let sql = match how {
            Release::Free => FREE,
            Release::Interrupt => GIVE_UP,
        };
        let Place { scope, key } = &hold.place;
        let released = self.execute(sql, params![scope, key, row::token(hold.token)])? > 0;
        Ok(self.note(&hold.place, released))
    }

    pub(super) fn renew(&mut self, holds: &[Hold], lease: Duration) -> Result<Vec<bool>, Fault> {
        let now = self.clock.read();
        holds
            .iter()
            .map(|Hold { place: Place { scope, key }, token }| {
                let holder = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, Option<Vec<u8>>>(1)?));
                let held: Option<(i64, _)> = self.row(HOLDER, params![scope, key, row::token(*token)], holder)?;
                // Nobody can believe the holder of a record that cannot be read.
                let found = held.and_then(|(id, holder)| Some((id, row::owner(&holder?)?)));
                let Some((id, owner)) = found else { return Ok(false) };
                let (owner, ends) = row::holder(owner, lease, &now);
                Ok(self.execute(RENEW, params![ends, owner, id])? > 0)
            })
            .collect()
    }

    pub(super) fn forget(&mut self, place: &Place) -> Result<bool, Fault> {
        let now = self.clock.now().as_micros();
        let ended: Option<bool> = self.row(FORGET, params![place.scope, place.key, now], |row| row.get(0))?;
        Ok(self.note(place, ended == Some(false)))
    }

    pub(super) fn resolve(
        &mut self,
        place: &Place,
        outcome: &[u8],
        retention: Option<Duration>,
    ) -> Result<bool, Fault> {
        let interrupted = self.row(INTERRUPTED, params![place.scope, place.key], |row| row.get(0))?;
        let Some(id): Option<i64> = interrupted else { return Ok(false) };
        let ends = ends(self.clock.now(), retention);
        let token = self.token()?;
        self.execute(RESOLVE, params![ends, outcome, token, id])?;
        Ok(self.note(place, true))
    }

    pub(super) fn purge(&mut self, limit: usize) -> Result<usize, Fault> {
        let now = self.clock.now().as_micros();
        self.execute(PURGE, params![now, i64::try_from(limit).unwrap_or(i64::MAX)])
    }

    fn note(&mut self, place: &Place, changed: bool) -> bool {
        if changed {
            self.changed.push(place.clone());
        }
        changed
    }

    fn statement(&self, sql: &str) -> Result<CachedStatement<'t>, Fault> {
        Ok(self.connection.prepare_cached(sql)?)
    }

    fn execute(&self, sql: &str, params: impl Params) -> Result<usize, Fault> {
        Ok(self.statement(sql)?.execute(params)?)
    }

    /// What a statement returns of one row. It is run to its end: a change that is let go of earlier may be taken back.
    fn row<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Fault> {
        let mut statement = self.statement(sql)?;
        let rows: Vec<T> = statement.query_map(params, |row| read(row))?.collect::<rusqlite::Result<_>>()?;
        Ok(rows.into_iter().next())
    }
}

fn ends(now: Timestamp, retention: Option<Duration>) -> Option<i64> {
    retention.map(|span| now.after(span).as_micros())
}
