//! Arguments of scripts, their answers, and the beginning of a record.

use super::doubt::{Doubt, Settled};
use super::fault::UNREADABLE;
use super::name::Name;
use super::script::{ADOPT, CLAIM, COMPLETE, Call, DISCLAIM, FORGET, PEEK, RELEASE, RENEW, RESOLVE, Script};
use crate::record::OnInterruption;
use crate::store::{
    AdoptRequest, Adopted, Claim, Claimed, CompleteRequest, Glimpse, Hold, Place, Recorded, Release, Standing,
    StoreError,
};
use ::redis::Value;
use std::time::Duration;

/// The version of the records that this library writes and reads.
const VERSION: u8 = 1;
const IN_FLIGHT: u8 = 1;
const COMPLETED: u8 = 2;
const INTERRUPTED: u8 = 3;

/// How much of a record says where it stands and who has it: version, state, mark and token.
pub(super) const BEGINNING: isize = 11;

/// The longest span that is counted, in microseconds: beyond it, the server's numbers would not be exact. 142 years.
const LONGEST: u64 = 1 << 52;

fn call(script: &'static Script, name: Vec<u8>, place: &Place, more: Vec<Vec<u8>>) -> Call {
    let mut arguments = vec![place.scope.as_bytes().to_vec(), place.key.as_bytes().to_vec()];
    arguments.extend(more);
    Call { script, name, last_token: None, arguments, forced: false }
}

/// A verb that may take the next token.
fn taking_a_token(Name { record, last_token }: Name, make: impl FnOnce(Vec<u8>) -> Call) -> Call {
    Call { last_token: Some(last_token), ..make(record) }
}

fn number(number: impl Into<i128>) -> Vec<u8> {
    number.into().to_string().into_bytes()
}

fn span(span: Duration) -> Vec<u8> {
    number(u64::try_from(span.as_micros()).unwrap_or(LONGEST).min(LONGEST))
}

/// What is kept for longer than can be counted is kept for ever.
fn retention(retention: Option<Duration>) -> Vec<u8> {
    retention.filter(|span| span.as_micros() < LONGEST.into()).map(span).unwrap_or_default()
}

/// How many attempts may follow the first, or -1 for any number.
fn retries(interrupted: OnInterruption) -> Vec<u8> {
    number(match interrupted {
        OnInterruption::Retry => -1,
        OnInterruption::RetryUpTo(retries) => i64::from(retries),
        OnInterruption::Fail => 0,
    })
}

/// The number tells one call of an owner from the next; after the last moment it takes nothing.
pub(super) fn claim(names: Name, claim: &Claim, number_of_call: u64, last: u64) -> Call {
    let more = vec![
        claim.owner.0.to_vec(),
        number(u8::from(claim.fingerprint.is_some())),
        claim.fingerprint.unwrap_or_default().to_vec(),
        span(claim.lease),
        retries(claim.interrupted),
        number(number_of_call),
        number(last),
    ];
    taking_a_token(names, |name| call(&CLAIM, name, &claim.place, more))
}

/// Gives back what a claim was granted of which nobody heard.
pub(super) fn disclaim(name: Vec<u8>, doubt: &Doubt) -> Call {
    let more = vec![doubt.owner.0.to_vec(), number(doubt.number), number(doubt.last), number(doubt.told)];
    call(&DISCLAIM, name, &doubt.place, more)
}

pub(super) fn renew(name: Vec<u8>, hold: &Hold, lease: Duration) -> Call {
    Call { forced: true, ..call(&RENEW, name, &hold.place, vec![number(hold.token), span(lease)]) }
}

pub(super) fn complete(name: Vec<u8>, request: CompleteRequest) -> Call {
    let CompleteRequest { hold, fingerprint, outcome, retention: kept } = request;
    let more = vec![
        number(hold.token),
        outcome,
        retention(kept),
        number(u8::from(fingerprint.is_some())),
        fingerprint.unwrap_or_default().to_vec(),
    ];
    Call { forced: true, ..call(&COMPLETE, name, &hold.place, more) }
}

pub(super) fn adopt(names: Name, request: AdoptRequest) -> Call {
    let AdoptRequest { place, owner, fingerprint, interrupted, outcome, retention: kept } = request;
    let more = vec![
        owner.0.to_vec(),
        number(u8::from(fingerprint.is_some())),
        fingerprint.unwrap_or_default().to_vec(),
        retries(interrupted),
        outcome,
        retention(kept),
    ];
    Call { forced: true, ..taking_a_token(names, |name| call(&ADOPT, name, &place, more)) }
}

pub(super) fn release(name: Vec<u8>, hold: &Hold, how: Release) -> Call {
    let how: &[u8] = match how {
        Release::Free => b"free",
        Release::Interrupt => b"interrupt",
    };
    Call { forced: true, ..call(&RELEASE, name, &hold.place, vec![number(hold.token), how.to_vec()]) }
}

pub(super) fn forget(name: Vec<u8>, place: &Place) -> Call {
    call(&FORGET, name, place, vec![])
}

pub(super) fn resolve(names: Name, place: &Place, outcome: Vec<u8>, kept: Option<Duration>) -> Call {
    taking_a_token(names, |name| call(&RESOLVE, name, place, vec![outcome, retention(kept)]))
}

