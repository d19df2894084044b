//! Outcomes of callers that lost their hold: recorded where the key is free, and nowhere else.

use crate::support::{Bare, claim, complete, completed, granted, open, place, said, schema, soon, to};
use futures_lite::future::block_on;
use idempotent_servers::{Passing, Postgres, Proxy};
use idempotently::OnInterruption;
use idempotently::backend::postgres::PostgresStore;
use idempotently::backend::postgres::sqlx::postgres::PgListener;
use idempotently::record::{AdoptionDecision, Asker, Owner, Record, State, Timestamp, decide_adoption};
use idempotently::store::{AdoptRequest, Adopted, Claimed, CompleteRequest, Recorded, Release, Store};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::time::timeout;

const MINE: [u8; 16] = [1; 16];
const FINGERPRINT: [u8; 16] = [4; 16];
const RETENTION: Duration = Duration::from_mins(1);

/// The server's clock in these tests, in microseconds: it does not move.
const NOW: i64 = 1_767_225_600_000_000;

fn adoption(key: &str, owner: u8, outcome: &[u8]) -> AdoptRequest {
    AdoptRequest::new(place(key), Owner([owner; 16]), OnInterruption::Retry, outcome.to_vec())
}

/// A schema whose clock is at [`NOW`].
fn stopped_clock() -> (PostgresStore, Bare) {
    let (to, bare) = schema();
    bare.execute(&format!(
        "CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql
            AS 'SELECT timestamptz ''epoch'' + {NOW} * interval ''1 microsecond'''"
    ));
    (open(&to), bare)
}

fn records_to_decide_about() -> Vec<Option<Record>> {
    let mut records = vec![None];
    let at = |offset: i64| Timestamp::from_micros(NOW + offset);
    let mut states = vec![State::Interrupted];
    for owner in [Owner(MINE), Owner([9; 16])] {
        states.extend([-1, 0, 1].map(|offset| State::InFlight { owner, lease_ends: at(offset) }));
    }
    let ends = [None, Some(at(-1)), Some(at(0)), Some(at(1))];
    states.extend(ends.map(|ends| State::Completed { outcome: b"first".to_vec(), ends }));
    for state in states {
        for fingerprint in [None, Some(FINGERPRINT)] {
            for attempt in [1, 2, 3] {
                records.push(Some(Record::new(state.clone(), 7, attempt).fingerprint(fingerprint)));
            }
        }
    }
    records
}

fn literal(bytes: Option<&[u8]>) -> String {
    let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    bytes.map_or("NULL".into(), |bytes| format!("decode('{}', 'hex')", hex(bytes)))
}

fn moment(at: Option<Timestamp>) -> String {
    at.map_or("NULL".into(), |at| format!("timestamptz 'epoch' + {} * interval '1 microsecond'", at.as_micros()))
}

/// The row of a record, as values of its columns.
fn row(record: &Record) -> String {
    let (state, owner, lease_ends, ends, outcome) = match &record.state {
        State::InFlight { owner, lease_ends } => (1, Some(owner.0.to_vec()), Some(*lease_ends), None, None),
        State::Completed { outcome, ends } => (2, None, None, *ends, Some(outcome.clone())),
        State::Interrupted => (3, None, None, None, None),
        other => panic!("{other:?} has no row"),
    };
    format!(
        "'tests', '\"k\"', 1, {state}, {}, {}, {}, {}, {}, {}, {}",
        record.token,
        record.attempt,
        literal(owner.as_deref()),
        literal(record.fingerprint.as_ref().map(<[u8; 16]>::as_slice)),
        moment(lease_ends),
        moment(ends),
        literal(outcome.as_deref()),
    )
}

const COLUMNS: &str = "scope, key, version, state, token, attempt, owner, fingerprint, lease_ends, ends, outcome";

