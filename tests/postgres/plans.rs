//! How the server finds what is asked for: by the primary key, whatever it has counted in the table.

use crate::support::{Bare, LEASE, claim, granted, open, place, said, schema, soon};
use futures_lite::future::block_on;
use idempotently::backend::postgres::PostgresStore;
use idempotently::backend::postgres::sqlx::postgres::PgConnectOptions;
use idempotently::store::{Answer, Claimed, CompleteRequest, Hold, Recorded, Release, Store};
use std::mem;
use std::task::{Context, Poll, Waker};

/// More often than the server plans a statement anew for each of its calls.
const ROUNDS: usize = 8;

/// Records that were completed, a thousand of which have ended.
const RECORDS: &str = "INSERT INTO idempotently_record (scope, key, version, state, token, attempt, ends, outcome)
    SELECT 'tests', 'old ' || n, 1, 2, nextval('idempotently_token'), 1,
        CASE WHEN n <= 1000 THEN clock_timestamp() - interval '1 day' END, 'paid'
    FROM generate_series(1, 30000) AS n";

/// What was asked together, and goes out together but for the first.
fn together<'a, T: 'a>(asked: impl IntoIterator<Item = Answer<'a, T>>) -> Vec<T> {
    let mut asked: Vec<_> = asked.into_iter().collect();
    let mut early: Vec<_> =
        asked.iter_mut().map(|asked| asked.as_mut().poll(&mut Context::from_waker(Waker::noop()))).collect();
    let answers = asked.iter_mut().zip(&mut early).map(|(asked, early)| {
        let early = mem::replace(early, Poll::Pending);
        if let Poll::Ready(answer) = early { answer } else { block_on(asked) }
    });
    answers.map(|answer| answer.unwrap_or_else(|error| panic!("{error:?}"))).collect()
}

fn granted_together(store: &PostgresStore, round: usize) -> Vec<Hold> {
    let claims: Vec<_> = (0..9).map(|caller| claim(&format!("{round} {caller}"), caller)).collect();
    let places: Vec<_> = claims.iter().map(|claim| claim.place.clone()).collect();
    let claimed = together(claims.into_iter().map(|claim| store.claim(claim)));
    let holds = places.into_iter().zip(claimed).map(|(place, claimed)| match claimed {
        Claimed::Granted { token, .. } => Hold { place, token },
        other => panic!("{other:?}"),
    });
    holds.collect()
}

/// Every verb that is about keys.
fn all_verbs(store: &PostgresStore, round: usize) {
    let alone = granted(store, claim(&format!("{round}"), 1));
    assert_eq!(said(store.renew(vec![alone.clone()], LEASE)), [true]);
    assert_eq!(said(store.complete(CompleteRequest::new(alone.clone(), b"paid".to_vec()))), Recorded::Done);
    said(store.claim(claim(&format!("{round}"), 2)));
    assert!(said(store.peek(alone.place.clone())).is_some());
    assert!(said(store.forget(alone.place)));
    let holds = granted_together(store, round);
    assert!(said(store.renew(holds.clone(), LEASE)).into_iter().all(|held| held));
    let (completed, released) = holds.split_at(4);
    let completing = completed.iter().map(|hold| store.complete(CompleteRequest::new(hold.clone(), b"paid".to_vec())));
    assert!(together(completing).into_iter().all(|recorded| recorded == Recorded::Done));
    let (freed, given_up) = released.split_at(3);
    for (holds, how) in [(freed, Release::Free), (given_up, Release::Interrupt)] {
        let releasing = holds.iter().map(|hold| store.release(hold.clone(), how));
        assert!(together(releasing).into_iter().all(|released| released));
    }
    for hold in given_up {
        assert!(said(store.resolve(hold.place.clone(), b"looked".to_vec(), None)));
    }
}

/// How often the table was read in which way.
fn reads(bare: &Bare, index: &str) -> i64 {
    bare.number(&format!(
        "SELECT idx_scan FROM pg_stat_user_indexes WHERE schemaname = current_schema AND indexrelname = '{index}'"
    ))
}

fn reads_of_all(bare: &Bare) -> i64 {
    bare.number(
        "SELECT seq_scan FROM pg_stat_user_tables
            WHERE schemaname = current_schema AND relname = 'idempotently_record'",
    )
}

/// Ends a store's sessions, which is when they tell what they have read, if not before.
fn end(store: PostgresStore, to: &PgConnectOptions, bare: &Bare) {
    drop(store);
    let name = to.get_application_name().unwrap_or_default();
    let sessions = format!("SELECT count(*) FROM pg_stat_activity WHERE application_name = '{name}'");
    soon("a session never ends", || (bare.number(&sessions) == 0).then_some(()));
}

#[test]
fn what_is_asked_for_by_its_key_is_found_by_its_key() {
    let (to, bare) = schema();
    end(open(&to), &to, &bare);
    // Counted while nothing is in flight, so that the index of what is seems to have nothing in it.
    bare.execute(RECORDS);
    bare.execute("ANALYZE idempotently_record");
    let store = open(&to);
    let before = (reads(&bare, "idempotently_record_open"), reads_of_all(&bare));
    for round in 0..ROUNDS {
        all_verbs(&store, round);
    }
    assert_eq!(said(store.purge(700)), 700);
    assert!(said(store.peek(place("old 30000"))).is_some());
    end(store, &to, &bare);
    let asked = i64::try_from(ROUNDS * 20).unwrap_or_default();
    soon("the key was not looked up", || (reads(&bare, "idempotently_record_pkey") > asked).then_some(()));
    let after = (reads(&bare, "idempotently_record_open"), reads_of_all(&bare));
    assert_eq!(after, before, "by the index of what is open, and by reading everything");
}
