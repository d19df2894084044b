//! Records in Redis or Valkey: the processes of many machines share them.
//!
//! Each verb is one command, a script on one key, judged by the server's clock. A claim that finds an outcome costs one
//! command, a first execution two; a store's first claim costs one more, by which it learns the server's clock. Who
//! waits is told by the server (`CLIENT TRACKING`), or looks again where it cannot tell: in a cluster, and where the user
//! may not ask for it.
//!
//! **What it can lose.** Redis answers before its replicas and, as a rule, its disk have a record: a failover, or a
//! crash with `appendfsync everysec`, may take back what was answered a moment ago, so that a body runs again whose
//! outcome somebody has seen. A server that evicts (`maxmemory-policy` other than `noeviction`) takes records away when
//! it is full; [`RedisStore::warnings`] says so. Where that is too little, use a store in a database.
//!
//! Outcomes with a retention go by themselves. A record of a body that is running or interrupted has no end: it stays
//! until somebody claims it, or an operator resolves or forgets it.
//!
//! A user with rights of its own needs the keys `PREFIX/*` and the commands `EVAL`, `EVALSHA`, `GET`, `GETRANGE`, `SET`,
//! `DEL`, `TIME`, `SCAN`, `CLIENT` and `INFO`, in a cluster `CLUSTER`, and before Redis 7.0 `SREM`.

mod connection;
mod doubt;
mod fault;
mod ledger;
mod name;
mod options;
mod probe;
mod row;
mod script;
mod watch;

pub use ::redis;
pub use options::{RedisOptions, RedisWarning};

use self::connection::{Line, Repeat};
use self::doubt::{Doubt, ServerClock};
use self::ledger::{Ledger, Page};
use self::name::Names;
use self::options::Target;
use self::script::Call;
use self::watch::Watch;
use super::forked::Opener;
use super::oneshot::channel;
use super::remote::runtime;
use super::waker::Guarded;
use crate::blocking::block_on;
use crate::store::{
    AdoptRequest, Adopted, Answer, Claim, Claimed, CompleteRequest, Glimpse, Hold, Place, Recorded, Release, Standing,
    Store, StoreError,
};
use crate::underway::UNTAKEN;
use ::redis::cluster::ClusterClient;
use ::redis::{Client, IntoConnectionInfo, Value};
use once_cell::sync::Lazy;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};
use tokio::runtime::Handle;
use tokio::task::yield_now;

/// Records in Redis or Valkey. Clones share its connection, which is on a thread of the library's own: a store may be
/// opened and used on any async runtime, and without one.
///
/// ```no_run
/// use idempotently::backend::redis::{RedisOptions, RedisStore};
///
/// let store = RedisStore::connect("redis://localhost:6379")?;
/// let options = RedisOptions::new().prefix("shop");
/// let store = RedisStore::connect_with("redis+cluster://me:secret@one:6379,two:6379", &options)?;
/// # Ok::<(), idempotently::store::StoreError>(())
/// ```
#[derive(Clone)]
pub struct RedisStore {
    shared: Arc<Shared>,
}

struct Shared {
    opener: Opener,
    runtime: &'static Handle,
    ledger: Arc<Ledger>,
    watch: Arc<Watch>,
    warnings: Vec<RedisWarning>,
}

impl RedisStore {
    /// Connects to what a URL names: `redis://[user:password@]host:port/db`, `rediss://…` with TLS, and
    /// `redis+cluster://[user:password@]host:port,host:port` for a cluster by some of its nodes. Blocks the thread.
    ///
    /// ```
    /// use idempotently::backend::redis::RedisStore;
    ///
    /// assert!(RedisStore::connect("redis+cluster://").is_err());
    /// ```
    ///
    /// # Errors
    /// When the URL cannot be understood, the server cannot be reached, is older than 6.2, or refuses the credentials or
    /// the right to look at records (`GETRANGE`).
    /// The error says what to do.
    pub fn connect(url: &str) -> Result<Self, StoreError> {
        Self::connect_with(url, &RedisOptions::new())
    }

