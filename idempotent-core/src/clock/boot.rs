//! Moments that a lease is measured by: on a clock that runs while the machine sleeps, where the system has one.

use std::time::Duration;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
use std::time::Instant;

/// A moment that is compared with others of this process.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BootTime(Duration);

#[cfg(any(target_os = "linux", target_os = "android"))]
impl BootTime {
    pub(crate) fn now() -> Self {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let (seconds, nanoseconds) = (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec));
        // The kernel counts from the start of the machine, so neither is negative.
        Self(Duration::new(seconds.unwrap_or_default(), nanoseconds.unwrap_or_default()))
    }

    /// This moment and `span` more, where that can be counted.
    pub(crate) fn checked_add(self, span: Duration) -> Option<Self> {
        self.0.checked_add(span).map(Self)
    }
}

/// A moment that is compared with others of this process; without a clock that runs while the machine sleeps, on the
/// monotonic one.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BootTime(Instant);

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl BootTime {
    pub(crate) fn now() -> Self {
        Self(Instant::now())
    }

    /// This moment and `span` more, where that can be counted.
    pub(crate) fn checked_add(self, span: Duration) -> Option<Self> {
        self.0.checked_add(span).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::BootTime;
    use std::time::Duration;

    #[test]
    fn it_goes_on_and_counts_as_far_as_it_can() {
        let first = BootTime::now();
        let second = BootTime::now();
        assert!(second >= first);
        assert!(first.checked_add(Duration::from_hours(1)) > Some(second));
        assert_eq!(first.checked_add(Duration::MAX), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn it_counts_from_the_start_of_the_machine_as_the_kernel_does() -> Result<(), Box<dyn std::error::Error>> {
        let uptime = || -> Result<Duration, Box<dyn std::error::Error>> {
            let uptime = std::fs::read_to_string("/proc/uptime")?;
            Ok(Duration::from_secs_f64(uptime.split(' ').next().ok_or("no uptime")?.parse()?))
        };
        // The kernel says it in hundredths of a second, cut off.
        let before = uptime()?;
        let now = BootTime::now();
        let after = uptime()? + Duration::from_millis(10);
        assert!(BootTime(before) <= now && now <= BootTime(after), "{before:?}, {now:?}, {after:?}");
        Ok(())
    }
}
