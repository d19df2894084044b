//! A record as the columns of a row, and back.

use crate::clock::Timestamp;
use crate::record::{AdoptionDecision, Asker, Owner, Record, State, Verdict, decide_adoption, judge};
use crate::store::{AdoptRequest, Adopted, Claim, Claimed, Place, StoreError};
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgRow, PgTypeInfo, PgValueRef};
use sqlx::{Decode, Error, Postgres, Row, Type};
use std::borrow::Cow;
use std::time::Duration;

pub(super) const COMPLETED: i16 = 2;
const IN_FLIGHT: i16 = 1;
const INTERRUPTED: i16 = 3;

/// The version of a record that this library reads and writes.
const VERSION: i16 = 1;

pub(super) const CORRUPT: &str = "a record in the PostgreSQL database is not one that this version can read; \
    use the version that wrote it, or forget the record";

/// How many columns [`record`] reads.
const COLUMNS: usize = 9;

/// A row that is not a record.
pub(super) fn corrupt() -> StoreError {
    StoreError::new(CORRUPT).permanent()
}

/// A record, and the server's time, from a row that has its columns from `first` on.
pub(super) fn record(row: &PgRow, first: usize) -> Result<(Record, Timestamp), StoreError> {
    read(row, first).ok_or_else(corrupt)
}

fn read(row: &PgRow, first: usize) -> Option<(Record, Timestamp)> {
    let version: Option<i16> = row.try_get(first).ok()?;
    if version != Some(VERSION) {
        return None;
    }
    let state = match row.try_get(first + 1).ok()? {
        IN_FLIGHT => {
            let owner: &[u8] = row.try_get(first + 4).ok()?;
            State::InFlight { owner: Owner(owner.try_into().ok()?), lease_ends: moment(row, first + 6).ok()?? }
        }
        COMPLETED => State::Completed { outcome: row.try_get(first + 8).ok()?, ends: moment(row, first + 7).ok()? },
        INTERRUPTED => State::Interrupted,
        _ => return None,
    };
    let token: i64 = row.try_get(first + 2).ok()?;
    let attempt: i64 = row.try_get(first + 3).ok()?;
    let fingerprint: Option<&[u8]> = row.try_get(first + 5).ok()?;
    let fingerprint = match fingerprint {
        None => None,
        Some(bytes) => Some(bytes.try_into().ok()?),
    };
    let record =
        Record { state, fingerprint, token: u64::try_from(token).ok()?, attempt: u32::try_from(attempt).ok()? };
    Some((record, moment(row, first + COLUMNS).ok()??))
}

pub(super) fn moment(row: &PgRow, column: usize) -> Result<Option<Timestamp>, Error> {
    let moment: Option<Moment> = row.try_get(column)?;
    Ok(moment.map(|Moment(at)| at))
}

/// A `timestamptz` as it comes over the wire, without a crate for calendars.
struct Moment(Timestamp);

/// `timestamptz`, which has had this number for as long as there is one.
const TIMESTAMPTZ: Oid = Oid(1184);

/// From the beginning of 1970, where this library's clock begins, to that of 2000, where PostgreSQL's does.
const FROM_1970_TO_2000: Duration = Duration::from_hours(262_968);

impl Type<Postgres> for Moment {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ)
    }
}

impl Decode<'_, Postgres> for Moment {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        let since_2000 = i64::from_be_bytes(value.as_bytes()?.try_into()?);
        Ok(Self(Timestamp::from_micros(since_2000).after(FROM_1970_TO_2000)))
    }
}

/// A span as the server counts it. The longest ends later than any other date that it can tell.
pub(super) fn micros(span: Duration) -> i64 {
    const LONGEST: i64 = 100_000 * 366 * 86_400 * 1_000_000;
    i64::try_from(span.as_micros()).map_or(LONGEST, |micros| micros.min(LONGEST))
}

/// A token as a column holds it; one that was never granted is held by no row.
pub(super) fn token(token: u64) -> i64 {
    i64::try_from(token).unwrap_or(-1)
}

/// A text as a column can hold it, in the same order: PostgreSQL has no place for the character 0.
pub(super) fn held(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', '\u{1}']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace('\u{1}', "\u{1}\u{2}").replace('\0', "\u{1}\u{1}"))
}

