//! The end of a program: what is still under way is waited for.

#[cfg(feature = "durable")]
pub mod blocking;

#[cfg(feature = "tokio")]
use crate::engine::BODIES;
#[cfg(feature = "durable")]
use crate::lease::{OUTCOMES, RELEASES, SharedStore, released};
#[cfg(any(feature = "postgres", feature = "sqlx-sqlite"))]
use crate::transaction::TRANSACTIONS;
#[cfg(feature = "durable")]
use crate::underway::UNTAKEN;
use futures_timer::Delay;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

/// What was still under way when [`shutdown`] ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shutdown {
    /// `detached` bodies that still run, and transactions that the library commits. Their tasks end with their runtime, and
    /// their keys are then given back.
    pub bodies: usize,
    /// Outcomes that are not known to be recorded: the caller has its value, and once the lease is over another call
    /// may run again, or find the record interrupted.
    pub unrecorded: usize,
    /// Keys that are being given back; their leases end by themselves.
    pub releases: usize,
}

impl Shutdown {
    /// Whether nothing was left.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        *self == Self::default()
    }
}

/// Waits at most `limit` for what goes on without a caller: `detached` bodies, outcomes on their way to a store or to be
/// tried again because it was away, and keys that are being given back, of all stores in this process.
///
/// It is for the end of a program, when no more requests are accepted. Calls that somebody awaits or blocks on are their
/// caller's to wait for. Nothing is closed: calls that are made afterwards work as before, and it may be called again.
///
/// Await it on the runtime that the detached bodies run on; a program without one calls
/// `blocking::shutdown`, which comes with `durable`.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use std::time::Duration;
///
/// let left = idempotently::shutdown(Duration::from_secs(10)).await;
/// if !left.is_complete() {
///     eprintln!("{} bodies and {} outcomes are left behind", left.bodies, left.unrecorded);
/// }
/// # });
/// ```
pub async fn shutdown(limit: Duration) -> Shutdown {
    let mut over = pin!(over());
    // A limit beyond what the clock counts is none.
    let mut limit = Instant::now().checked_add(limit).map(|_| Delay::new(limit));
    poll_fn(|cx| match (over.as_mut().poll(cx), &mut limit) {
        (Poll::Pending, Some(limit)) => Pin::new(limit).poll(cx),
        (polled, _) => polled,
    })
    .await;
    Shutdown {
        bodies: bodies(),
        #[cfg(feature = "durable")]
        unrecorded: OUTCOMES.count(),
        #[cfg(not(feature = "durable"))]
        unrecorded: 0,
        #[cfg(feature = "durable")]
        releases: RELEASES.count() + UNTAKEN.count(),
        #[cfg(not(feature = "durable"))]
        releases: 0,
    }
}

fn bodies() -> usize {
    #[cfg(feature = "tokio")]
    let detached = BODIES.count();
    #[cfg(not(feature = "tokio"))]
    let detached = 0;
    #[cfg(any(feature = "postgres", feature = "sqlx-sqlite"))]
    let transactions = TRANSACTIONS.count();
    #[cfg(not(any(feature = "postgres", feature = "sqlx-sqlite")))]
    let transactions = 0;
    detached + transactions
}

/// Bodies first: they end with an outcome or a release.
async fn over() {
    #[cfg(feature = "tokio")]
    BODIES.over().await;
    #[cfg(any(feature = "postgres", feature = "sqlx-sqlite"))]
    TRANSACTIONS.over().await;
    #[cfg(feature = "durable")]
    {
        SharedStore::alive().iter().for_each(SharedStore::hurry);
        OUTCOMES.over().await;
        released().await;
        UNTAKEN.over().await;
    }
}
