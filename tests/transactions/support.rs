//! Databases, an effect that can be counted, and functions that have it once.

pub(crate) use crate::failure::Failure;

use idempotent_servers::Postgres;
use idempotently::backend::postgres::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use idempotently::backend::postgres::sqlx::{self, AssertSqlSafe, PgConnection, PgPool, query, query_scalar, raw_sql};
use idempotently::{ErrorKind, idempotent, transaction};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

impl Failure {
    pub(crate) fn kind(&self) -> Option<ErrorKind> {
        if let Self::Refused(error) = self { Some(error.kind()) } else { None }
    }
}

/// Of what kind the refusal was that must have been one.
pub(crate) fn kind<T: std::fmt::Debug>(answer: Result<T, Failure>) -> ErrorKind {
    match answer {
        Err(Failure::Refused(error)) => error.kind(),
        other => panic!("not refused but {other:?}"),
    }
}

/// The server that the tests share. It ends with the thread that started it, so that is one that does not end.
pub(crate) fn server() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| {
        let (tell, told) = channel();
        thread::spawn(move || {
            let _ = tell.send(Postgres::shared().url());
            loop {
                thread::park();
            }
        });
        told.recv().unwrap()
    })
}

/// The way to a schema of its own, which is empty.
pub(crate) async fn schema() -> PgConnectOptions {
    static SCHEMAS: AtomicUsize = AtomicUsize::new(0);
    let schema = format!("tx_{}", SCHEMAS.fetch_add(1, Ordering::Relaxed));
    let to: PgConnectOptions = server().parse().unwrap();
    let to = to.options([("search_path", format!("{schema},pg_catalog"))]).application_name(&schema);
    let pool = PgPoolOptions::new().max_connections(1).connect_with(to.clone()).await.unwrap();
    raw_sql(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).execute(&pool).await.unwrap();
    pool.close().await;
    to
}

/// A schema of its own with the library's tables and `effects`, and so many connections to it.
pub(crate) async fn database(connections: u32) -> PgPool {
    let to = schema().await;
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(30))
        .connect_with(to)
        .await
        .unwrap();
    let mut connection = pool.acquire().await.unwrap();
    transaction::set_up(&mut *connection).await.unwrap();
    raw_sql("CREATE TABLE effects (id bigint NOT NULL)").execute(&mut *connection).await.unwrap();
    drop(connection);
    pool
}

pub(crate) async fn effect(tx: &mut PgConnection, id: i64) -> Result<(), sqlx::Error> {
    query("INSERT INTO effects (id) VALUES ($1)").bind(id).execute(tx).await.map(|_| ())
}

/// How often the effect is there.
pub(crate) async fn effects(pool: &PgPool, id: i64) -> i64 {
    query_scalar("SELECT count(*) FROM effects WHERE id = $1").bind(id).fetch_one(pool).await.unwrap()
}

/// How many records there are.
pub(crate) async fn records(pool: &PgPool) -> i64 {
    query_scalar("SELECT count(*) FROM idempotently_record").fetch_one(pool).await.unwrap()
}

/// Has its effect once for each id, and counts how often its body ran.
#[idempotent(key = id, transaction = tx, scope = "tests.place")]
pub(crate) async fn place(tx: &mut PgConnection, id: i64, runs: &AtomicUsize) -> Result<i64, Failure> {
    runs.fetch_add(1, Ordering::SeqCst);
    effect(tx, id).await?;
    Ok(id * 10)
}

/// Waits until a session of this pool's schema waits for a lock.
pub(crate) async fn until_blocked(pool: &PgPool, sessions: i64) {
    let name = pool.connect_options().get_application_name().unwrap().to_owned();
    let to: PgConnectOptions = server().parse().unwrap();
    let watch = PgPoolOptions::new().max_connections(1).connect_with(to).await.unwrap();
    let since = Instant::now();
    loop {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'";
        let blocked: i64 = query_scalar(sql).bind(&name).fetch_one(&watch).await.unwrap();
        if blocked >= sessions {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(20), "nobody waits");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    watch.close().await;
}
