//! One record for both modes: a durable call and a call in a transaction never run one key both.

use crate::support::{Failure, database, effect, effects, kind};
use idempotently::backend::postgres::sqlx::{PgConnection, PgPool, query_scalar, raw_sql};
use idempotently::backend::postgres::{PostgresOptions, PostgresStore};
use idempotently::record::Owner;
use idempotently::store::{Claim, Claimed, CompleteRequest, Hold, Place, Recorded, Release, Standing, Store as _};
use idempotently::{ErrorKind, InFlight, OnInterruption, Operation, Records, SharedStore};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

static PAY: Operation = Operation::new("tests.modes");
static ASK: Operation = Operation::new("tests.modes.reject").in_flight(InFlight::Reject);

fn store(pool: &PgPool) -> PostgresStore {
    PostgresStore::with_options(pool.connect_options().as_ref().clone(), &PostgresOptions::new()).unwrap()
}

async fn in_transaction(operation: &Operation, tx: &mut PgConnection, id: i64) -> Result<i64, Failure> {
    let body = async |tx: &mut PgConnection| {
        effect(tx, id).await?;
        Ok(id)
    };
    operation.call(&id).try_run_in(tx, body).await
}

async fn place_of(pool: &PgPool, operation: &'static str) -> Place {
    let key: String = query_scalar("SELECT key FROM idempotently_record").fetch_one(pool).await.unwrap();
    Place { scope: operation.into(), key: key.into() }
}

fn claim(place: &Place, lease: Duration, interrupted: OnInterruption) -> Claim {
    Claim::new(place.clone(), Owner([9; 16]), lease, interrupted)
}

