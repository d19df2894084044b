//! Records in PostgreSQL: they outlive the process, and the processes of many machines share them.
//!
//! A store has connections of its own, up to four, on a thread of the library's: one for claims, one for outcomes and what
//! is given back, one for renewals and operators, and, from when somebody waits for another process, one that listens.
//! Whatever queued while a statement ran goes into the next, so that many callers share one commit; a lone caller waits
//! for nobody. A replay is one statement, a first execution two. Verbs may be called from anywhere: blocking, or on any
//! runtime.
//!
//! Needed is PostgreSQL 12 or later, a database in the encoding UTF8, and the primary. What is promised is what the server
//! promises: with `synchronous_commit = off`, or where a standby that was behind takes over, the last claims and outcomes
//! may be gone, so that a body runs again whose outcome a caller has seen.
//!
//! A pooler in transaction mode forgets who listens. Everything works without, but who waits for another process then
//! looks every one to two seconds. It also has to know prepared statements: `PgBouncer` does from 1.21 on, with
//! `max_prepared_statements` above 0 and `ignore_startup_parameters = extra_float_digits`.
//!
//! # Tables
//!
//! [`PostgresStore::connect`] creates them, in the first schema of the user's `search_path`, where they are not there.
//! For a migration of one's own, [`PostgresStore::schema_sql`] has the statements, and
//! [`PostgresOptions::create_tables`] keeps the store from creating them:
//!
//! ```sql
#![doc = include_str!("postgres/schema.sql")]
//! ```

mod doubt;
mod fault;
mod job;
mod lane;
mod marker;
mod options;
mod row;
mod schema;
mod sql;
mod teller;
mod verbs;
mod watch;

/// The client, in the version that this store uses.
pub use sqlx;

pub(crate) use marker::{check, claim as claim_within, commit_status, complete as complete_within, judge, set_up};
pub use options::PostgresOptions;

use self::fault::explain;
use self::job::{Job, Page, Ticket};
use self::lane::{Lane, News};
use self::watch::Watch;
use super::oneshot::channel;
use super::remote::runtime;
use crate::blocking::block_on;
use crate::store::{
    AdoptRequest, Adopted, Answer, Claim, Claimed, CompleteRequest, Glimpse, Hold, Place, Recorded, Release, Standing,
    Store, StoreError,
};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection, PgPool};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// How many records are purged in one transaction, so that nobody waits long behind it.
const SWEEP: usize = 512;

/// How long opening a store may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Records in a PostgreSQL database. Clones share its connections; what was asked is done though the last one is dropped.
///
/// ```no_run
/// use idempotently::backend::postgres::PostgresStore;
///
/// let store = PostgresStore::connect("postgres://app:secret@localhost/app")?;
/// # Ok::<(), idempotently::store::StoreError>(())
/// ```
#[derive(Clone)]
pub struct PostgresStore {
    shared: Arc<Shared>,
}

struct Shared {
    options: Arc<PgConnectOptions>,
    watch: Arc<Watch>,
    claims: Lane,
    /// Outcomes, and what is given back.
    writes: Lane,
    /// Renewals, operators, and what other processes are told.
    service: Lane,
    listening: AbortHandle,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl PostgresStore {
    /// Connects to what a URL names, and creates the tables where they are not there:
    /// `postgres://user:password@host:5432/database?sslmode=require`.
    ///
    /// It blocks until the server has answered, on whatever thread it is called.
    ///
    /// # Errors
    /// When the URL cannot be understood, the server cannot be reached or does not let the user in, the tables cannot be
    /// created, or are of a later version of this library. The error says what to do, and holds no password.
    pub fn connect(url: &str) -> Result<Self, StoreError> {
        Self::with_options(options::parse(url)?, &PostgresOptions::new())
    }

    /// The same as [`connect`](Self::connect), under the name that all stores have for it.
    ///
    /// ```
    /// use idempotently::backend::postgres::PostgresStore;
    ///
    /// assert!(PostgresStore::from_url("mysql://localhost/app").is_err());
    /// ```
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect).
    pub fn from_url(url: &str) -> Result<Self, StoreError> {
        Self::connect(url)
    }

    /// Connects to where a pool connects to. None of the pool's connections is used: it may be busy or closed.
    ///
    /// ```no_run
    /// use idempotently::backend::postgres::{PostgresStore, sqlx};
    ///
    /// let pool = sqlx::PgPool::connect_lazy("postgres://localhost/app")?;
    /// let store = PostgresStore::from_pool(&pool)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect).
    pub fn from_pool(pool: &PgPool) -> Result<Self, StoreError> {
        Self::with_options(pool.connect_options().as_ref().clone(), &PostgresOptions::new())
    }

