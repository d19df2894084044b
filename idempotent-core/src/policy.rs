//! What an operation promises: how long outcomes answer, and what a duplicate does meanwhile.

use std::num::NonZeroUsize;
use std::time::Duration;

/// How long a completed outcome answers, from its completion; answering does not extend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retention {
    /// For as long as the process lives (in process), or until somebody forgets it.
    Forever,
    /// For this long. In process it is measured to within one tick of the kernel's coarse clock (1 to 10 ms).
    For(Duration),
}

impl Retention {
    /// A day, which is how long the field keeps answers unless told otherwise.
    pub const DEFAULT: Self = Self::For(Duration::from_hours(24));
}

impl Default for Retention {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What an expression for `retention` can be.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no retention: an expression for `retention` has the type `Duration`",
    label = "not a `Duration`",
    note = "write `Duration::from_secs(3600)`; a text such as `\"1h\"` is read only where it stands in the attribute itself"
)]
pub trait AsRetention {
    fn into_retention(self) -> Retention;
}

#[diagnostic::do_not_recommend]
impl<T: Into<Retention>> AsRetention for T {
    #[inline]
    fn into_retention(self) -> Retention {
        self.into()
    }
}

impl From<Duration> for Retention {
    fn from(span: Duration) -> Self {
        Self::For(span)
    }
}

/// What a duplicate does while the first call with its key runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum InFlight {
    /// It waits for the outcome.
    #[default]
    Wait,
    /// It waits for at most this long, then fails with [`WaitTimedOut`](crate::ErrorKind::WaitTimedOut).
    WaitFor(Duration),
    /// It fails at once with [`InFlight`](crate::ErrorKind::InFlight).
    Reject,
}

/// What a call without a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// It runs its body, unprotected.
    Run,
    /// It fails with [`MissingKey`](crate::ErrorKind::MissingKey).
    Reject,
}

/// What is done with work whose leader vanished.
#[cfg(feature = "durable")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnInterruption {
    /// The next caller runs it again, after the lease.
    Retry,
    /// The same, until there were this many attempts after the first; then it is interrupted.
    RetryUpTo(u32),
    /// Nobody runs it again: its effect may have happened.
    Fail,
}

/// What was chosen for records that outlive the process.
#[cfg(feature = "durable")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Durable {
    pub(crate) interrupted: OnInterruption,
    /// How long a silent leader is believed.
    pub(crate) lease: Duration,
    /// When renewal stops, for a body that hangs.
    pub(crate) max_run: Option<Duration>,
}

/// Everything that was chosen for one operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) retention: Retention,
    pub(crate) in_flight: InFlight,
    pub(crate) capacity: Option<NonZeroUsize>,
    #[cfg(feature = "durable")]
    pub(crate) durable: Durable,
}

impl Policy {
    pub(crate) const DEFAULT: Self = Self {
        retention: Retention::DEFAULT,
        in_flight: InFlight::Wait,
        capacity: None,
        #[cfg(feature = "durable")]
        durable: Durable { interrupted: OnInterruption::Fail, lease: Duration::from_secs(30), max_run: None },
    };
}
