//! What a duplicate does while the first runs, and what bounds a holder that stops.

use crate::support::{Failure, database, effect, effects, kind, place, until_blocked};
use idempotently::backend::postgres::sqlx::{PgConnection, PgPool, query_scalar, raw_sql};
use idempotently::{ErrorKind, idempotent};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

async fn setting(tx: &mut PgConnection, sql: &'static str) -> String {
    query_scalar(sql).fetch_one(tx).await.unwrap()
}

async fn limits(tx: &mut PgConnection) -> (String, String) {
    (setting(tx, "SHOW lock_timeout").await, setting(tx, "SHOW idle_in_transaction_session_timeout").await)
}

#[idempotent(key = id, transaction = tx, scope = "tests.patient", in_flight = wait("150ms"), lease = "7s")]
async fn patient(tx: &mut PgConnection, id: i64) -> Result<(String, String), Failure> {
    effect(tx, id).await?;
    Ok(limits(tx).await)
}

#[idempotent(key = id, transaction = tx, scope = "tests.hasty", in_flight = reject)]
async fn hasty(tx: &mut PgConnection, id: i64) -> Result<i64, Failure> {
    effect(tx, id).await?;
    Ok(id)
}

#[tokio::test]
async fn the_callers_settings_come_back() {
    let pool = database(1).await;
    let own = || ("3s".to_owned(), "11s".to_owned());
    let mut connection = pool.acquire().await.unwrap();
    let set = "SET lock_timeout = '3s'; SET idle_in_transaction_session_timeout = '11s'";
    raw_sql(set).execute(&mut *connection).await.unwrap();
    for _ in 0..2 {
        raw_sql("BEGIN").execute(&mut *connection).await.unwrap();
        // In the body, and as it was recorded: the lease's limit, and the caller's own for locks.
        assert_eq!(patient(&mut connection, 7).await.unwrap(), ("3s".into(), "7s".into()));
        assert_eq!(setting(&mut connection, "SHOW lock_timeout").await, "3s");
        raw_sql("COMMIT").execute(&mut *connection).await.unwrap();
        assert_eq!(limits(&mut connection).await, own());
    }
    raw_sql("BEGIN").execute(&mut *connection).await.unwrap();
    assert_eq!(hasty(&mut connection, 8).await.unwrap(), 8);
    raw_sql("ROLLBACK").execute(&mut *connection).await.unwrap();
    assert_eq!(limits(&mut connection).await, own());
}

#[tokio::test]
async fn a_replay_sets_no_limit() {
    let pool = database(1).await;
    for limit in ["7s", "0"] {
        let mut tx = pool.begin().await.unwrap();
        patient(&mut tx, 7).await.unwrap();
        assert_eq!(setting(&mut tx, "SHOW idle_in_transaction_session_timeout").await, limit);
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn waiting_has_a_limit_and_refusing_leaves_the_transaction_as_it_is() {
    let pool = database(3).await;
    let mut first = pool.begin().await.unwrap();
    patient(&mut first, 7).await.unwrap();
    hasty(&mut first, 7).await.unwrap();

    let mut second = pool.begin().await.unwrap();
    let since = Instant::now();
    assert_eq!(kind(patient(&mut second, 7).await), ErrorKind::WaitTimedOut);
    assert!(since.elapsed() >= Duration::from_millis(150));
    second.rollback().await.unwrap();

    let mut second = pool.begin().await.unwrap();
    effect(&mut second, 1).await.unwrap();
    assert_eq!(kind(hasty(&mut second, 7).await), ErrorKind::InFlight);
    assert_eq!(hasty(&mut second, 8).await.unwrap(), 8);
    second.commit().await.unwrap();
    first.commit().await.unwrap();
    assert_eq!((effects(&pool, 1).await, effects(&pool, 8).await), (1, 1));
}

async fn crowd(pool: &PgPool, size: usize) -> usize {
    let runs = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..size)
        .map(|_| {
            let (pool, runs) = (pool.clone(), runs.clone());
            tokio::spawn(async move {
                let mut tx = pool.begin().await?;
                let answer = place(&mut tx, 7, &runs).await?;
                tx.commit().await?;
                Ok::<_, Failure>(answer)
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap(), 70);
    }
    runs.load(Ordering::SeqCst)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_callers_with_five_connections_have_one_effect() {
    let pool = database(5).await;
    assert_eq!(crowd(&pool, 50).await, 1);
    assert_eq!(effects(&pool, 7).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_takes_over_when_the_first_is_gone() {
    let pool = database(3).await;
    let runs = Arc::new(AtomicUsize::new(0));
    let mut first = pool.begin().await.unwrap();
    place(&mut first, 7, &runs).await.unwrap();
    let pid: i32 = query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *first).await.unwrap();
    let second = tokio::spawn({
        let (pool, runs) = (pool.clone(), runs.clone());
        async move {
            let mut tx = pool.begin().await?;
            let answer = place(&mut tx, 7, &runs).await?;
            tx.commit().await?;
            Ok::<_, Failure>(answer)
        }
    });
    until_blocked(&pool, 1).await;
    let _: bool = query_scalar("SELECT pg_terminate_backend($1)").bind(pid).fetch_one(&pool).await.unwrap();
    assert_eq!(second.await.unwrap().unwrap(), 70);
    assert!(first.commit().await.is_err());
    assert_eq!((runs.load(Ordering::SeqCst), effects(&pool, 7).await), (2, 1));
}

#[idempotent(key = id, transaction = tx, scope = "tests.silent", lease = "200ms")]
async fn silent(tx: &mut PgConnection, id: i64, stays: bool) -> Result<i64, Failure> {
    effect(tx, id).await?;
    if stays {
        // The server ends the session; what is waited for is longer than any test takes.
        let since = Instant::now();
        while since.elapsed() < Duration::from_secs(2) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_is_silent_for_longer_than_its_lease_is_out() {
    let pool = database(3).await;
    let mut first = pool.begin().await.unwrap();
    let mut stopped = std::pin::pin!(silent(&mut first, 7, true));
    assert!(futures_lite::future::poll_once(stopped.as_mut()).await.is_none());
    let (answer, ()) = tokio::join!(stopped, async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut second = pool.begin().await.unwrap();
        assert_eq!(silent(&mut second, 7, false).await.unwrap(), 7);
        second.commit().await.unwrap();
    });
    assert!(answer.is_err(), "{answer:?}");
    assert_eq!(effects(&pool, 7).await, 1);
}