    /// Connects to what a URL names, as the options say.
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect).
    pub fn connect_with(url: &str, options: &RedisOptions) -> Result<Self, StoreError> {
        Self::open(options::parse(url)?, options)
    }

    /// The same as [`connect`](Self::connect), by the name that it has at other stores.
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect).
    pub fn from_url(url: &str) -> Result<Self, StoreError> {
        Self::connect(url)
    }

    /// Connects to the server of a client that you have, with its settings and on a connection of the store's own.
    ///
    /// ```no_run
    /// use idempotently::backend::redis::{RedisOptions, RedisStore, redis};
    ///
    /// let client = redis::Client::open("redis://localhost:6379")?;
    /// let store = RedisStore::from_client(&client, &RedisOptions::new())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect).
    pub fn from_client(client: &Client, options: &RedisOptions) -> Result<Self, StoreError> {
        Self::open(options::single(client.get_connection_info().clone())?, options)
    }

    /// Connects to the cluster of a client that you have, with its settings and on connections of the store's own.
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect).
    pub fn from_cluster_client(client: &ClusterClient, options: &RedisOptions) -> Result<Self, StoreError> {
        Self::open(Target::Cluster(Box::new(client.clone())), options)
    }

    /// Connects to a cluster by some of its nodes.
    ///
    /// # Errors
    /// When a node is named wrongly, and those of [`connect`](Self::connect).
    pub fn from_cluster_nodes<T: IntoConnectionInfo>(
        nodes: impl IntoIterator<Item = T>,
        options: &RedisOptions,
    ) -> Result<Self, StoreError> {
        // The client's own words may repeat a URL, and with it a password.
        let nodes: Result<Vec<_>, _> = nodes.into_iter().map(IntoConnectionInfo::into_connection_info).collect();
        let nodes = nodes.map_err(|_| StoreError::new("a node of the Redis cluster is named wrongly").permanent())?;
        Self::open(options::cluster(nodes)?, options)
    }

    /// Why records may be lost although the server is well, as it was when the store was opened. With the feature
    /// `tracing` the same is said as events.
    pub fn warnings(&self) -> &[RedisWarning] {
        &self.shared.warnings
    }

    fn open(target: Target, options: &RedisOptions) -> Result<Self, StoreError> {
        let runtime = runtime()?;
        let (sender, receiver) = channel();
        let (watch, options) = (Arc::new(Watch::default()), options.clone());
        runtime.spawn(async move {
            let opened = async {
                let line = Line::open(target, &options, watch.clone()).await?;
                let names = Names::new(&options.prefix, line.is_cluster());
                let warnings = probe::probe(&line, &names).await?;
                let ledger = Arc::new(Ledger { line: Arc::new(line), names, clock: ServerClock::default() });
                Ok(Self { shared: Arc::new(Shared { opener: Opener::this(), runtime, ledger, watch, warnings }) })
            };
            // Whoever opens a store waits for it.
            let _ = sender.send(opened.await);
        });
        block_on(receiver)
    }
}

impl Shared {
    /// Asks, now; the answer may be waited for or not.
    fn ask<T, F>(&self, verb: impl FnOnce(Arc<Ledger>) -> F) -> Answer<'static, T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        if let Err(error) = self.opener.check() {
            return Box::pin(std::future::ready(Err(error)));
        }
        let (sender, receiver) = channel();
        let asked = verb(self.ledger.clone());
        self.runtime.spawn(async move {
            // Whoever does not wait for the answer does not want it.
            let _ = sender.send(asked.await);
        });
        Box::pin(receiver)
    }

    /// Asks, now; where nobody waits for the answer, again until there is one.
    fn record<T: Send + 'static>(&self, call: Call, read: fn(Value) -> Result<T, StoreError>) -> Answer<'static, T> {
        if let Err(error) = self.opener.check() {
            return Box::pin(std::future::ready(Err(error)));
        }
        let ledger = self.ledger.clone();
        let mut driven = self.drive(|left| async move {
            let answer = ledger.line.call(&call, Repeat::Harmless).await;
            if answer.as_ref().is_err_and(|failure| failure.passing) {
                // At the next poll it is known whether somebody waits.
                yield_now().await;
                if left.load(Ordering::Relaxed) {
                    ledger.insist(&call).await;
                }
            }
            read(answer?)
        });
        driven.begin();
        Box::pin(driven)
    }

    fn claim(self: &Arc<Self>, claim: Claim) -> Driven<Claimed> {
        let (ledger, users, number) = (self.ledger.clone(), Arc::downgrade(self), number_of_call());
        let mut driven = self.drive(|left| async move {
            let (claimed, lost_until) = ledger.claim(&claim, number).await;
            let granted = if let Ok(Claimed::Granted { token, .. }) = claimed { Some(token) } else { None };
            let told = granted.filter(|_| !left.load(Ordering::Relaxed));
            if lost_until.is_some() || granted != told {
                let Claim { place, owner, .. } = claim;
                let (last, told) = (lost_until.unwrap_or_default(), told.unwrap_or_default());
                let doubt = Doubt { place, owner, number, last, told, underway: UNTAKEN.begin() };
                tokio::spawn(doubt.settle(ledger, users));
            }
            claimed
        });
        driven.is_claim = true;
        driven
    }

    fn drive<T, F>(&self, ask: impl FnOnce(Arc<AtomicBool>) -> F) -> Driven<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let left = Arc::new(AtomicBool::new(false));
        Driven {
            runtime: self.runtime,
            asked: Some(Box::pin(ask(left.clone()))),
            waker: Guarded::default(),
            left,
            is_claim: false,
        }
    }

    /// Asks, now, and again where it fails: a drop cannot. Then it may say no for yes; a key that nobody gives back would
    /// be worse.
    fn release(&self, hold: &Hold, how: Release) -> Answer<'static, bool> {
        let call = row::release(self.ledger.names.of(&hold.place), hold, how);
        self.ask(|ledger| async move {
            let answer = ledger.line.call(&call, Repeat::Harmless).await;
            if answer.as_ref().is_err_and(|failure| failure.passing) {
                let underway = UNTAKEN.begin();
                tokio::spawn(async move {
                    ledger.insist(&call).await;
                    drop(underway);
                });
            }
            row::yes(answer?)
        })
    }
}

