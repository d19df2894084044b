//! Time that outlives the process.

use super::ManualClock;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A point in time that outlives the process: microseconds since the beginning of 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the beginning of 1970.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// As microseconds since the beginning of 1970.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// This point and `span` more, or the last point that can be told.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long it is from here to `later`; nothing if that has passed.
    #[must_use]
    pub fn until(self, later: Self) -> Duration {
        Duration::from_micros(u64::try_from(later.0.saturating_sub(self.0)).unwrap_or(0))
    }
}

/// The time by which a store judges leases and retention: the system's, or one that a test moves.
#[derive(Clone, Debug, Default)]
pub(crate) struct WallClock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    #[cfg_attr(not(any(test, feature = "testing")), expect(dead_code, reason = "only tests make one"))]
    Manual(Arc<ManualClock>),
}

impl WallClock {
    pub(crate) fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => {
                let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                Timestamp::default().after(since)
            }
            // A year like any other, so that a span taken from it stays in range.
            Source::Manual(clock) => Timestamp::from_micros(1_700_000_000_000_000).after(clock.elapsed()),
        }
    }

    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn manual(clock: Arc<ManualClock>) -> Self {
        Self(Source::Manual(clock))
    }
}
