//! What is told about a call: to whoever observes it, and with the features for it as a span and as numbers.
//!
//! Nothing in here knows a type of the user's, so it is compiled once. Without the features a place is an observer's
//! seat and nothing else.

#[cfg(any(feature = "tracing", feature = "metrics"))]
mod answer;
#[cfg(all(feature = "tracing", feature = "durable"))]
mod limiter;
#[cfg(any(feature = "tracing", feature = "metrics"))]
mod listener;
#[cfg(not(any(feature = "tracing", feature = "metrics")))]
#[path = "report/nobody.rs"]
mod listener;
#[cfg(feature = "durable")]
mod long_wait;
#[cfg(feature = "metrics")]
mod numbers;
#[cfg(feature = "tracing")]
mod traces;
#[cfg(feature = "durable")]
mod within;

pub(crate) use listener::Opened;
#[cfg(feature = "durable")]
pub(crate) use long_wait::LongWait;

use crate::error::Error;
#[cfg(all(feature = "tracing", feature = "durable"))]
use crate::error::ErrorKind;
use crate::observe::{How, Seat};
use listener::{Inside, Listener};

/// One call's place among those who want to know how it is answered.
///
/// Dropped untold, the call was given up, or its body panicked.
#[derive(Debug)]
pub(crate) struct Place {
    seat: Seat,
    listener: Listener,
}

impl Place {
    /// The place of a call that begins now.
    #[inline]
    pub(crate) fn take() -> Self {
        Self { seat: Seat::take(), listener: Listener::NOBODY }
    }

    /// Which operation it calls, and with which key, where that is not answered at once.
    #[inline]
    pub(crate) fn goes_on(self, opened: Opened) -> Self {
        Self { seat: self.seat, listener: Listener::of(opened) }
    }

    /// What the running code logs belongs to the call, until the guard is dropped.
    #[inline]
    pub(crate) fn inside(&self) -> Inside<'_> {
        self.listener.inside()
    }

    /// Polls a future of the call inside it.
    #[cfg(feature = "durable")]
    pub(crate) fn within<F: Future>(&self, future: F) -> within::Within<'_, F> {
        within::Within::new(self, future)
    }

    /// Its body begins, or goes on.
    #[inline]
    pub(crate) fn begins(&self, attempt: u32) {
        self.listener.begins(attempt);
    }

    /// Whether the body's outcome was kept.
    #[inline]
    pub(crate) fn kept(&self, kept: bool) {
        if !kept {
            self.listener.failed();
        }
    }

    /// The body's outcome was kept, and the store could not be reached to record it.
    #[cfg(feature = "durable")]
    pub(crate) fn unrecorded(&self) {
        self.listener.unrecorded();
    }

    /// Why it is about to be refused.
    #[inline]
    pub(crate) fn refused(&self, error: &Error) {
        #[cfg(all(feature = "tracing", feature = "durable"))]
        if matches!(error.kind(), ErrorKind::Store | ErrorKind::Codec) {
            traces::broken(error);
        }
        self.listener.refused(error.kind());
    }

    /// The call is answered.
    #[inline]
    pub(crate) fn tell(&self, how: How) {
        self.seat.tell(how);
        self.listener.tell(how);
    }

    /// The place of the same call in a task of its own. Who observes it stays with the caller.
    #[cfg(feature = "tokio")]
    pub(crate) fn hand_over(&mut self) -> Self {
        Self { seat: Seat::default(), listener: std::mem::replace(&mut self.listener, Listener::NOBODY) }
    }
}

/// Says that an outcome is not recorded yet, because the store could not be reached; once for each such outcome.
#[cfg(feature = "durable")]
pub(crate) fn unrecorded(scope: &str, key: &str, error: &dyn std::error::Error) {
    #[cfg(feature = "tracing")]
    guarded(|| traces::unrecorded(scope, key, error));
    #[cfg(not(feature = "tracing"))]
    let _ = (scope, key, error);
}

/// Says that an outcome is recorded as done and not kept, and why; never the outcome.
#[cfg(feature = "durable")]
pub(crate) fn unkept(scope: &str, why: &'static str) {
    #[cfg(feature = "tracing")]
    traces::unkept(scope, why);
    #[cfg(not(feature = "tracing"))]
    let _ = (scope, why);
}

/// Says that a failed call's key may be taken until its lease is over, because the store did not answer in time.
#[cfg(feature = "durable")]
pub(crate) fn unreleased(scope: &str, key: &str, error: &dyn std::error::Error) {
    #[cfg(feature = "tracing")]
    guarded(|| traces::unreleased(scope, key, error));
    #[cfg(not(feature = "tracing"))]
    let _ = (scope, key, error);
}

/// A subscriber that panics must not end a thread that others depend on.
#[cfg(all(feature = "durable", feature = "tracing"))]
fn guarded(event: impl FnOnce()) {
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(event));
}