    /// Connects as the options say.
    ///
    /// ```no_run
    /// use idempotently::backend::postgres::{PostgresOptions, PostgresStore, sqlx};
    ///
    /// let connect = sqlx::postgres::PgConnectOptions::new().host("db.internal").username("app");
    /// let store = PostgresStore::with_options(connect, &PostgresOptions::new().create_tables(false))?;
    /// # Ok::<(), idempotently::store::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect).
    pub fn with_options(connect: PgConnectOptions, options: &PostgresOptions) -> Result<Self, StoreError> {
        let runtime = runtime()?;
        let connect = Arc::new(options::settled(connect));
        let (sender, opened) = channel();
        let (to, options) = (connect.clone(), options.clone());
        // On the library's thread, where the connection will be used; the caller's own runtime may stand still meanwhile.
        runtime.spawn(async move {
            let connected = match timeout(PATIENCE, open(&to, &options)).await {
                Ok(connected) => connected,
                Err(_) => Err(StoreError::from(fault::Fault::Silent)),
            };
            // Whoever asked waits for it.
            let _ = sender.send(connected);
        });
        Ok(Self::on(runtime, connect, block_on(opened)?))
    }

    /// The tables that a store needs, for those who create them by a migration of their own. It can be run again.
    ///
    /// ```
    /// use idempotently::backend::postgres::PostgresStore;
    ///
    /// assert!(PostgresStore::schema_sql().contains("CREATE TABLE IF NOT EXISTS idempotently_record"));
    /// ```
    #[must_use]
    pub const fn schema_sql() -> &'static str {
        schema::SQL
    }

    fn on(runtime: &Handle, options: Arc<PgConnectOptions>, connection: PgConnection) -> Self {
        let watch = Arc::new(Watch::new());
        let (told, news) = unbounded_channel();
        let lane = |news| Lane::new(options.clone(), watch.clone(), news);
        let (claims, claiming) = lane(News::new(&told));
        let (writes, writing) = lane(News::new(&told));
        let (service, serving) = lane(News::of_the_teller(&told));
        runtime.spawn(claiming.on(connection).run());
        runtime.spawn(writing.run());
        runtime.spawn(serving.run());
        runtime.spawn(teller::tell(news, service.clone(), watch.clone()));
        let listening = runtime.spawn(watch::listen(watch.clone(), options.clone())).abort_handle();
        Self { shared: Arc::new(Shared { options, watch, claims, writes, service, listening }) }
    }
}

async fn open(connect: &PgConnectOptions, options: &PostgresOptions) -> Result<PgConnection, StoreError> {
    let mut connection = connect.connect().await.map_err(explain)?;
    schema::prepare(&mut connection, options).await?;
    Ok(connection)
}

fn ask<'a, T: Send + 'static>(lane: &Lane, job: impl FnOnce(Ticket<T>) -> Job) -> Answer<'a, T> {
    Box::pin(lane.ask(job))
}

impl Store for PostgresStore {
    fn claim(&self, claim: Claim) -> Answer<'_, Claimed> {
        Box::pin(async move { self.shared.claims.claim(claim).await })
    }

    fn renew(&self, holds: Vec<Hold>, lease: Duration) -> Answer<'_, Vec<bool>> {
        ask(&self.shared.service, |ticket| Job::Renew(holds, lease, ticket))
    }

    fn complete(&self, request: CompleteRequest) -> Answer<'_, Recorded> {
        ask(&self.shared.writes, |ticket| Job::Complete(request, ticket))
    }

    fn adopt(&self, request: AdoptRequest) -> Answer<'_, Adopted> {
        ask(&self.shared.writes, |ticket| Job::Adopt(request, ticket))
    }

    fn release(&self, hold: Hold, how: Release) -> Answer<'_, bool> {
        ask(&self.shared.writes, |ticket| Job::Release(hold, how, ticket))
    }

    fn changed(&self, place: &Place) -> Answer<'_, ()> {
        let waiter = self.shared.watch.enter(row::number(place));
        Box::pin(async move {
            waiter.await;
            Ok(())
        })
    }

    fn peek(&self, place: Place) -> Answer<'_, Option<Glimpse>> {
        ask(&self.shared.service, |ticket| Job::Peek(place, ticket))
    }

    fn forget(&self, place: Place) -> Answer<'_, bool> {
        ask(&self.shared.service, |ticket| Job::Forget(place, ticket))
    }

    fn resolve(&self, place: Place, outcome: Vec<u8>, retention: Option<Duration>) -> Answer<'_, bool> {
        ask(&self.shared.service, |ticket| Job::Resolve(place, outcome, retention, ticket))
    }

    fn list(
        &self,
        scope: Arc<str>,
        standing: Standing,
        after: Option<Arc<str>>,
        limit: usize,
    ) -> Answer<'_, Vec<Glimpse>> {
        let page = Page { scope, standing, after, limit };
        ask(&self.shared.service, |ticket| Job::List(page, ticket))
    }

    fn purge(&self, limit: usize) -> Answer<'_, usize> {
        Box::pin(async move {
            let mut purged = 0;
            while purged < limit {
                let most = SWEEP.min(limit - purged);
                let gone = self.shared.service.ask(|ticket| Job::Purge(most, ticket)).await?;
                purged += gone;
                if gone < most {
                    break;
                }
            }
            Ok(purged)
        })
    }

    fn name(&self) -> &'static str {
        "postgres"
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.shared.options;
        f.debug_struct("PostgresStore")
            .field("host", &options.get_host())
            .field("port", &options.get_port())
            .field("database", &options.get_database())
            .finish_non_exhaustive()
    }
}
