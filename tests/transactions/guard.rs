//! Nothing half made is committed.

use crate::support::{Failure, database, effect, effects, kind, place, records};
use idempotently::backend::postgres::sqlx::{Connection as _, Error, PgConnection, query, raw_sql};
use idempotently::{ErrorKind, idempotent};
use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::timeout;

/// What it does after its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Succeed,
    Fail,
    Panic,
    Hang,
    SwallowAnError,
    Commit,
    RollBack,
}

#[idempotent(key = id, transaction = tx, scope = "tests.guard")]
async fn act(tx: &mut PgConnection, id: i64, then: Then) -> Result<i64, Failure> {
    effect(tx, id).await?;
    match then {
        Then::Succeed => {}
        Then::Fail => return Err(Failure::Declined),
        Then::Panic => panic!("as asked"),
        Then::Hang => pending().await,
        Then::SwallowAnError => {
            let _ = query("INSERT INTO effects (id) VALUES (NULL)").execute(&mut *tx).await;
        }
        Then::Commit => {
            raw_sql("COMMIT").execute(&mut *tx).await?;
        }
        Then::RollBack => {
            raw_sql("ROLLBACK").execute(&mut *tx).await?;
        }
    }
    Ok(id)
}

#[tokio::test]
async fn effect_and_record_are_committed_together_and_replayed() {
    let pool = database(2).await;
    let runs = AtomicUsize::new(0);
    let mut tx = pool.begin().await.unwrap();
    assert_eq!(place(&mut tx, 7, &runs).await.unwrap(), 70);
    tx.commit().await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    assert_eq!(place(&mut tx, 7, &runs).await.unwrap(), 70);
    tx.commit().await.unwrap();
    assert_eq!((runs.into_inner(), effects(&pool, 7).await, records(&pool).await), (1, 1, 1));
}

#[tokio::test]
async fn a_rollback_takes_both_back() {
    let pool = database(2).await;
    let runs = AtomicUsize::new(0);
    let mut tx = pool.begin().await.unwrap();
    place(&mut tx, 7, &runs).await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!((effects(&pool, 7).await, records(&pool).await), (0, 0));
    let mut tx = pool.begin().await.unwrap();
    place(&mut tx, 7, &runs).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((runs.into_inner(), effects(&pool, 7).await), (2, 1));
}

#[tokio::test]
async fn a_connection_outside_a_transaction_is_refused_before_the_body() {
    let pool = database(1).await;
    let runs = AtomicUsize::new(0);
    let mut connection = pool.acquire().await.unwrap();
    assert_eq!(kind(place(&mut connection, 7, &runs).await), ErrorKind::NoTransaction);
    drop(connection);
    assert_eq!((runs.into_inner(), effects(&pool, 7).await, records(&pool).await), (0, 0, 0));
}

/// The caller commits in spite of what became of the call.
async fn commit_after(then: Then) -> Result<(), Error> {
    let pool = database(2).await;
    let mut tx = pool.begin().await.unwrap();
    match then {
        Then::Hang => assert!(timeout(Duration::from_millis(50), act(&mut tx, 7, then)).await.is_err()),
        Then::Panic => {
            use futures_lite::FutureExt as _;
            assert!(AssertUnwindSafe(act(&mut tx, 7, then)).catch_unwind().await.is_err());
        }
        then => assert!(act(&mut tx, 7, then).await.is_err(), "{then:?}"),
    }
    let committed = tx.commit().await;
    assert_eq!((effects(&pool, 7).await, records(&pool).await), (0, 0), "{then:?}");
    committed
}

#[tokio::test]
async fn a_call_that_did_not_complete_cannot_be_committed() {
    for then in [Then::Fail, Then::Panic, Then::Hang] {
        let committed = commit_after(then).await;
        assert!(committed.unwrap_err().to_string().contains("idempotently_call_is_not_completed"), "{then:?}");
    }
}

