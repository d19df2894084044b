//! For the tests of programs that use this crate: every test its own records and its own clock.
//!
//! A test binary runs its tests side by side in one process, and an operation is a `static`: without isolation, what
//! one test records another one replays.
//!
//! ```
//! use idempotently::{idempotent, testing};
//!
//! #[idempotent(key = user, retention = "24h")]
//! fn welcome(user: &str) -> u64 {
//!     // An application's mail would go out here.
//!     idempotently::current().map_or(0, |execution| execution.token())
//! }
//!
//! // #[test]
//! fn a_user_is_welcomed_once_a_day() {
//!     let test = testing::isolate();
//!     let first = welcome("ada");
//!     assert_eq!(welcome("ada"), first);
//!     test.advance("25h"); // nobody sleeps
//!     assert_ne!(welcome("ada"), first);
//! }
//! # a_user_is_welcomed_once_a_day();
//! ```
//!
//! What belongs to a test is its thread, and every task that runs on it: the whole task tree under `#[tokio::test]`, which
//! has one thread. Other threads, and tasks on the workers of a multi-threaded runtime, are given the test's [`Handle`].

pub use crate::span::Span;

#[cfg(feature = "durable")]
use crate::installed;
#[cfg(feature = "durable")]
use crate::lease::SharedStore;
use crate::realm::{Inside, Realm};

use pin_project_lite::pin_project;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Gives the running thread its own records and clock, until the guard is dropped.
#[must_use = "the isolation ends when this is dropped"]
pub fn isolate() -> Isolation {
    let realm = Arc::new(Realm::default());
    let inside = realm.enter();
    Isolation { handle: Handle { realm }, _inside: inside, bound: PhantomData }
}

/// A test's own world. It stays on the thread that made it.
pub struct Isolation {
    handle: Handle,
    _inside: Inside,
    bound: PhantomData<*const ()>,
}

impl Isolation {
    /// Moves this test's clock ahead: `"25h"`, `"250ms"`, or a [`Duration`](std::time::Duration). It does not move by itself.
    ///
    /// # Panics
    /// When the text is not a span of time.
    pub fn advance(&self, by: impl Span) {
        self.handle.advance(by);
    }

    /// The test's store, which its `durable` operations use: what the test installed, or records in memory on its clock.
    ///
    /// It is what [`Records`](crate::records::Records) needs, and `store = …`. After a [`crash`](Self::crash) ask again: what it
    /// returned before belongs to the process that died.
    ///
    /// ```
    /// use idempotently::{Error, Records, idempotent, testing};
    ///
    /// #[idempotent(key = id, durable, scope = "docs.testing.store", interrupted = fail)]
    /// fn charge(id: u32) -> Result<u64, Error> { Ok(500) }
    ///
    /// let test = testing::isolate();
    /// charge(7)?;
    /// assert!(Records::of(&test.store()).peek("docs.testing.store", &7)?.is_some());
    /// # Ok::<(), Error>(())
    /// ```
    #[cfg(feature = "durable")]
    #[must_use]
    pub fn store(&self) -> SharedStore {
        self.handle.store()
    }

    /// Does what the death of the process does: everything in process is forgotten, and records in the test's store stay,
    /// leases included.
    ///
    /// Once the lease is over, the next call does what `interrupted` says. A body that still runs goes on, as nothing can
    /// stop it, but it is fenced out: it can neither record, release nor renew, and its caller gets an error. Records in
    /// a store that is not the test's (`store = …`) stay; bodies that use one are not fenced out.
    ///
    /// ```
    /// use idempotently::{Error, current, idempotent, testing};
    /// use std::future::pending;
    ///
    /// #[idempotent(key = id, durable, scope = "docs.testing.crash", interrupted = retry)]
    /// async fn charge(id: u32, hangs: bool) -> Result<u32, Error> {
    ///     if hangs {
    ///         pending::<()>().await;
    ///     }
    ///     Ok(current().map_or(0, |execution| execution.attempt()))
    /// }
    ///
    /// # futures_lite::future::block_on(async {
    /// let test = testing::isolate();
    /// let mut first = Box::pin(charge(7, true));
    /// assert!(futures_lite::future::poll_once(&mut first).await.is_none()); // it has begun
    /// test.crash();
    /// test.advance("31s"); // the lease is over
    /// assert_eq!(charge(7, false).await?, 2);
    /// # Ok::<(), Error>(())
    /// # }).unwrap();
    /// ```
    pub fn crash(&self) {
        self.handle.crash();
    }

    /// What other threads and tasks need to be part of this test.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

impl fmt::Debug for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Isolation").finish_non_exhaustive()
    }
}

/// A share in a test's world, to be handed to its threads and tasks.
///
/// ```
/// use idempotently::{idempotent, testing};
///
/// #[idempotent(key = floor)]
/// fn call_lift(floor: u8) -> u64 { idempotently::current().map_or(0, |execution| execution.token()) }
///
/// let test = testing::isolate();
/// let handle = test.handle();
/// let elsewhere = std::thread::spawn(move || handle.run(|| call_lift(3))).join().unwrap();
/// assert_eq!(call_lift(3), elsewhere);
/// ```
#[derive(Clone)]
pub struct Handle {
    realm: Arc<Realm>,
}

impl Handle {
    /// Runs `f` on this thread as part of the test.
    pub fn run<T>(&self, f: impl FnOnce() -> T) -> T {
        let _inside = self.realm.enter();
        f()
    }

    /// Makes `future` part of the test, on whichever thread it is polled.
    pub fn scope<F: Future>(&self, future: F) -> Scoped<F> {
        Scoped { future, handle: self.clone() }
    }

    /// As [`Isolation::store`].
    #[cfg(feature = "durable")]
    #[must_use]
    pub fn store(&self) -> SharedStore {
        installed::of_test(&self.realm)
    }

    /// As [`Isolation::crash`].
    pub fn crash(&self) {
        self.realm.forget_tables();
        #[cfg(feature = "durable")]
        installed::crash(&self.realm);
    }

    /// As [`Isolation::advance`].
    ///
    /// # Panics
    /// When the text is not a span of time.
    #[expect(clippy::panic, reason = "documented: a test that names no span of time is wrong")]
    pub fn advance(&self, by: impl Span) {
        match by.span() {
            Some(by) => self.realm.advance(by),
            None => panic!("not a span of time; write \"250ms\", \"30s\", \"15m\", \"24h\", \"7d\" or \"1h 30m\""),
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

pin_project! {
    /// What [`Handle::scope`] returns.
    #[derive(Debug)]
    #[must_use = "a future does nothing unless it is awaited"]
    pub struct Scoped<F> {
        #[pin]
        future: F,
        handle: Handle,
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _inside = this.handle.realm.enter();
        this.future.poll(cx)
    }
}
