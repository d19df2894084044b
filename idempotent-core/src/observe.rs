//! How a call was answered, told to whoever asked around it.

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

/// How a call was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum How {
    /// Its body ran.
    Executed,
    /// From the record of an earlier call.
    Replayed,
    /// With the outcome of another call that it waited for.
    Joined,
    /// Without protection: it had no key, and such calls were to run; or no operation was called at all.
    Unprotected,
    /// With an [`Error`](crate::error::Error): the body did not run.
    Refused,
    /// Not at all: its future was dropped before it was answered, whether its body ran or waited.
    Abandoned,
}

impl How {
    /// In one word, for headers and metrics: `executed`, `replayed`, `joined`, `unprotected`, `refused`, `abandoned`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Executed => "executed",
            Self::Replayed => "replayed",
            Self::Joined => "joined",
            Self::Unprotected => "unprotected",
            Self::Refused => "refused",
            Self::Abandoned => "abandoned",
        }
    }
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A value and how it came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Observed<T> {
    /// What the observed code returned.
    pub value: T,
    /// How the first operation that it called was answered.
    pub how: How,
}

/// What an observer has seen, with its number: a future that was begun under one observer may be polled under another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watch {
    Nobody,
    Armed(NonZeroU32),
    /// An operation was entered; what it calls inside is its own affair.
    Entered(NonZeroU32),
    Told(How),
}

/// A new observer's watch.
fn armed() -> Watch {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    Watch::Armed(NonZeroU32::new(NEXT.fetch_add(1, Ordering::Relaxed)).unwrap_or(NonZeroU32::MAX))
}

thread_local! {
    static WATCH: Cell<Watch> = const { Cell::new(Watch::Nobody) };
}

/// What is watched on this thread. It cannot fail, so that a replay has nothing to keep for an unwinding.
#[inline]
fn watched() -> Watch {
    WATCH.try_with(Cell::get).unwrap_or(Watch::Nobody)
}

/// Puts the caller's watch back, also when the observed code panics.
struct Restore(Watch);

impl Drop for Restore {
    fn drop(&mut self) {
        WATCH.set(self.0);
    }
}

impl Watch {
    fn how(self) -> How {
        match self {
            Self::Told(how) => how,
            Self::Nobody | Self::Armed(_) => How::Unprotected,
            Self::Entered(_) => How::Abandoned,
        }
    }
}

/// Runs `call` and says how the first operation that it entered was answered.
///
/// Operations called by that operation's own body, and by the code after it, are not looked at.
///
/// ```
/// use idempotently::{How, idempotent, observe};
///
/// #[idempotent(key = floor)]
/// fn call_lift(floor: u8) -> String { format!("lift at {floor}") }
///
/// assert_eq!(observe(|| call_lift(3)).how, How::Executed);
/// assert_eq!(observe(|| call_lift(3)).how, How::Replayed);
/// ```
pub fn observe<T>(call: impl FnOnce() -> T) -> Observed<T> {
    let before = Restore(WATCH.replace(armed()));
    let value = call();
    let how = WATCH.get().how();
    drop(before);
    Observed { value, how }
}

/// Awaits `call` and says how the first operation that it entered was answered; see [`observe`].
///
/// Dropping the returned future drops `call`.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use idempotently::{How, idempotent, observe_async};
///
/// #[idempotent(key = floor)]
/// async fn call_lift(floor: u8) -> String { format!("lift at {floor}") }
///
/// assert_eq!(observe_async(call_lift(3)).await.how, How::Executed);
/// assert_eq!(observe_async(call_lift(3)).await.how, How::Replayed);
/// # });
/// ```
pub fn observe_async<F: Future>(call: F) -> ObserveAsync<F> {
    ObserveAsync { call, watch: armed() }
}

pin_project! {
    /// What [`observe_async`] returns.
    #[derive(Debug)]
    #[must_use = "a future does nothing unless it is awaited"]
    pub struct ObserveAsync<F> {
        #[pin]
        call: F,
        watch: Watch,
    }
}

impl<F: Future> Future for ObserveAsync<F> {
    type Output = Observed<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let before = Restore(WATCH.replace(*this.watch));
        let polled = this.call.poll(cx);
        *this.watch = WATCH.get();
        drop(before);
        polled.map(|value| Observed { value, how: this.watch.how() })
    }
}

/// One call's seat in a watch: which observer, if any, wants to know how this very call was answered.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seat(Option<NonZeroU32>);

impl Seat {
    /// Takes the seat of the first operation entered, if it is free.
    #[inline]
    pub(crate) fn take() -> Self {
        let Watch::Armed(observer) = watched() else { return Self(None) };
        WATCH.set(Watch::Entered(observer));
        Self(Some(observer))
    }

    #[inline]
    pub(crate) fn tell(self, how: How) {
        if let Some(observer) = self.0
            && watched() == Watch::Entered(observer)
        {
            WATCH.set(Watch::Told(how));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{How, Seat, observe};

    #[test]
    fn only_the_first_operation_is_looked_at() {
        let seen = observe(|| {
            let outer = Seat::take();
            Seat::take().tell(How::Replayed);
            outer.tell(How::Executed);
            Seat::take().tell(How::Refused);
        });
        assert_eq!(seen.how, How::Executed);
    }

    #[test]
    fn a_nested_observer_does_not_disturb_the_outer_one() {
        let outer = observe(|| {
            let inner = observe(|| Seat::take().tell(How::Joined));
            assert_eq!(inner.how, How::Joined);
            Seat::take().tell(How::Executed);
        });
        assert_eq!(outer.how, How::Executed);
    }

    #[test]
    fn nothing_called_is_nothing_protected() {
        assert_eq!(observe(|| 1).how, How::Unprotected);
        Seat::take().tell(How::Executed);
        assert_eq!(observe(|| 2).how, How::Unprotected);
    }
}
