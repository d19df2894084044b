//! The same with SQLite, which has one writer at a time.

use crate::support::{Failure, kind};
use idempotently::backend::sqlite::SqliteStore;
use idempotently::backend::sqlite::sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use idempotently::backend::sqlite::sqlx::{
    Connection as _, Executor, Sqlite, SqliteConnection, SqlitePool, Transaction, query, query_scalar, raw_sql,
};
use idempotently::{ErrorKind, Operation, Records, SharedStore, idempotent, transaction};
use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::timeout;

/// A file that goes with the test.
struct File(PathBuf);

impl File {
    fn new() -> Self {
        static FILES: AtomicUsize = AtomicUsize::new(0);
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("idempotently-tx-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn options(&self) -> SqliteConnectOptions {
        SqliteConnectOptions::new().filename(self.0.join("app.db")).create_if_missing(true)
    }

    async fn pool(&self, options: SqliteConnectOptions) -> SqlitePool {
        let pool = SqlitePoolOptions::new().max_connections(5).connect_with(options).await.unwrap();
        raw_sql("PRAGMA journal_mode = WAL").execute(&pool).await.unwrap();
        transaction::set_up(&mut *pool.acquire().await.unwrap()).await.unwrap();
        raw_sql("CREATE TABLE IF NOT EXISTS effects (id INTEGER NOT NULL)").execute(&pool).await.unwrap();
        pool
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn effect<'c>(tx: impl Executor<'c, Database = Sqlite>, id: i64) -> Result<(), Failure> {
    query("INSERT INTO effects (id) VALUES (?1)").bind(id).execute(tx).await?;
    Ok(())
}

async fn effects(pool: &SqlitePool, id: i64) -> i64 {
    query_scalar("SELECT count(*) FROM effects WHERE id = ?1").bind(id).fetch_one(pool).await.unwrap()
}

async fn records(pool: &SqlitePool) -> i64 {
    query_scalar("SELECT count(*) FROM idempotently_record").fetch_one(pool).await.unwrap()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Succeed,
    Fail,
    Hang,
    Swallow,
    RollBack,
}

#[idempotent(key = id, transaction = tx, scope = "tests.sqlite")]
async fn act(tx: &mut SqliteConnection, id: i64, then: Then, runs: &AtomicUsize) -> Result<i64, Failure> {
    runs.fetch_add(1, Ordering::SeqCst);
    effect(&mut *tx, id).await?;
    match then {
        Then::Succeed => {}
        Then::Fail => return Err(Failure::Declined),
        Then::Hang => pending().await,
        Then::Swallow => assert!(query("INSERT INTO effects (id) VALUES (NULL)").execute(tx).await.is_err()),
        Then::RollBack => {
            raw_sql("ROLLBACK").execute(tx).await?;
        }
    }
    Ok(id)
}

#[idempotent(key = id, transaction = tx, scope = "tests.sqlite.whole")]
async fn whole(tx: &mut Transaction<'_, Sqlite>, id: i64) -> Result<i64, Failure> {
    effect(&mut **tx, id).await?;
    let mut point = tx.begin().await?;
    effect(&mut *point, id).await?;
    point.commit().await?;
    Ok(id)
}

#[tokio::test]
async fn effect_and_record_are_committed_together_and_replayed() {
    let file = File::new();
    let pool = file.pool(file.options()).await;
    let runs = AtomicUsize::new(0);
    for _ in 0..2 {
        let mut tx = pool.begin().await.unwrap();
        assert_eq!(act(&mut tx, 7, Then::Succeed, &runs).await.unwrap(), 7);
        assert_eq!(whole(&mut tx, 8).await.unwrap(), 8);
        assert_eq!(whole(&mut tx, 8).await.unwrap(), 8);
        tx.commit().await.unwrap();
    }
    assert_eq!((runs.into_inner(), effects(&pool, 7).await, effects(&pool, 8).await), (1, 1, 2));
}

#[tokio::test]
async fn a_connection_outside_a_transaction_is_refused_before_the_body() {
    let file = File::new();
    let pool = file.pool(file.options()).await;
    let runs = AtomicUsize::new(0);
    let mut connection = pool.acquire().await.unwrap();
    assert_eq!(kind(act(&mut connection, 7, Then::Succeed, &runs).await), ErrorKind::NoTransaction);
    assert_eq!((runs.into_inner(), effects(&pool, 7).await, records(&pool).await), (0, 0, 0));
}

#[tokio::test]
async fn a_call_that_did_not_complete_cannot_be_committed() {
    let file = File::new();
    let pool = file.pool(file.options()).await;
    for then in [Then::Fail, Then::Hang] {
        let runs = AtomicUsize::new(0);
        let mut tx = pool.begin().await.unwrap();
        let ended = timeout(Duration::from_millis(50), act(&mut tx, 7, then, &runs)).await;
        assert!(!matches!(ended, Ok(Ok(_))));
        assert_eq!(kind(act(&mut tx, 7, Then::Succeed, &runs).await), ErrorKind::Contended);
        assert!(tx.commit().await.is_err(), "{then:?}");
        assert_eq!((effects(&pool, 7).await, records(&pool).await), (0, 0), "{then:?}");
    }
}

#[tokio::test]
async fn a_body_that_ends_the_transaction_is_not_recorded() {
    let file = File::new();
    let pool = file.pool(file.options()).await;
    let mut tx = pool.begin().await.unwrap();
    assert_eq!(kind(act(&mut tx, 7, Then::RollBack, &AtomicUsize::new(0)).await), ErrorKind::Aborted);
    drop(tx);
    assert_eq!((effects(&pool, 7).await, records(&pool).await), (0, 0));
}

/// A statement that fails takes only itself back, so that the rest is the body's own decision.
#[tokio::test]
async fn a_statement_that_fails_leaves_the_transaction() {
    let file = File::new();
    let pool = file.pool(file.options()).await;
    let mut tx = pool.begin().await.unwrap();
    assert_eq!(act(&mut tx, 7, Then::Swallow, &AtomicUsize::new(0)).await.unwrap(), 7);
    tx.commit().await.unwrap();
    assert_eq!((effects(&pool, 7).await, records(&pool).await), (1, 1));
}

#[tokio::test]
async fn a_savepoint_around_the_call_lets_the_caller_go_on() {
    let file = File::new();
    let pool = file.pool(file.options()).await;
    let runs = AtomicUsize::new(0);
    let mut tx = pool.begin().await.unwrap();
    let mut point = tx.begin().await.unwrap();
    assert!(act(&mut point, 7, Then::Fail, &runs).await.is_err());
    point.rollback().await.unwrap();
    assert_eq!(act(&mut tx, 7, Then::Succeed, &runs).await.unwrap(), 7);
    tx.commit().await.unwrap();
    assert_eq!((effects(&pool, 7).await, records(&pool).await), (1, 1));
}

#[tokio::test]
async fn a_connection_that_checks_no_foreign_keys_is_refused() {
    let file = File::new();
    let pool = file.pool(file.options().foreign_keys(false)).await;
    let runs = AtomicUsize::new(0);
    let mut tx = pool.begin().await.unwrap();
    let Err(Failure::Refused(error)) = act(&mut tx, 7, Then::Succeed, &runs).await else { panic!("it was answered") };
    assert!(error.to_string().contains("foreign_keys"), "{error}");
    assert_eq!(runs.into_inner(), 0);
}

#[tokio::test]
async fn a_file_without_the_tables_says_how_to_make_them() {
    let file = File::new();
    let mut connection = SqliteConnection::connect_with(&file.options()).await.unwrap();
    let mut tx = connection.begin().await.unwrap();
    let answer = act(&mut tx, 7, Then::Succeed, &AtomicUsize::new(0)).await;
    let Err(Failure::Refused(error)) = answer else { panic!("it was answered") };
    assert!(error.to_string().contains("set_up"), "{error}");
}

#[idempotent(key = id, transaction = tx, scope = "tests.sqlite.patient", in_flight = wait("120ms"))]
async fn patient(tx: &mut SqliteConnection, id: i64) -> Result<i64, Failure> {
    effect(tx, id).await?;
    Ok(id)
}

#[idempotent(key = id, transaction = tx, scope = "tests.sqlite.hasty", in_flight = reject)]
async fn hasty(tx: &mut SqliteConnection, id: i64) -> Result<i64, Failure> {
    effect(tx, id).await?;
    Ok(id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_comes_while_another_writes_waits_is_refused_or_begins_again() {
    let file = File::new();
    let pool = file.pool(file.options()).await;
    let runs = Arc::new(AtomicUsize::new(0));
    // Its snapshot is older than what is written next.
    let mut late = pool.begin().await.unwrap();
    let _: i64 = query_scalar("SELECT count(*) FROM effects").fetch_one(&mut *late).await.unwrap();
    let mut first = pool.begin().await.unwrap();
    act(&mut first, 7, Then::Succeed, &runs).await.unwrap();

    let mut second = pool.begin().await.unwrap();
    assert_eq!(kind(patient(&mut second, 7).await), ErrorKind::WaitTimedOut);
    second.rollback().await.unwrap();
    let mut second = pool.begin().await.unwrap();
    assert_eq!(kind(hasty(&mut second, 7).await), ErrorKind::InFlight);
    let patience: i64 = query_scalar("PRAGMA busy_timeout").fetch_one(&mut *second).await.unwrap();
    assert_eq!(patience, 5000);
    second.rollback().await.unwrap();
    assert_eq!(kind(act(&mut late, 7, Then::Succeed, &runs).await), ErrorKind::Contended);

    let waiting = tokio::spawn({
        let (pool, runs) = (pool.clone(), runs.clone());
        async move {
            let mut tx = pool.begin().await.unwrap();
            let answer = act(&mut tx, 7, Then::Succeed, &runs).await;
            tx.commit().await.unwrap();
            answer
        }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    first.commit().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), 7);
    assert_eq!(kind(act(&mut late, 7, Then::Succeed, &runs).await), ErrorKind::Contended);
    assert_eq!((runs.load(Ordering::SeqCst), effects(&pool, 7).await), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_dropped_while_it_waits_leaves_the_connection_as_it_was() {
    let file = File::new();
    let pool = file.pool(file.options()).await;
    let mut writer = pool.begin().await.unwrap();
    act(&mut writer, 7, Then::Succeed, &AtomicUsize::new(0)).await.unwrap();
    let mut left = Vec::new();
    // Dropped after another number of polls each time, so at each of its statements.
    for polls in 1..=8 {
        let mut tx = pool.begin().await.unwrap();
        let mut call = Box::pin(patient(&mut tx, 8));
        for _ in 0..polls {
            assert!(futures_lite::future::poll_once(&mut call).await.is_none(), "it did not wait");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(call);
        left.push(query_scalar::<_, i64>("PRAGMA busy_timeout").fetch_one(&mut *tx).await.unwrap());
        tx.rollback().await.unwrap();
    }
    assert_eq!(left, [5000; 8]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_callers_with_five_connections_have_one_effect() {
    let file = File::new();
    let pool = file.pool(file.options()).await;
    let runs = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (pool, runs) = (pool.clone(), runs.clone());
            tokio::spawn(async move {
                transaction(&pool, move |tx| {
                    let runs = runs.clone();
                    Box::pin(async move { act(tx, 7, Then::Succeed, &runs).await })
                })
                .await
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap(), 7);
    }
    assert_eq!((runs.load(Ordering::SeqCst), effects(&pool, 7).await), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_library_notices_what_cannot_be_committed() {
    let file = File::new();
    let pool = file.pool(file.options()).await;
    let ended: Result<(), Failure> = transaction(&pool, |tx| {
        Box::pin(async move {
            assert!(act(tx, 7, Then::Fail, &AtomicUsize::new(0)).await.is_err());
            Ok(())
        })
    })
    .await;
    assert_eq!(kind(ended), ErrorKind::Aborted);
    assert_eq!((effects(&pool, 7).await, records(&pool).await), (0, 0));
}

static BOTH: Operation = Operation::new("tests.sqlite.modes");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_mode_completed_the_other_replays() {
    let file = File::new();
    let shared = SharedStore::new(SqliteStore::open(file.0.join("app.db")).unwrap());
    let pool = file.pool(file.options()).await;
    let runs = AtomicUsize::new(0);
    let durable = async |id: i64| -> Result<i64, Failure> {
        let body = async || {
            runs.fetch_add(1, Ordering::SeqCst);
            Ok(id)
        };
        BOTH.call(&id).store(&shared).try_run_async(body).await
    };
    let within = async |id: i64| -> Result<i64, Failure> {
        let mut tx = pool.begin().await?;
        let body = async |tx: &mut SqliteConnection| {
            effect(tx, id).await?;
            Ok::<i64, Failure>(id)
        };
        let answer = BOTH.call(&id).try_run_in(&mut *tx, body).await?;
        tx.commit().await?;
        Ok(answer)
    };
    assert_eq!((within(7).await.unwrap(), durable(7).await.unwrap()), (7, 7));
    assert_eq!((durable(8).await.unwrap(), within(8).await.unwrap()), (8, 8));
    assert_eq!((runs.load(Ordering::SeqCst), effects(&pool, 7).await, effects(&pool, 8).await), (1, 1, 0));
    assert!(Records::of(&shared).forget("tests.sqlite.modes", &7_i64).unwrap());
    assert_eq!((within(7).await.unwrap(), effects(&pool, 7).await), (7, 2));
}

#[async_trait::async_trait]
trait Repository {
    async fn add(&mut self, id: i64) -> Result<i64, Failure>;
}

struct Session<'a> {
    tx: Transaction<'a, Sqlite>,
    runs: i64,
}

#[async_trait::async_trait]
impl Repository for Session<'_> {
    #[idempotent(key = id, transaction = self.tx, scope = "tests.sqlite.async_trait")]
    async fn add(&mut self, id: i64) -> Result<i64, Failure> {
        self.runs += 1;
        effect(&mut *self.tx, id).await?;
        if id < 0 {
            return Err(Failure::Declined);
        }
        Ok(self.runs)
    }
}

#[tokio::test]
async fn a_field_holds_the_transaction_of_a_method_that_async_trait_made() {
    let file = File::new();
    let pool = file.pool(file.options()).await;
    let mut session = Session { tx: pool.begin().await.unwrap(), runs: 0 };
    assert_eq!(session.add(7).await.unwrap(), 1);
    assert_eq!(session.add(7).await.unwrap(), 1);
    assert_eq!(session.runs, 1);
    session.tx.commit().await.unwrap();
    assert_eq!((effects(&pool, 7).await, records(&pool).await), (1, 1));

    let mut session = Session { tx: pool.begin().await.unwrap(), runs: 0 };
    assert_eq!(session.add(7).await.unwrap(), 1);
    assert_eq!(session.runs, 0);
    assert!(session.add(-7).await.is_err());
    session.tx.rollback().await.unwrap();
    assert_eq!((effects(&pool, -7).await, records(&pool).await), (0, 1));
}
