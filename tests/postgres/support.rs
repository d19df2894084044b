//! Servers, schemas, and calls that must come out as they should.

use futures_lite::future::block_on;
use idempotent_servers::Postgres;
use idempotently::OnInterruption;
use idempotently::backend::postgres::sqlx::postgres::PgConnectOptions;
use idempotently::backend::postgres::sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, query_scalar, raw_sql};
use idempotently::backend::postgres::{PostgresOptions, PostgresStore};
use idempotently::record::Owner;
use idempotently::store::{Claim, Claimed, CompleteRequest, Hold, Place, Recorded, Store};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

pub(crate) const LEASE: Duration = Duration::from_secs(30);

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
        told.recv().unwrap_or_else(|error| panic!("no server: {error}"))
    })
}

/// The server without the library.
pub(crate) struct Bare {
    runtime: Runtime,
    connection: Mutex<PgConnection>,
}

impl Bare {
    pub(crate) fn connect(options: &PgConnectOptions) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap_or_else(|error| panic!("{error}"));
        let connection = runtime.block_on(options.connect()).unwrap_or_else(|error| panic!("{error}"));
        Self { runtime, connection: Mutex::new(connection) }
    }

    fn connection(&self) -> MutexGuard<'_, PgConnection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn execute(&self, sql: &str) -> u64 {
        let done = self.runtime.block_on(raw_sql(AssertSqlSafe(sql)).execute(&mut *self.connection()));
        done.unwrap_or_else(|error| panic!("{sql}: {error}")).rows_affected()
    }

    pub(crate) fn number(&self, sql: &str) -> i64 {
        let mut connection = self.connection();
        let number = query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *connection);
        self.runtime.block_on(number).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }
}

/// A schema of its own, and the way there.
pub(crate) fn schema() -> (PgConnectOptions, Bare) {
    static SCHEMAS: AtomicUsize = AtomicUsize::new(0);
    let schema = format!("schema_{}", SCHEMAS.fetch_add(1, Ordering::Relaxed));
    let to = to(server()).options([("search_path", format!("{schema},pg_catalog"))]).application_name(&schema);
    let bare = Bare::connect(&to.clone().application_name("bare"));
    bare.execute(&format!("CREATE SCHEMA {schema}"));
    (to, bare)
}

pub(crate) fn to(url: &str) -> PgConnectOptions {
    url.parse().unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn open(to: &PgConnectOptions) -> PostgresStore {
    let opened = PostgresStore::with_options(to.clone(), &PostgresOptions::new());
    opened.unwrap_or_else(|error| panic!("not opened: {error:?}"))
}

pub(crate) fn place(key: &str) -> Place {
    Place { scope: "tests".into(), key: key.into() }
}

pub(crate) fn claim(key: &str, owner: u8) -> Claim {
    Claim::new(place(key), Owner([owner; 16]), LEASE, OnInterruption::Retry)
}

pub(crate) fn granted(store: &PostgresStore, claim: Claim) -> Hold {
    let place = claim.place.clone();
    match block_on(store.claim(claim)) {
        Ok(Claimed::Granted { token, .. }) => Hold { place, token },
        other => panic!("not granted but {other:?}"),
    }
}

pub(crate) fn complete(store: &PostgresStore, hold: &Hold, outcome: &[u8]) -> Recorded {
    let recorded = block_on(store.complete(CompleteRequest::new(hold.clone(), outcome.to_vec())));
    recorded.unwrap_or_else(|error| panic!("not recorded: {error:?}"))
}

pub(crate) fn completed(outcome: &[u8]) -> Claimed {
    Claimed::Completed { outcome: outcome.to_vec() }
}

/// What the store says, which must be something.
pub(crate) fn said<T>(answer: idempotently::store::Answer<'_, T>) -> T {
    block_on(answer).unwrap_or_else(|error| panic!("no answer: {error:?}"))
}

pub(crate) fn soon<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(since.elapsed() < Duration::from_secs(20), "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}
