//! Time that outlives the process.

use super::ManualClock;
#[cfg(feature = "sqlite")]
use super::boot_id::BootMoment;
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

/// What the clocks of a store say at one moment.
#[cfg(feature = "sqlite")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// What judges retention.
    pub(crate) wall: Timestamp,
    /// What judges leases, where the system has it.
    pub(crate) boot: Option<BootMoment>,
}

/// The time by which a store judges leases and retention: the system's, or one that a test moves.
#[derive(Clone, Debug, Default)]
pub(crate) struct WallClock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    #[cfg_attr(not(any(test, feature = "testing")), expect(dead_code, reason = "only tests make one"))]
    Manual(
        Arc<ManualClock>,
        #[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "only SQLite asks for the boot"))] BootId,
    ),
}

/// Which boot of a machine a test plays.
type BootId = [u8; 16];

impl WallClock {
    pub(crate) fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => {
                let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                Timestamp::default().after(since)
            }
            // A year like any other, so that a span taken from it stays in range.
            Source::Manual(clock, _) => Timestamp::from_micros(1_700_000_000_000_000).after(clock.elapsed()),
        }
    }

    /// All of what the clocks say.
    #[cfg(feature = "sqlite")]
    pub(crate) fn read(&self) -> Now {
        let boot = match &self.0 {
            Source::System => BootMoment::now(),
            Source::Manual(clock, id) => Some(BootMoment { id: *id, at: Timestamp::default().after(clock.elapsed()) }),
        };
        Now { wall: self.now(), boot }
    }

    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn manual(clock: Arc<ManualClock>) -> Self {
        Self(Source::Manual(clock, [1; 16]))
    }

    /// The clock after the machine was started again.
    #[cfg(all(test, feature = "sqlite"))]
    pub(crate) fn manual_in_boot(clock: Arc<ManualClock>, id: BootId) -> Self {
        Self(Source::Manual(clock, id))
    }
}