/// A request that is driven by whoever waits for it, which leaves the library's own thread to the connection. Dropped
/// half way, it goes on there.
struct Driven<T: Send + 'static> {
    runtime: &'static Handle,
    asked: Option<Answer<'static, T>>,
    /// The runtime's timers call it on their thread.
    waker: Guarded,
    /// Nobody waits for the answer any more.
    left: Arc<AtomicBool>,
    /// What it is granted when nobody waits has to be given back.
    is_claim: bool,
}

impl<T: Send + 'static> Driven<T> {
    /// Asks, before anybody waits.
    fn begin(&mut self) {
        if let Poll::Ready(answer) = Pin::new(&mut *self).poll(&mut Context::from_waker(Waker::noop())) {
            self.asked = Some(Box::pin(std::future::ready(answer)));
        }
    }
}

impl<T: Send + 'static> Future for Driven<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // The timers and the connection are of the library's own runtime, whoever polls.
        let _entered = self.runtime.enter();
        let Self { asked: Some(asked), waker, .. } = &mut *self else { return Poll::Pending };
        let answer = asked.as_mut().poll(&mut Context::from_waker(waker.guard(cx.waker())));
        if answer.is_ready() {
            self.asked = None;
        }
        answer
    }
}

impl<T: Send + 'static> Drop for Driven<T> {
    fn drop(&mut self) {
        if let Some(asked) = self.asked.take() {
            self.left.store(true, Ordering::Relaxed);
            let untaken = self.is_claim.then(|| UNTAKEN.begin());
            self.runtime.spawn(async move {
                drop(asked.await);
                drop(untaken);
            });
        }
    }
}

/// Another one for each call, also of an earlier process; the later, the larger.
fn number_of_call() -> u64 {
    static NEXT: Lazy<AtomicU64> = Lazy::new(|| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        AtomicU64::new(u64::try_from(since.as_micros()).unwrap_or(0))
    });
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Store for RedisStore {
    fn claim(&self, claim: Claim) -> Answer<'_, Claimed> {
        Box::pin(async move {
            self.shared.opener.check()?;
            self.shared.claim(claim).await
        })
    }

    fn renew(&self, holds: Vec<Hold>, lease: Duration) -> Answer<'_, Vec<bool>> {
        self.shared.ask(|ledger| async move { ledger.renew(holds, lease).await })
    }

    fn complete(&self, request: CompleteRequest) -> Answer<'_, Recorded> {
        let call = row::complete(self.shared.ledger.names.of(&request.hold.place), request);
        self.shared.record(call, row::recorded)
    }

    fn adopt(&self, request: AdoptRequest) -> Answer<'_, Adopted> {
        let call = row::adopt(self.shared.ledger.names.with_last_token(&request.place), request);
        self.shared.record(call, row::adopted)
    }

    fn release(&self, hold: Hold, how: Release) -> Answer<'_, bool> {
        self.shared.release(&hold, how)
    }

    fn changed(&self, place: &Place) -> Answer<'_, ()> {
        let Shared { opener, runtime, ledger, watch, .. } = &*self.shared;
        if let Err(error) = opener.check() {
            return Box::pin(std::future::ready(Err(error)));
        }
        let waiter = watch.enter(runtime, &ledger.line, ledger.names.of(place));
        Box::pin(async move {
            waiter.await;
            Ok(())
        })
    }

    fn peek(&self, place: Place) -> Answer<'_, Option<Glimpse>> {
        self.shared.ask(|ledger| async move { ledger.peek(&place).await })
    }

    fn forget(&self, place: Place) -> Answer<'_, bool> {
        self.shared.ask(|ledger| async move { ledger.forget(&place).await })
    }

    fn resolve(&self, place: Place, outcome: Vec<u8>, retention: Option<Duration>) -> Answer<'_, bool> {
        self.shared.ask(|ledger| async move { ledger.resolve(&place, outcome, retention).await })
    }

    /// Looks at the names of all keys on the server, whoever's they are, for each page: the server has no order to find
    /// them by.
    fn list(
        &self,
        scope: Arc<str>,
        standing: Standing,
        after: Option<Arc<str>>,
        limit: usize,
    ) -> Answer<'_, Vec<Glimpse>> {
        let page = Page { scope, standing, after, limit };
        self.shared.ask(|ledger| async move { ledger.list(&page).await })
    }

    /// Nothing: the server takes ended records away by itself.
    fn purge(&self, _limit: usize) -> Answer<'_, usize> {
        Box::pin(std::future::ready(Ok(0)))
    }

    fn name(&self) -> &'static str {
        "redis"
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("warnings", &self.shared.warnings).finish_non_exhaustive()
    }
}