fn granted(place: &Place, claimed: &Claimed) -> Hold {
    let Claimed::Granted { token, .. } = claimed else { panic!("{claimed:?}") };
    Hold { place: place.clone(), token: *token }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_mode_completed_the_other_replays() {
    let pool = database(2).await;
    let shared = SharedStore::new(store(&pool));
    let runs = AtomicUsize::new(0);
    let durable = async |id: i64| -> Result<i64, Failure> {
        let body = async || {
            runs.fetch_add(1, Ordering::SeqCst);
            Ok(id)
        };
        PAY.call(&id).store(&shared).try_run_async(body).await
    };
    let mut tx = pool.begin().await.unwrap();
    assert_eq!(in_transaction(&PAY, &mut tx, 7).await.unwrap(), 7);
    tx.commit().await.unwrap();
    assert_eq!((durable(7).await.unwrap(), runs.load(Ordering::SeqCst)), (7, 0));

    assert_eq!((durable(8).await.unwrap(), runs.load(Ordering::SeqCst)), (8, 1));
    let mut tx = pool.begin().await.unwrap();
    assert_eq!(in_transaction(&PAY, &mut tx, 8).await.unwrap(), 8);
    tx.commit().await.unwrap();
    assert_eq!(effects(&pool, 8).await, 0);

    let records = Records::of(&shared);
    let seen = records.peek("tests.modes", &7_i64).unwrap().unwrap();
    assert_eq!(seen.standing, Standing::Completed);
    assert_eq!(records.list("tests.modes", Standing::Completed, None, 10).unwrap().len(), 2);
    assert!(records.forget("tests.modes", &7_i64).unwrap());
    assert_eq!((durable(7).await.unwrap(), runs.load(Ordering::SeqCst)), (7, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_transaction_is_in_flight_for_a_store_and_keeps_nobody_else_waiting() {
    let pool = database(2).await;
    let store = store(&pool);
    let mut tx = pool.begin().await.unwrap();
    in_transaction(&ASK, &mut tx, 7).await.unwrap();
    tx.commit().await.unwrap();
    let place = place_of(&pool, "tests.modes.reject").await;
    raw_sql("DELETE FROM idempotently_record").execute(&pool).await.unwrap();

    let mut tx = pool.begin().await.unwrap();
    in_transaction(&ASK, &mut tx, 7).await.unwrap();
    let minute = Duration::from_mins(1);
    // Together, as a lane sends them: the one that is taken, and others.
    let other = Place { scope: "tests.modes.other".into(), key: place.key.clone() };
    let (taken, free) = tokio::join!(
        store.claim(claim(&place, minute, OnInterruption::Retry)),
        store.claim(claim(&other, minute, OnInterruption::Retry))
    );
    assert!(
        matches!(taken, Ok(Claimed::InFlight { remaining }) if remaining <= Duration::from_millis(100)),
        "{taken:?}"
    );
    granted(&other, &free.unwrap());
    tx.commit().await.unwrap();
    let after = store.claim(claim(&place, minute, OnInterruption::Retry)).await.unwrap();
    assert!(matches!(after, Claimed::Completed { .. }), "{after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolled_back_transaction_leaves_the_key_to_a_durable_call() {
    let pool = database(2).await;
    let shared = SharedStore::new(store(&pool));
    let mut tx = pool.begin().await.unwrap();
    in_transaction(&PAY, &mut tx, 7).await.unwrap();
    let body = async || Ok::<i64, Failure>(70);
    let durable = PAY.call(&7_i64).store(&shared).try_run_async(body);
    let (answer, ()) = tokio::join!(durable, async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        tx.rollback().await.unwrap();
    });
    assert_eq!(answer.unwrap(), 70);
    assert_eq!(effects(&pool, 7).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_durable_call_in_flight_is_waited_for_or_refused() {
    let pool = database(4).await;
    let store = store(&pool);
    for operation in [&PAY, &ASK] {
        raw_sql("DELETE FROM idempotently_record").execute(&pool).await.unwrap();
        let mut tx = pool.begin().await.unwrap();
        in_transaction(operation, &mut tx, 7).await.unwrap();
        tx.commit().await.unwrap();
        let scope = if std::ptr::eq(operation, &raw const PAY) { "tests.modes" } else { "tests.modes.reject" };
        let place = place_of(&pool, scope).await;
        let outcome: Vec<u8> = query_scalar("SELECT outcome FROM idempotently_record").fetch_one(&pool).await.unwrap();
        raw_sql("DELETE FROM idempotently_record; DELETE FROM effects").execute(&pool).await.unwrap();
        let claimed = store.claim(claim(&place, Duration::from_mins(1), OnInterruption::Retry)).await.unwrap();
        let hold = granted(&place, &claimed);

        let mut tx = pool.begin().await.unwrap();
        if scope.ends_with("reject") {
            assert_eq!(kind(in_transaction(operation, &mut tx, 7).await), ErrorKind::InFlight);
            tx.rollback().await.unwrap();
            continue;
        }
        let mut fixed = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
        assert_eq!(kind(in_transaction(operation, &mut fixed, 7).await), ErrorKind::Contended);
        fixed.rollback().await.unwrap();
        let (answer, recorded) = tokio::join!(in_transaction(operation, &mut tx, 7), async {
            tokio::time::sleep(Duration::from_millis(70)).await;
            store.complete(CompleteRequest::new(hold, outcome)).await
        });
        assert_eq!((answer.unwrap(), recorded.unwrap()), (7, Recorded::Done));
        tx.commit().await.unwrap();
        assert_eq!(effects(&pool, 7).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_durable_call_left_behind_is_not_run_in_a_transaction() {
    let pool = database(2).await;
    let store = store(&pool);
    let mut tx = pool.begin().await.unwrap();
    in_transaction(&PAY, &mut tx, 7).await.unwrap();
    tx.commit().await.unwrap();
    let place = place_of(&pool, "tests.modes").await;
    for lapses in [true, false] {
        raw_sql("DELETE FROM idempotently_record").execute(&pool).await.unwrap();
        let lease = if lapses { Duration::ZERO } else { Duration::from_mins(1) };
        let hold = granted(&place, &store.claim(claim(&place, lease, OnInterruption::Fail)).await.unwrap());
        if !lapses {
            store.release(hold, Release::Interrupt).await.unwrap();
        }
        let mut tx = pool.begin().await.unwrap();
        assert_eq!(kind(in_transaction(&PAY, &mut tx, 7).await), ErrorKind::Interrupted);
        tx.rollback().await.unwrap();
    }
    assert_eq!(effects(&pool, 7).await, 1);
}

/// A record whose retention is over is taken over in place, while an operator and the cleaner go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_ended_is_taken_over_and_keeps_nobody_waiting() {
    let pool = database(2).await;
    let store = store(&pool);
    let mut tx = pool.begin().await.unwrap();
    in_transaction(&PAY, &mut tx, 7).await.unwrap();
    tx.commit().await.unwrap();
    let place = place_of(&pool, "tests.modes").await;
    raw_sql("UPDATE idempotently_record SET ends = clock_timestamp()").execute(&pool).await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    assert_eq!(in_transaction(&PAY, &mut tx, 7).await.unwrap(), 7);
    assert_eq!(effects(&pool, 7).await, 1);
    assert!(!store.forget(place.clone()).await.unwrap());
    assert_eq!(store.purge(10).await.unwrap(), 0);
    let taken = store.claim(claim(&place, Duration::from_mins(1), OnInterruption::Retry)).await.unwrap();
    assert!(matches!(taken, Claimed::InFlight { .. }), "{taken:?}");
    tx.commit().await.unwrap();
    assert_eq!(effects(&pool, 7).await, 2);
    let number: i64 = query_scalar("SELECT token FROM idempotently_record").fetch_one(&pool).await.unwrap();
    assert!(number > 1);
}

/// Both modes at once, over and over: one of them has the key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_modes_at_once_have_one_effect_per_key() {
    let pool = database(6).await;
    let shared = SharedStore::new(store(&pool));
    let runs = std::sync::Arc::new(AtomicUsize::new(0));
    for id in 100..140_i64 {
        let mut tasks = Vec::new();
        for _ in 0..2 {
            let pool = pool.clone();
            tasks.push(tokio::spawn(async move {
                let mut tx = pool.begin().await?;
                let answer = in_transaction(&PAY, &mut tx, id).await?;
                tx.commit().await?;
                Ok::<i64, Failure>(answer)
            }));
            let (shared, runs) = (shared.clone(), runs.clone());
            tasks.push(tokio::spawn(async move {
                let body = async || {
                    runs.fetch_add(1, Ordering::SeqCst);
                    Ok::<i64, Failure>(id)
                };
                PAY.call(&id).store(&shared).try_run_async(body).await
            }));
        }
        let before = runs.load(Ordering::SeqCst);
        let mut answers = Vec::new();
        for task in tasks {
            answers.push(task.await.unwrap());
        }
        assert!(
            answers.iter().all(|answer| matches!(answer, Ok(answer) if *answer == id)
                || answer.as_ref().is_err_and(|failure| failure.kind() == Some(ErrorKind::Contended))),
            "{answers:?}"
        );
        let effects = effects(&pool, id).await + i64::try_from(runs.load(Ordering::SeqCst) - before).unwrap();
        assert_eq!(effects, 1, "{id}");
    }
}

/// Two schemas of one database, as tenants have them: nobody waits for the other's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_in_another_schema_is_another_key() {
    let (one, other) = (database(1).await, database(1).await);
    let mut tx = one.begin().await.unwrap();
    in_transaction(&ASK, &mut tx, 7).await.unwrap();
    let mut beside = other.begin().await.unwrap();
    assert_eq!(in_transaction(&ASK, &mut beside, 7).await.unwrap(), 7);
    beside.commit().await.unwrap();
    tx.commit().await.unwrap();
}