pub(super) fn peek(name: Vec<u8>, place: &Place) -> Call {
    call(&PEEK, name, place, vec![])
}

/// What stands under a name, whatever its key is.
pub(super) fn peek_at(name: Vec<u8>) -> Call {
    Call { script: &PEEK, name, last_token: None, arguments: vec![], forced: false }
}

/// A script's answer, taken apart from the front.
struct Answer(std::vec::IntoIter<Value>);

impl Answer {
    fn of(value: Value) -> Option<(Vec<u8>, Self)> {
        let Value::Array(values) = value else { return None };
        let mut answer = Self(values.into_iter());
        Some((answer.bytes()?, answer))
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        match self.0.next()? {
            Value::BulkString(bytes) => Some(bytes),
            _ => None,
        }
    }

    fn number<T: TryFrom<i64>>(&mut self) -> Option<T> {
        match self.0.next()? {
            Value::Int(number) => T::try_from(number).ok(),
            _ => None,
        }
    }

    fn text(&mut self) -> Option<std::sync::Arc<str>> {
        String::from_utf8(self.bytes()?).ok().map(Into::into)
    }
}

/// Reads an answer by its first word; what is none is a record that cannot be read, or a server that is none.
fn read<T>(value: Value, by_word: impl FnOnce(&[u8], &mut Answer) -> Option<T>) -> Result<T, StoreError> {
    let (word, mut answer) = Answer::of(value).ok_or_else(|| StoreError::new(STRANGE))?;
    if word == b"unreadable" {
        return Err(StoreError::new(UNREADABLE).permanent());
    }
    by_word(&word, &mut answer).ok_or_else(|| StoreError::new(STRANGE))
}

const STRANGE: &str = "the Redis server answered what no script of this library says; name another server";

/// How a claim is answered.
pub(super) enum Heard {
    /// In time.
    Claimed(Claimed),
    /// After its last moment, with what the server's clock says.
    Late { now: u64 },
}

pub(super) fn claimed(value: Value) -> Result<Heard, StoreError> {
    read(value, |word, answer| {
        Some(Heard::Claimed(match word {
            b"granted" => Claimed::Granted { token: answer.number()?, attempt: answer.number()? },
            b"in flight" => Claimed::InFlight { remaining: Duration::from_micros(answer.number()?) },
            b"completed" => Claimed::Completed { outcome: answer.bytes()? },
            b"mismatch" => Claimed::Mismatch,
            b"interrupted" => Claimed::Interrupted,
            b"late" => return Some(Heard::Late { now: answer.number()? }),
            _ => return None,
        }))
    })
}

pub(super) fn settled(value: Value) -> Result<Settled, StoreError> {
    read(value, |word, answer| match word {
        b"over" => Some(Settled::Over),
        b"not yet" => Some(Settled::NotYet { left: Duration::from_micros(answer.number()?), now: answer.number()? }),
        _ => None,
    })
}

pub(super) fn recorded(value: Value) -> Result<Recorded, StoreError> {
    read(value, |word, answer| match word {
        b"done" => Some(Recorded::Done),
        b"superseded" => Some(Recorded::Superseded { outcome: answer.bytes()? }),
        b"lost" => Some(Recorded::Lost),
        _ => None,
    })
}

pub(super) fn adopted(value: Value) -> Result<Adopted, StoreError> {
    read(value, |word, answer| {
        Some(match word {
            b"recorded" => Adopted::Recorded,
            b"completed" => Adopted::Completed { outcome: answer.bytes()? },
            b"in flight" => Adopted::InFlight { remaining: Duration::from_micros(answer.number()?) },
            b"mismatch" => Adopted::Mismatch,
            b"interrupted" => Adopted::Interrupted,
            _ => return None,
        })
    })
}

pub(super) fn yes(value: Value) -> Result<bool, StoreError> {
    read(value, |word, _| match word {
        b"yes" => Some(true),
        b"no" => Some(false),
        _ => None,
    })
}

/// Whether a lease goes on. Nobody can believe the holder of a record that cannot be read.
pub(super) fn renewed(value: Value) -> Result<bool, StoreError> {
    let (word, _) = Answer::of(value).ok_or_else(|| StoreError::new(STRANGE))?;
    Ok(word == b"yes")
}

pub(super) fn seen(value: Value) -> Result<Option<Glimpse>, StoreError> {
    read(value, |word, answer| match word {
        b"none" => Some(None),
        b"seen" => {
            let standing = match answer.number::<u8>()? {
                IN_FLIGHT => Standing::InFlight,
                COMPLETED => Standing::Completed,
                INTERRUPTED => Standing::Interrupted,
                _ => return None,
            };
            let (token, attempt) = (answer.number()?, answer.number()?);
            let place = Place { scope: answer.text()?, key: answer.text()? };
            let outcome = answer.bytes()?;
            let outcome = (standing == Standing::Completed).then_some(outcome);
            Some(Some(Glimpse::new(place, standing, token, attempt).outcome(outcome)))
        }
        _ => None,
    })
}

/// Who has a key, from the beginning of its record; nothing where nobody runs the body.
pub(super) fn holder(beginning: &[u8]) -> Option<u64> {
    let [VERSION, IN_FLIGHT, _, token @ ..] = beginning else { return None };
    token.try_into().ok().map(u64::from_be_bytes)
}