/// What the specification answers, and the record that it leaves.
fn expected(held: Option<&Record>, asker: &Asker, last_token: u64) -> (Adopted, Option<Record>) {
    let left = held.cloned();
    match (decide_adoption(held, asker, Timestamp::from_micros(NOW)), held) {
        (AdoptionDecision::Record { attempt }, _) => {
            let ends = Some(Timestamp::from_micros(NOW).after(RETENTION));
            let state = State::Completed { outcome: b"adopted".to_vec(), ends };
            let record = Record::new(state, last_token, attempt).fingerprint(asker.fingerprint);
            (Adopted::Recorded, Some(record))
        }
        (AdoptionDecision::InFlight(remaining), _) => (Adopted::InFlight { remaining }, left),
        (AdoptionDecision::Completed, Some(Record { state: State::Completed { outcome, .. }, .. })) => {
            (Adopted::Completed { outcome: outcome.clone() }, left)
        }
        (AdoptionDecision::Mismatch, _) => (Adopted::Mismatch, left),
        (AdoptionDecision::Interrupt, Some(record)) => {
            let left = Record::new(State::Interrupted, record.token, record.attempt).fingerprint(record.fingerprint);
            (Adopted::Interrupted, Some(left))
        }
        (AdoptionDecision::Interrupted, _) => (Adopted::Interrupted, left),
        (decision, _) => panic!("{decision:?} about {held:?}"),
    }
}

#[test]
fn an_adoption_is_decided_as_the_specification_decides() {
    let (store, bare) = stopped_clock();
    let policies =
        [OnInterruption::Retry, OnInterruption::RetryUpTo(1), OnInterruption::RetryUpTo(2), OnInterruption::Fail];
    for held in records_to_decide_about() {
        for interrupted in policies {
            bare.execute("DELETE FROM idempotently_record");
            if let Some(record) = &held {
                bare.execute(&format!("INSERT INTO idempotently_record ({COLUMNS}) VALUES ({})", row(record)));
            }
            let asker = Asker::new(Owner(MINE), interrupted).fingerprint(Some(FINGERPRINT));
            let request = AdoptRequest::new(place("\"k\""), asker.owner, interrupted, b"adopted".to_vec())
                .fingerprint(asker.fingerprint)
                .retention(Some(RETENTION));
            let adopted = said(store.adopt(request));
            let drawn = u64::try_from(bare.number("SELECT last_value FROM idempotently_token")).unwrap_or_default();
            let (answer, left) = expected(held.as_ref(), &asker, drawn);
            assert_eq!(adopted, answer, "{held:?} {interrupted:?}");
            let there = bare.number("SELECT count(*) FROM idempotently_record");
            let Some(left) = left else { panic!("{held:?} {interrupted:?}: an adoption leaves a record") };
            let same = format!(
                "SELECT count(*) FROM idempotently_record WHERE ROW({COLUMNS}, unfinished)
                    IS NOT DISTINCT FROM ROW({}, NULL::integer)",
                row(&left)
            );
            assert_eq!((there, bare.number(&same)), (1, 1), "{held:?} {interrupted:?} should leave {left:?}");
        }
    }
}

#[test]
fn of_many_adoptions_at_once_one_is_recorded_and_the_others_answer_with_it() {
    const CONNECTIONS: u8 = 8;
    let (to, bare) = schema();
    let stores: Vec<PostgresStore> = (0..CONNECTIONS).map(|_| open(&to)).collect();
    for round in 0..10 {
        // Of a key that is new, and of one whose lease is over.
        let key = round.to_string();
        if round % 2 == 1 {
            granted(&stores[0], claim(&key, 99));
            bare.execute("UPDATE idempotently_record SET lease_ends = clock_timestamp() WHERE state = 1");
        }
        let barrier = Arc::new(Barrier::new(stores.len()));
        let callers: Vec<_> = (0..CONNECTIONS)
            .zip(&stores)
            .map(|(number, store)| {
                let (store, barrier, request) = (store.clone(), barrier.clone(), adoption(&key, number, &[number]));
                thread::spawn(move || {
                    barrier.wait();
                    (number, said(store.adopt(request)))
                })
            })
            .collect();
        let answers = callers.into_iter().map(|caller| caller.join().unwrap_or_else(|_| panic!("a caller panicked")));
        let (recorded, others): (Vec<_>, Vec<_>) = answers.partition(|(_, answer)| *answer == Adopted::Recorded);
        let [(winner, _)] = recorded.as_slice() else { panic!("{recorded:?} {others:?}") };
        let winners = Adopted::Completed { outcome: vec![*winner] };
        assert!(others.iter().all(|(_, answer)| *answer == winners), "{winner}: {others:?}");
        assert_eq!(said(stores[0].claim(claim(&key, 1))), completed(&[*winner]));
    }
}