/// The text that a column holds.
pub(super) fn told(held: &str) -> Option<Cow<'_, str>> {
    if !held.contains('\u{1}') {
        return Some(Cow::Borrowed(held));
    }
    let mut text = String::with_capacity(held.len());
    let mut characters = held.chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            '\u{1}' => match characters.next()? {
                '\u{1}' => '\0',
                '\u{2}' => '\u{1}',
                _ => return None,
            },
            character => character,
        });
    }
    Some(Cow::Owned(text))
}

/// A number for a place, the same in every process: what waiters are told by, and what claims of one key queue at. Two
/// places that share one cost somebody a look, and nothing else.
pub(super) fn number(place: &Place) -> u64 {
    let mut hash = hmac_sha256::Hash::new();
    hash.update((place.scope.len() as u64).to_be_bytes());
    hash.update(place.scope.as_bytes());
    hash.update(place.key.as_bytes());
    hash.finalize().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// What a record says to a claim that changed nothing; nothing where the claim has to be made again, because the record
/// has changed since or is about to.
pub(super) fn answer(record: Record, claim: &Claim, now: Timestamp) -> Option<Claimed> {
    let asker = Asker { owner: claim.owner, fingerprint: claim.fingerprint, interrupted: claim.interrupted };
    Some(match (judge(Some(&record), &asker, now), record) {
        (Verdict::Grant { .. } | Verdict::Mine | Verdict::Interrupt, _) => return None,
        (Verdict::Completed, Record { state: State::Completed { outcome, .. }, .. }) => Claimed::Completed { outcome },
        (Verdict::InFlight(remaining), _) => Claimed::InFlight { remaining },
        (Verdict::Mismatch, _) => Claimed::Mismatch,
        (Verdict::Completed | Verdict::Interrupted, _) => Claimed::Interrupted,
    })
}

/// What a record says to an adoption that changed nothing; nothing where the adoption has to be made again.
pub(super) fn unadopted(record: Record, request: &AdoptRequest, now: Timestamp) -> Option<Adopted> {
    let AdoptRequest { owner, fingerprint, interrupted, .. } = *request;
    Some(match (decide_adoption(Some(&record), &Asker { owner, fingerprint, interrupted }, now), record) {
        (AdoptionDecision::Record { .. } | AdoptionDecision::Interrupt, _) => return None,
        (AdoptionDecision::Completed, Record { state: State::Completed { outcome, .. }, .. }) => {
            Adopted::Completed { outcome }
        }
        (AdoptionDecision::InFlight(remaining), _) => Adopted::InFlight { remaining },
        (AdoptionDecision::Mismatch, _) => Adopted::Mismatch,
        (AdoptionDecision::Completed | AdoptionDecision::Interrupted, _) => Adopted::Interrupted,
    })
}

#[cfg(test)]
mod tests {
    use super::{held, micros, number, told};
    use crate::store::Place;
    use std::time::Duration;

    #[test]
    fn a_text_is_held_without_a_zero_and_in_its_order() {
        let mut texts = ["", "\0", "\0\0", "\0\u{1}", "\u{1}", "\u{1}\0", "\u{1}\u{1}", "\u{2}", "a\0b", "a", "a\u{1}"];
        texts.sort_unstable();
        let mut columns: Vec<String> = texts.iter().map(|text| held(text).into_owned()).collect();
        assert!(columns.iter().all(|column| !column.contains('\0')));
        for (text, column) in texts.iter().zip(&columns) {
            assert_eq!(told(column).as_deref(), Some(*text));
        }
        let in_order = columns.clone();
        columns.sort_unstable();
        columns.dedup();
        assert_eq!(columns, in_order);
        assert_eq!(told("a\u{1}"), None);
        assert_eq!(told("a\u{1}b"), None);
    }

    #[test]
    fn a_place_has_the_same_number_everywhere() {
        let place = |scope: &str, key: &str| Place { scope: scope.into(), key: key.into() };
        assert_eq!(number(&place("payments.charge", "7")), 0x0594_4fca_eba6_8865);
        assert_ne!(number(&place("ab", "c")), number(&place("a", "bc")));
    }

    #[test]
    fn the_longest_span_can_be_added_to_a_date() {
        assert_eq!(micros(Duration::from_millis(3)), 3000);
        assert_eq!(micros(Duration::MAX), 100_000 * 366 * 86_400 * 1_000_000);
    }
}
