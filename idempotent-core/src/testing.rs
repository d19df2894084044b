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
