//! What time it is, for records: monotonic, coarse, and replaceable in tests.

#[cfg(feature = "durable")]
mod boot;
#[cfg(feature = "sqlite")]
mod boot_id;
#[cfg(feature = "durable")]
mod wall;

#[cfg(feature = "durable")]
pub(crate) use boot::BootTime;
#[cfg(feature = "sqlite")]
pub(crate) use wall::Now;
#[cfg(feature = "durable")]
pub use wall::Timestamp;
#[cfg(feature = "durable")]
pub(crate) use wall::WallClock;

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A point on a [`Clock`], in that clock's ticks. Never zero, so that a record's end has a niche.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(NonZeroU64);

impl Tick {
    /// The end of a record that never ends; no clock reaches it.
    pub(crate) const NEVER: Self = Self(NonZeroU64::MAX);

    fn new(ticks: u64) -> Self {
        Self(NonZeroU64::new(ticks).unwrap_or(NonZeroU64::MIN))
    }

    /// This point and `span` more; a span too long to count ends never.
    pub(crate) fn after(self, span: Duration) -> Self {
        // A second is 2³² ticks, so 2³¹ seconds (68 years) still leave room for the addition.
        if span.as_secs() >= 1 << 31 {
            return Self::NEVER;
        }
        Self(self.0.saturating_add(coarsetime::Duration::from(span).as_ticks()))
    }
}

/// Where the time comes from.
///
/// The system's clock is the kernel's coarse monotonic one: it costs a tenth of a precise one, is behind by at most
/// one kernel tick (1 to 10 ms), never goes back, and stands still while the machine sleeps.
#[derive(Clone, Debug, Default)]
pub(crate) enum Clock {
    #[default]
    System,
    #[cfg_attr(not(feature = "testing"), expect(dead_code, reason = "only `testing` makes one"))]
    Manual(Arc<ManualClock>),
}

impl Clock {
    #[inline]
    pub(crate) fn now(&self) -> Tick {
        match self {
            // The variant that also updates the crate's cached instant would share a cache line among all callers.
            Self::System => Tick::new(coarsetime::Instant::now_without_cache_update().as_ticks()),
            Self::Manual(clock) => clock.now(),
        }
    }
}

/// A clock that moves only when it is told to.
#[derive(Debug, Default)]
pub(crate) struct ManualClock {
    // Nanoseconds, not ticks: steps that add up to a span must reach its end, whatever each is rounded to.
    elapsed: AtomicU64,
}

impl ManualClock {
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        let _ = self.elapsed.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| Some(now.saturating_add(by)));
    }

    fn now(&self) -> Tick {
        // However far a test goes, what never ends has not ended.
        Tick::new(1).after(self.elapsed()).min(Tick::new(u64::MAX - 1))
    }

    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.elapsed.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, ManualClock, Tick};
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let manual = Arc::new(ManualClock::default());
        let clock = Clock::Manual(manual.clone());
        let start = clock.now();
        let end = start.after(Duration::from_millis(1500));
        assert_eq!(clock.now(), start);
        manual.advance(Duration::from_millis(1499));
        assert!(clock.now() < end);
        manual.advance(Duration::from_millis(1));
        assert!(clock.now() >= end);
    }

    #[test]
    fn a_span_beyond_counting_never_ends() {
        assert_eq!(Clock::System.now().after(Duration::MAX), Tick::NEVER);
        assert!(Clock::System.now().after(Duration::from_hours(24 * 365 * 50)) < Tick::NEVER);
    }

    #[test]
    fn the_system_clock_does_not_go_back() {
        let first = Clock::System.now();
        assert!(Clock::System.now() >= first);
    }
}
