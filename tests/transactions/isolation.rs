//! What the loser of a race gets, at each level of isolation.

use crate::support::{Failure, database, effects, kind, place, until_blocked};
use idempotently::backend::postgres::sqlx::{PgConnection, PgPool, Postgres, Transaction, query_scalar};
use idempotently::{ErrorKind, idempotent};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Barrier;

const LEVELS: [&str; 3] = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"];

async fn begin(pool: &PgPool, level: &str) -> Transaction<'static, Postgres> {
    let level = idempotently::backend::postgres::sqlx::AssertSqlSafe(format!("BEGIN ISOLATION LEVEL {level}"));
    let mut tx = pool.begin_with(level).await.unwrap();
    // Only now is there a snapshot.
    let _: i64 = query_scalar("SELECT count(*) FROM effects").fetch_one(&mut *tx).await.unwrap();
    tx
}

/// What the second gets that came while the first was running, and how often the effect is there in the end.
async fn race(level: &'static str, first_commits: bool) -> (Result<i64, Failure>, usize, i64) {
    let pool = database(4).await;
    let runs = Arc::new(AtomicUsize::new(0));
    let mut first = begin(&pool, level).await;
    place(&mut first, 7, &runs).await.unwrap();
    let second = tokio::spawn({
        let (pool, runs) = (pool.clone(), runs.clone());
        async move {
            let mut second = begin(&pool, level).await;
            let answer = place(&mut second, 7, &runs).await;
            if answer.is_ok() {
                second.commit().await.unwrap();
            } else {
                second.rollback().await.unwrap();
            }
            answer
        }
    });
    until_blocked(&pool, 1).await;
    if first_commits {
        first.commit().await.unwrap();
    } else {
        first.rollback().await.unwrap();
    }
    let answer = second.await.unwrap();
    (answer, runs.load(Ordering::SeqCst), effects(&pool, 7).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waited_for_a_commit_replays_or_begins_again() {
    let (answer, runs, effects) = race("READ COMMITTED", true).await;
    assert_eq!((answer.unwrap(), runs, effects), (70, 1, 1));
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        let (answer, runs, effects) = race(level, true).await;
        assert_eq!((kind(answer), runs, effects), (ErrorKind::Contended, 1, 1), "{level}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waited_for_a_rollback_runs() {
    for level in LEVELS {
        let (answer, runs, effects) = race(level, false).await;
        assert_eq!((answer.unwrap(), runs, effects), (70, 2, 1), "{level}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_committed_before_is_replayed() {
    for level in LEVELS {
        let pool = database(2).await;
        let runs = AtomicUsize::new(0);
        for _ in 0..2 {
            let mut tx = begin(&pool, level).await;
            assert_eq!(place(&mut tx, 7, &runs).await.unwrap(), 70, "{level}");
            tx.commit().await.unwrap();
        }
        assert_eq!((runs.into_inner(), effects(&pool, 7).await), (1, 1), "{level}");
    }
}

/// Committed after this one's snapshot was taken, and before its call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_committed_after_the_snapshot_is_not_run_again() {
    for level in LEVELS {
        let pool = database(2).await;
        let runs = AtomicUsize::new(0);
        let mut late = begin(&pool, level).await;
        let mut tx = begin(&pool, level).await;
        place(&mut tx, 7, &runs).await.unwrap();
        tx.commit().await.unwrap();
        let answer = place(&mut late, 7, &runs).await;
        if level == "READ COMMITTED" {
            assert_eq!(answer.unwrap(), 70);
        } else {
            assert_eq!(kind(answer), ErrorKind::Contended, "{level}");
        }
        drop(late);
        assert_eq!((runs.into_inner(), effects(&pool, 7).await), (1, 1), "{level}");
    }
}

/// Places two, the second when all have placed their first.
async fn both(tx: &mut PgConnection, [one, two]: [i64; 2], met: &Barrier) -> Result<(), Failure> {
    let runs = AtomicUsize::new(0);
    place(tx, one, &runs).await?;
    met.wait().await;
    place(tx, two, &runs).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opposite_orders_end_in_contended_and_not_in_a_hang() {
    let pool = database(4).await;
    let met = Arc::new(Barrier::new(2));
    let tasks = [[1, 2], [2, 1]].map(|order| {
        let (pool, met) = (pool.clone(), met.clone());
        tokio::spawn(async move {
            let mut tx = pool.begin().await.unwrap();
            let ended = both(&mut tx, order, &met).await;
            if ended.is_ok() {
                tx.commit().await.unwrap();
            } else {
                tx.rollback().await.unwrap();
            }
            ended
        })
    });
    let mut lost = 0;
    for task in tasks {
        if let Err(failure) = task.await.unwrap() {
            assert_eq!(failure.kind(), Some(ErrorKind::Contended));
            lost += 1;
        }
    }
    assert_eq!((lost, effects(&pool, 1).await, effects(&pool, 2).await), (1, 1, 1));
}

#[idempotent(key = id, transaction = tx, scope = "tests.outer")]
async fn outer(tx: &mut PgConnection, id: i64, runs: &AtomicUsize) -> Result<i64, Failure> {
    let inner = place(tx, id + 1, runs).await?;
    assert_eq!(place(tx, id + 1, runs).await?, inner);
    Ok(inner)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_within_calls_and_repeated_calls_are_of_one_transaction() {
    for level in LEVELS {
        let pool = database(2).await;
        let runs = AtomicUsize::new(0);
        let mut tx = begin(&pool, level).await;
        assert_eq!(outer(&mut tx, 1, &runs).await.unwrap(), 20);
        assert_eq!(place(&mut tx, 2, &runs).await.unwrap(), 20, "{level}");
        assert_eq!(outer(&mut tx, 1, &runs).await.unwrap(), 20);
        tx.commit().await.unwrap();
        assert_eq!((runs.into_inner(), effects(&pool, 2).await), (1, 1), "{level}");
    }
}

#[idempotent(key = id, transaction = tx, scope = "tests.recursive")]
async fn recursive(tx: &mut PgConnection, id: i64) -> Result<i64, Failure> {
    Box::pin(recursive(tx, id)).await
}

#[tokio::test]
async fn a_call_that_would_wait_for_itself_is_refused() {
    let pool = database(1).await;
    let mut tx = pool.begin().await.unwrap();
    assert_eq!(kind(recursive(&mut tx, 7).await), ErrorKind::Reentrant);
}
