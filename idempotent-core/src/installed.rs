//! The store that `durable` operations use, and stores by URL.

#[cfg(feature = "testing")]
mod isolated;

use crate::backend::memory::MemoryStore;
use crate::error::{Error, ErrorKind};
use crate::lease::SharedStore;
#[cfg(feature = "testing")]
use crate::realm::{self, Realm};
use crate::store::StoreError;
use once_cell::sync::OnceCell;

static INSTALLED: OnceCell<SharedStore> = OnceCell::new();

/// Makes `store` the one that `durable` operations use, once, when the program starts.
///
/// In a test that is isolated (feature `testing`) it is the store of that test, whatever the program and other tests have.
///
/// # Errors
/// [`Misdeclared`](ErrorKind::Misdeclared) when a store is installed already: records that are looked for in two places
/// are not found.
pub fn install(store: SharedStore) -> Result<(), Error> {
    #[cfg(feature = "testing")]
    if let Some(realm) = realm::current() {
        return isolated::install(&realm, store);
    }
    INSTALLED.set(store).map_err(|_| {
        Error::detailed(
            ErrorKind::Misdeclared,
            "idempotently::install",
            "a store is installed already; install one, once",
        )
    })
}

/// The store that `durable` operations use here and now.
pub(crate) fn installed() -> Option<SharedStore> {
    #[cfg(feature = "testing")]
    if let Some(realm) = realm::current() {
        return Some(isolated::store(&realm));
    }
    INSTALLED.get().cloned()
}

/// The store of an isolated test.
#[cfg(feature = "testing")]
pub(crate) fn of_test(realm: &Realm) -> SharedStore {
    isolated::store(realm)
}

/// The process that an isolated test stands for dies, and another one takes its place.
#[cfg(feature = "testing")]
pub(crate) fn crash(realm: &Realm) {
    isolated::crash(realm);
}

/// A store by its URL: `memory:`, `sqlite:FILE` (feature `sqlite`), `postgres://…` and `postgresql://…` (feature
/// `postgres`), or `redis://…`, `rediss://…` and `redis+cluster://…` (feature `redis`).
///
/// It blocks its thread while the store is opened, for a server at most for the connection's time-out: call it when the program
/// starts, before there are requests to serve.
///
/// ```
/// use idempotently::{ErrorKind, connect};
/// use std::error::Error as _;
///
/// assert_eq!(connect("memory:")?.store().name(), "memory");
/// let error = connect("mysql://localhost").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Store);
/// assert!(error.to_string().contains("the store could not be opened"));
/// assert!(error.source().is_some_and(|why| why.to_string().contains("no scheme of a store")));
/// # Ok::<(), idempotently::Error>(())
/// ```
///
/// # Errors
/// [`Store`](ErrorKind::Store) when the scheme is not known, when the feature for it is off, or when the store cannot be
/// opened; the error's source says which, and never holds a password.
pub fn connect(url: &str) -> Result<SharedStore, Error> {
    open(url).map_err(|why| {
        let is_permanent = why.is_permanent();
        Error::advising(ErrorKind::Store, "idempotently::connect", why, CLOSED).permanent_if(is_permanent)
    })
}

/// In general; the source of the error is particular.
const CLOSED: (&str, &str) = (
    "the store could not be opened",
    "see that its URL is right, that its server or folder is there, and that it lets this user in",
);

fn open(url: &str) -> Result<SharedStore, StoreError> {
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("memory") => Ok(SharedStore::new(MemoryStore::new())),
        #[cfg(feature = "sqlite")]
        Some("sqlite") => crate::backend::sqlite::SqliteStore::from_url(url).map(SharedStore::new),
        #[cfg(not(feature = "sqlite"))]
        Some("sqlite") => Err(StoreError::new("this scheme needs the feature `sqlite` of `idempotently`").permanent()),
        #[cfg(feature = "postgres")]
        Some("postgres" | "postgresql") => crate::backend::postgres::PostgresStore::from_url(url).map(SharedStore::new),
        #[cfg(not(feature = "postgres"))]
        Some("postgres" | "postgresql") => {
            Err(StoreError::new("this scheme needs the feature `postgres` of `idempotently`").permanent())
        }
        #[cfg(feature = "redis")]
        Some("redis" | "rediss" | "redis+cluster" | "rediss+cluster") => {
            crate::backend::redis::RedisStore::connect(url).map(SharedStore::new)
        }
        #[cfg(not(feature = "redis"))]
        Some("redis" | "rediss" | "redis+cluster" | "rediss+cluster") => {
            Err(StoreError::new("this scheme needs the feature `redis` of `idempotently`").permanent())
        }
        _ => Err(StoreError::new(
            "the URL has no scheme of a store; write `sqlite:FILE`, `postgres://HOST/DATABASE`, `redis://HOST` or `memory:`",
        )
        .permanent()),
    }
}
