//! Random numbers from the operating system, which gives a forked process other ones than its parent.

use std::hash::{BuildHasher, RandomState};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// An id that nobody else has.
pub(crate) fn id() -> [u8; 16] {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        let (first, second) = bytes.split_at_mut(8);
        first.copy_from_slice(&substitute().to_be_bytes());
        second.copy_from_slice(&substitute().to_be_bytes());
    }
    bytes
}

/// Any number.
#[cfg(any(test, feature = "contract", feature = "postgres", feature = "redis", feature = "sqlx-sqlite"))]
pub(crate) fn number() -> u64 {
    getrandom::u64().unwrap_or_else(|_| substitute())
}

/// Where the operating system has none: different in every process, on every thread and at every call.
#[cold]
fn substitute() -> u64 {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    RandomState::new().hash_one((process::id(), CALLS.fetch_add(1, Ordering::Relaxed), now.as_nanos()))
}

#[cfg(test)]
mod tests {
    use super::{id, number, substitute};
    use std::collections::HashSet;

    #[test]
    fn no_number_is_given_twice() {
        let ids: HashSet<[u8; 16]> = (0..1000).map(|_| id()).collect();
        assert_eq!(ids.len(), 1000);
        let numbers: HashSet<u64> = (0..1000).flat_map(|_| [number(), substitute()]).collect();
        assert_eq!(numbers.len(), 2000);
    }
}
