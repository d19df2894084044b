//! Every kind of function with its records in a store, and every form of the arguments that ask for one.

#![deny(warnings, missing_docs)]

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

use idempotently::backend::memory::MemoryStore;
use idempotently::{Error, SharedStore, idempotent, observe};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

static RUNS: AtomicU32 = AtomicU32::new(0);

fn next() -> u32 {
    RUNS.fetch_add(1, Ordering::Relaxed)
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Receipt {
    run: u32,
}

#[idempotent(key = id, durable, scope = "durable.plain", interrupted = fail)]
fn plain(id: &str) -> Result<Receipt, Error> {
    drop(id.to_owned());
    Ok(Receipt { run: next() })
}

#[idempotent(
    key = (id, tenant),
    fingerprint = (amount, tenant.checked_add(1)),
    store = store,
    scope = "durable.everything",
    interrupted = retry(5),
    lease = "1500ms",
    max_run = "15m",
    retention = "7d",
    in_flight = wait("10s"),
    keep = ok,
    on_failure = share,
)]
async fn everything(store: &SharedStore, id: String, tenant: u8, amount: f64) -> Result<u32, Reason> {
    drop(id);
    Ok(std::future::ready(next() + u32::from(tenant) + u32::from(amount > 0.0)).await)
}

#[idempotent(key = id, durable, scope = "durable.predicate", interrupted = retry, keep = Result::is_err)]
async fn by_predicate(id: u8) -> Result<u32, Reason> {
    Err(Reason(std::future::ready(next() + u32::from(id)).await.to_string()))
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Reason(String);

impl From<Error> for Reason {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

#[idempotent(key = id, missing = run, store = &store, scope = "durable.opaque", interrupted = retry)]
fn opaque(store: SharedStore, id: Option<u8>) -> impl Future<Output = Result<u32, Error>> {
    let _ = id;
    async move { Ok(next()) }
}

#[idempotent(key = id, store = store, scope = "durable.boxed", interrupted = retry)]
fn boxed(store: &SharedStore, id: u8) -> Pin<Box<dyn Future<Output = Result<u32, Error>> + Send + '_>> {
    let _ = id;
    Box::pin(async move { Ok(next()) })
}

#[idempotent(key = id, store = &STORES[usize::from(id % 2)].0, scope = S::NAME, interrupted = retry)]
fn generic<S: Named, T: Clone + Send + Sync + Serialize + DeserializeOwned + 'static>(
    _: &S,
    id: u8,
    value: T,
) -> Result<T, Box<dyn std::error::Error + Send + Sync>> {
    let _ = (id, next());
    Ok(value)
}

#[idempotent(key = id, store = &store, scope = "durable.detached", interrupted = fail, detached)]
async fn detached(store: SharedStore, id: u8) -> Result<u32, Error> {
    let _ = id;
    Ok(std::future::ready(next()).await)
}

#[idempotent(key = id, fingerprint = sum, store = &store, scope = "durable.detached.boxed", interrupted = retry, detached)]
fn detached_boxed(
    store: SharedStore,
    id: String,
    sum: f64,
) -> Pin<Box<dyn Future<Output = Result<u32, Box<dyn std::error::Error + Send + Sync>>> + Send>> {
    let _ = (id, sum);
    Box::pin(async move { Ok(next()) })
}

trait Named {
    const NAME: &'static str;
}

struct Here;

impl Named for Here {
    const NAME: &'static str = "durable.generic";
}

static STORES: std::sync::LazyLock<[(SharedStore, ()); 2]> =
    std::sync::LazyLock::new(|| [(shared(), ()), (shared(), ())]);

struct Payments {
    store: SharedStore,
}

impl Payments {
    #[idempotent(key = "payment-{id}", store = &self.store, scope = "durable.method", interrupted = fail)]
    async fn charge(&self, id: u8) -> Result<u32, Error> {
        let _ = id;
        Ok(std::future::ready(next()).await)
    }
}

fn shared() -> SharedStore {
    SharedStore::new(MemoryStore::new())
}

fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = Box::pin(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}

fn main() {
    assert_eq!(plain("a").unwrap_err().kind(), idempotently::ErrorKind::NoStore);
    assert!(idempotently::install(shared()).is_ok());
    assert_eq!(plain("a").ok(), plain("a").ok());
    assert_ne!(plain("a").ok(), plain("b").ok());

    let store = shared();
    assert_eq!(now(by_predicate(1)), now(by_predicate(1)));

    let first = now(everything(&store, "a".to_owned(), 1, 2.5));
    assert_eq!(now(everything(&store, "a".to_owned(), 1, 2.5)), first);
    assert!(now(everything(&store, "a".to_owned(), 1, 3.5)).is_err());
    assert_ne!(now(everything(&shared(), "a".to_owned(), 1, 2.5)), first);

    assert_eq!(now(opaque(store.clone(), Some(1))).ok(), now(opaque(store.clone(), Some(1))).ok());
    assert_ne!(now(opaque(store.clone(), None)).ok(), now(opaque(store.clone(), None)).ok());
    assert_eq!(now(boxed(&store, 1)).ok(), now(boxed(&store, 1)).ok());
    assert_eq!(generic(&Here, 1, "a".to_owned()).ok(), generic(&Here, 1, "b".to_owned()).ok());

    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(
        runtime.block_on(detached(store.clone(), 1)).ok(),
        runtime.block_on(detached(store.clone(), 1)).ok(),
    );
    let boxed = |sum| runtime.block_on(detached_boxed(store.clone(), "a".to_owned(), sum)).ok();
    assert!(boxed(1.5).is_some());
    assert_eq!(boxed(1.5), boxed(1.5));
    assert_eq!(boxed(2.5), None);

    let payments = Payments { store };
    assert_eq!(now(payments.charge(1)).ok(), now(payments.charge(1)).ok());
    assert_eq!(observe(|| now(payments.charge(1)).ok()).how, idempotently::How::Replayed);
}
