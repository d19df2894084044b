//! A record as the columns of a row, and back.

use super::fault::Fault;
use crate::clock::{Now, Timestamp};
use crate::record::{Asker, Owner, Record, State, Verdict, judge};
use crate::store::{Claim, Claimed, Place, StoreError};
use rusqlite::types::Type;
use rusqlite::{Connection, Error, Row, params};
use std::time::Duration;

pub(super) const IN_FLIGHT: i64 = 1;
pub(super) const COMPLETED: i64 = 2;
pub(super) const INTERRUPTED: i64 = 3;

pub(super) const CORRUPT: &str = "a record in the SQLite file is not one that this version can read; \
    use the version that wrote it, or forget the record";

const FIND: &str = "SELECT state, ends, owner, outcome, fingerprint, token, attempt, id
    FROM idempotently_record WHERE scope = ?1 AND key = ?2";

/// A record, and the row that it is in.
pub(super) struct Held {
    pub(super) id: i64,
    pub(super) record: Record,
}

/// What is held under a key, whether its retention is over or not.
pub(super) fn find(connection: &Connection, place: &Place, now: &Now) -> Result<Option<Held>, Fault> {
    let mut statement = connection.prepare_cached(FIND)?;
    let mut rows = statement.query(params![place.scope, place.key])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(Held { record: record(row, now)?, id: row.get(7)? }))
}

/// A record from a row that begins with the seven columns of one.
pub(super) fn record(row: &Row<'_>, now: &Now) -> Result<Record, Fault> {
    read(row, now).map_err(|error| Fault::Record(StoreError::caused(CORRUPT, error).permanent()))
}

fn read(row: &Row<'_>, now: &Now) -> Result<Record, Error> {
    let state = match row.get(0)? {
        IN_FLIGHT => {
            let holder: Vec<u8> = row.get(2)?;
            let (owner, lease_ends) = lease(&holder, row.get(1)?, now)
                .ok_or_else(|| Error::InvalidColumnType(2, "owner".into(), Type::Blob))?;
            State::InFlight { owner, lease_ends }
        }
        COMPLETED => {
            let ends: Option<i64> = row.get(1)?;
            State::Completed { outcome: row.get(3)?, ends: ends.map(Timestamp::from_micros) }
        }
        INTERRUPTED => State::Interrupted,
        unknown => return Err(Error::IntegralValueOutOfRange(0, unknown)),
    };
    let token: i64 = row.get(5)?;
    let token = u64::try_from(token).map_err(|_| Error::IntegralValueOutOfRange(5, token))?;
    Ok(Record { state, fingerprint: row.get(4)?, token, attempt: row.get(6)? })
}

/// How much of the column `owner` is the owner.
const OWNER: usize = 16;
/// The end of the boot's id, after which the time in that boot follows.
const BOOT: usize = OWNER + 16;

/// The columns `owner` and `ends` of a lease that begins now. The first holds the lease's end by the time since the boot
/// too, where the system has it.
pub(super) fn holder(owner: Owner, lease: Duration, now: &Now) -> (Vec<u8>, i64) {
    let mut holder = owner.0.to_vec();
    if let Some(boot) = now.boot {
        holder.extend(boot.id);
        holder.extend(boot.at.after(lease).as_micros().to_be_bytes());
    }
    (holder, now.wall.after(lease).as_micros())
}

/// The owner in its column.
pub(super) fn owner(holder: &[u8]) -> Option<Owner> {
    holder.first_chunk().copied().map(Owner)
}

/// Who has a key, and until when by what the wall clock says now. A lease of another boot is over: its holder is gone. One
/// without a boot is judged by the wall clock, by which it was given.
pub(super) fn lease(holder: &[u8], ends: i64, now: &Now) -> Option<(Owner, Timestamp)> {
    let owner = owner(holder)?;
    let since_boot = match holder.get(OWNER..)? {
        [] => None,
        _ => Some((holder.get(OWNER..BOOT)?, i64::from_be_bytes(holder.get(BOOT..)?.try_into().ok()?))),
    };
    let ends = match (since_boot, now.boot) {
        (Some((id, ends)), Some(boot)) if id == boot.id => now.wall.after(boot.at.until(Timestamp::from_micros(ends))),
        (Some(_), Some(_)) => now.wall,
        (None, _) | (_, None) => Timestamp::from_micros(ends),
    };
    Some((owner, ends))
}

/// A token as a column holds it; one that was never granted is held by no row.
pub(super) fn token(token: u64) -> i64 {
    i64::try_from(token).unwrap_or(-1)
}

/// What is to be done about a claim.
pub(super) enum Ruling {
    /// It is answered, and nothing is written.
    Answer(Claimed),
    /// The key is granted, for the `attempt`th time.
    Grant { attempt: u32 },
    /// The key is the caller's already, and its lease begins anew.
    Mine { token: u64, attempt: u32 },
    /// The record becomes interrupted.
    Interrupt,
}

/// What is to be done about a claim, given what is held under the key.
pub(super) fn rule(held: Option<Record>, claim: &Claim, now: Timestamp) -> Ruling {
    let asker = Asker { owner: claim.owner, fingerprint: claim.fingerprint, interrupted: claim.interrupted };
    Ruling::Answer(match (judge(held.as_ref(), &asker, now), held) {
        (Verdict::Grant { attempt }, _) => return Ruling::Grant { attempt },
        (Verdict::Interrupt, _) => return Ruling::Interrupt,
        (Verdict::Mine, Some(Record { token, attempt, .. })) => return Ruling::Mine { token, attempt },
        (Verdict::Completed, Some(Record { state: State::Completed { outcome, .. }, .. })) => {
            Claimed::Completed { outcome }
        }
        (Verdict::InFlight(remaining), _) => Claimed::InFlight { remaining },
        (Verdict::Mismatch, _) => Claimed::Mismatch,
        (Verdict::Mine | Verdict::Completed | Verdict::Interrupted, _) => Claimed::Interrupted,
    })
}
