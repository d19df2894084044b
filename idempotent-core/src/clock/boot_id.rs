//! The time since the machine was started: a step of the wall clock does not move it, and it runs while the machine sleeps.

use super::Timestamp;

/// A moment of one boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BootMoment {
    /// Which boot of which machine.
    pub(crate) id: [u8; 16],
    /// Microseconds since it began.
    pub(crate) at: Timestamp,
}

#[cfg(target_os = "linux")]
impl BootMoment {
    /// This moment; nothing where the system does not name its boots.
    pub(crate) fn now() -> Option<Self> {
        use rustix::time::{ClockId, clock_gettime};
        let id = (*system::ID)?;
        let since = clock_gettime(ClockId::Boottime);
        let micros = since.tv_sec.saturating_mul(1_000_000).saturating_add(since.tv_nsec / 1000);
        Some(Self { id, at: Timestamp::from_micros(micros) })
    }
}

#[cfg(not(target_os = "linux"))]
impl BootMoment {
    pub(crate) fn now() -> Option<Self> {
        None
    }
}

#[cfg(target_os = "linux")]
mod system {
    use once_cell::sync::Lazy;

    /// The same for all processes of the machine, until it is started again.
    pub(super) static ID: Lazy<Option<[u8; 16]>> =
        Lazy::new(|| parse(&std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?));

    /// A UUID in its hyphenated form.
    fn parse(text: &str) -> Option<[u8; 16]> {
        let digits: Vec<u8> = text.trim().chars().filter(|&digit| digit != '-').map(digit).collect::<Option<_>>()?;
        let bytes: Vec<u8> =
            digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
        bytes.try_into().ok()
    }

    fn digit(character: char) -> Option<u8> {
        character.to_digit(16).and_then(|digit| u8::try_from(digit).ok())
    }

    #[cfg(test)]
    mod tests {
        use super::parse;

        #[test]
        fn a_boot_id_is_a_uuid() {
            let id = parse("01234567-89ab-cdef-0123-456789abcdef\n");
            assert_eq!(id, Some([1, 35, 69, 103, 137, 171, 205, 239, 1, 35, 69, 103, 137, 171, 205, 239]));
            for none in ["", "0123", "0123456789abcdef0123456789abcdeg", "0123456789abcdef0123456789abcdef01"] {
                assert_eq!(parse(none), None, "{none:?}");
            }
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::BootMoment;

    #[test]
    fn the_time_since_the_boot_does_not_go_back() {
        let first = BootMoment::now();
        let second = BootMoment::now();
        assert!(first.zip(second).is_some_and(|(first, second)| first.id == second.id && first.at <= second.at));
    }
}