#[test]
fn an_adoption_takes_the_hold_of_nobody_who_comes_later() {
    let (to, bare) = schema();
    let store = open(&to);
    let hold = granted(&store, claim("k", 1));
    bare.execute("UPDATE idempotently_record SET lease_ends = clock_timestamp()");
    assert_eq!(said(store.adopt(adoption("k", 2, b"second"))), Adopted::Recorded);
    assert_eq!(complete(&store, &hold, b"first"), Recorded::Superseded { outcome: b"second".to_vec() });
    assert!(!said(store.release(hold, Release::Free)));
    let Some(seen) = said(store.peek(place("k"))) else { panic!("it is gone") };
    assert_eq!((seen.token, seen.attempt), (2, 1), "a new token, and no body more");
}

/// A proxy that loses the answer to the first request that has these bytes, and its connection.
fn losing_the_answer_to(bytes: &'static [u8], port: u16) -> (Proxy, Arc<AtomicBool>) {
    let proxy = Proxy::to(port).unwrap_or_else(|error| panic!("{error}"));
    let (has_lost, lost) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (asked, told) = (Mutex::new(None), has_lost.clone());
    proxy.attend(move |connection, passing, seen| {
        let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
        let has_bytes = seen.windows(bytes.len()).any(|window| window == bytes);
        match passing {
            Passing::Request if has_bytes && asked.is_none() => *asked = Some(connection),
            Passing::Answer if *asked == Some(connection) && !lost.swap(true, Ordering::SeqCst) => {
                told.store(true, Ordering::SeqCst);
                return false;
            }
            _ => {}
        }
        true
    });
    (proxy, has_lost)
}

#[test]
fn an_adoption_whose_answer_is_lost_is_asked_again() {
    let (to, bare) = schema();
    let (proxy, has_lost) = losing_the_answer_to(b"paid 7f3c", to.get_port());
    let store = open(&to.clone().port(proxy.port()));
    let adopted = said(store.adopt(adoption("k", 1, b"paid 7f3c")));
    assert!(has_lost.load(Ordering::SeqCst));
    // The answer to the first was lost, and the second finds what it recorded.
    assert_eq!(adopted, Adopted::Completed { outcome: b"paid 7f3c".to_vec() });
    assert_eq!(bare.number("SELECT last_value FROM idempotently_token"), 1, "it was recorded once");
}

#[test]
fn an_adoption_that_nobody_waits_for_is_recorded_when_the_server_is_back() {
    let mut server = Postgres::with_settings(&[("fsync", "off")]).unwrap_or_else(|error| panic!("{error}"));
    let store = open(&to(&server.url()));
    granted(&store, claim("warm", 1));
    server.stop_immediately();
    drop(store.adopt(adoption("k", 1, b"paid")));
    server.start_again().unwrap_or_else(|error| panic!("{error}"));
    soon("the outcome was forgotten", || block_on(store.peek(place("k"))).ok().flatten());
    assert_eq!(said(store.claim(claim("k", 2))), completed(b"paid"));
}

#[test]
fn an_adoption_is_announced_to_other_processes() {
    let server = Postgres::with_settings(&[("fsync", "off")]).unwrap_or_else(|error| panic!("{error}"));
    let to = to(&server.url());
    let (store, bare) = (open(&to), Bare::connect(&to));
    granted(&store, claim("k", 1));
    bare.execute("UPDATE idempotently_record SET lease_ends = clock_timestamp()");
    let runtime = Builder::new_current_thread().enable_all().build().unwrap_or_else(|error| panic!("{error}"));
    runtime.block_on(async {
        let mut listener = PgListener::connect(&server.url()).await.unwrap_or_else(|error| panic!("{error}"));
        listener.listen("idempotently").await.unwrap_or_else(|error| panic!("{error}"));
        let adopted = store.adopt(adoption("k", 2, b"paid")).await;
        assert_eq!(adopted.ok(), Some(Adopted::Recorded));
        // Nothing else on this server changes a record that another process could wait for.
        let announced = timeout(Duration::from_secs(20), listener.recv()).await;
        assert!(matches!(announced, Ok(Ok(_))), "{announced:?}");
    });
}

#[test]
fn what_is_completed_is_not_adopted_over() {
    let (to, _bare) = schema();
    let store = open(&to);
    let hold = granted(&store, claim("k", 1));
    let request = CompleteRequest::new(hold, b"paid".to_vec());
    assert_eq!(said(store.complete(request)), Recorded::Done);
    let adopted = said(store.adopt(adoption("k", 2, b"other")));
    assert_eq!(adopted, Adopted::Completed { outcome: b"paid".to_vec() });
    let Claimed::Completed { outcome } = said(store.claim(claim("k", 3))) else { panic!("it is gone") };
    assert_eq!(outcome, b"paid");
}
