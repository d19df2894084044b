//! How often the same thing is said.

use crate::error::ErrorKind;
use dashmap::DashMap;
use std::time::{Duration, Instant};

/// At most one event in this span for each operation and kind of failure: an outage must not fill the disk.
pub(super) const INTERVAL: Duration = Duration::from_secs(10);

/// What was said of an operation, and how often it was not said since.
struct Last {
    at: Instant,
    withheld: u64,
}

#[derive(Default)]
pub(super) struct Limiter(DashMap<(&'static str, ErrorKind), Last>);

impl Limiter {
    /// Whether it is to be said now; with how often it was withheld before.
    pub(super) fn pass(&self, scope: &'static str, kind: ErrorKind, now: Instant) -> Option<u64> {
        let mut is_new = false;
        let mut last = self.0.entry((scope, kind)).or_insert_with(|| {
            is_new = true;
            Last { at: now, withheld: 0 }
        });
        if is_new {
            return Some(0);
        }
        if now.saturating_duration_since(last.at) < INTERVAL {
            last.withheld += 1;
            return None;
        }
        last.at = now;
        Some(std::mem::take(&mut last.withheld))
    }
}

#[cfg(test)]
mod tests {
    use super::{INTERVAL, Limiter};
    use crate::error::ErrorKind::{Codec, Store};
    use std::time::{Duration, Instant};

    #[test]
    fn what_is_withheld_is_counted_until_it_may_be_said_again() {
        let (limiter, now) = (Limiter::default(), Instant::now());
        assert_eq!(limiter.pass("one", Store, now), Some(0));
        assert_eq!(limiter.pass("one", Store, now), None);
        assert_eq!(limiter.pass("one", Codec, now), Some(0));
        assert_eq!(limiter.pass("two", Store, now), Some(0));
        assert_eq!(limiter.pass("one", Store, now + INTERVAL.saturating_sub(Duration::from_nanos(1))), None);
        assert_eq!(limiter.pass("one", Store, now + INTERVAL), Some(2));
        assert_eq!(limiter.pass("one", Store, now + INTERVAL), None);
        assert_eq!(limiter.pass("one", Store, now + INTERVAL * 3), Some(1));
    }
}