#[tokio::test]
async fn a_swallowed_error_is_never_kept() {
    // The server takes the commit for a rollback, and the client does not say so.
    let _ = commit_after(Then::SwallowAnError).await;
    let pool = database(1).await;
    let mut tx = pool.begin().await.unwrap();
    assert_eq!(kind(act(&mut tx, 7, Then::SwallowAnError).await), ErrorKind::Aborted);
}

#[tokio::test]
async fn a_body_that_ends_the_transaction_ends_without_a_record() {
    let pool = database(2).await;
    let mut tx = pool.begin().await.unwrap();
    assert!(matches!(act(&mut tx, 7, Then::Commit).await, Err(Failure::Database(_))));
    drop(tx);
    let mut tx = pool.begin().await.unwrap();
    assert_eq!(kind(act(&mut tx, 8, Then::RollBack).await), ErrorKind::Aborted);
    drop(tx);
    assert_eq!((effects(&pool, 7).await, effects(&pool, 8).await, records(&pool).await), (0, 0, 0));
}

#[tokio::test]
async fn a_savepoint_around_the_call_lets_the_caller_go_on() {
    let pool = database(2).await;
    let mut tx = pool.begin().await.unwrap();
    for then in [Then::Fail, Then::SwallowAnError, Then::Hang] {
        let mut point = tx.begin().await.unwrap();
        let ended = timeout(Duration::from_millis(50), act(&mut point, 7, then)).await;
        assert!(!matches!(ended, Ok(Ok(_))), "{then:?}");
        point.rollback().await.unwrap();
    }
    let mut point = tx.begin().await.unwrap();
    assert_eq!(act(&mut point, 7, Then::Succeed).await.unwrap(), 7);
    point.commit().await.unwrap();
    effect(&mut tx, 8).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((effects(&pool, 7).await, effects(&pool, 8).await, records(&pool).await), (1, 1, 1));
}

#[tokio::test]
async fn a_key_whose_call_did_not_complete_is_refused_in_the_same_transaction() {
    let pool = database(1).await;
    let mut tx = pool.begin().await.unwrap();
    assert!(act(&mut tx, 7, Then::Fail).await.is_err());
    let again = act(&mut tx, 7, Then::Succeed).await;
    assert_eq!(again.as_ref().unwrap_err().kind(), Some(ErrorKind::Contended), "{again:?}");
    tx.rollback().await.unwrap();
}

#[idempotent(key = id, transaction = tx, scope = "tests.guard.all", keep = all)]
async fn keep_failures(tx: &mut PgConnection, id: i64, runs: &AtomicUsize) -> Result<i64, Kept> {
    runs.fetch_add(1, Ordering::SeqCst);
    effect(tx, id).await.map_err(|_| Kept)?;
    Err(Kept)
}

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Kept;

impl From<idempotently::Error> for Kept {
    fn from(error: idempotently::Error) -> Self {
        panic!("{error}")
    }
}

#[tokio::test]
async fn a_failure_that_is_kept_can_be_committed() {
    let pool = database(1).await;
    let runs = AtomicUsize::new(0);
    for _ in 0..2 {
        let mut tx = pool.begin().await.unwrap();
        assert_eq!(keep_failures(&mut tx, 7, &runs).await, Err(Kept));
        tx.commit().await.unwrap();
    }
    assert_eq!((runs.into_inner(), effects(&pool, 7).await), (1, 1));
}

#[tokio::test]
async fn a_database_without_the_tables_says_how_to_make_them() {
    let to = crate::support::schema().await;
    let mut connection = PgConnection::connect_with(&to).await.unwrap();
    let mut tx = connection.begin().await.unwrap();
    let Err(Failure::Refused(error)) = place(&mut tx, 7, &AtomicUsize::new(0)).await else { panic!("it was answered") };
    assert_eq!(error.kind(), ErrorKind::Store);
    assert!(error.to_string().contains("schema_sql"), "{error}");
}
