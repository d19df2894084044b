//! How much is worked on at once: in all, and for each caller, so that no caller takes the places of the others.

use foldhash::fast::RandomState as FastState;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, PoisonError};

/// The smallest share of one caller, where it is not chosen.
const MIN_SHARE: usize = 8;

/// The share of one caller in what there is for all.
pub(super) fn share_of(total: usize) -> usize {
    (total / 4).max(MIN_SHARE).min(total)
}

/// All limits of a layer.
pub(super) struct Limits {
    callers: FastState,
    /// Requests whose body is being read.
    pub(super) uploads: Limit,
    /// Requests that ask the store, or wait for the first one with their key.
    pub(super) waiting: Limit,
    /// Handlers at work, also those whose client is gone.
    pub(super) running: Limit,
    /// Bytes of bodies that were read and not yet handed on.
    pub(super) bytes: Limit,
}

/// Who is counted: a hash, so that a caller costs the same however long its name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct CallerId(u64);

impl Limits {
    /// For this many requests, and bytes, in all and for each caller.
    pub(super) fn new(requests: (usize, usize), bytes: (usize, usize)) -> Self {
        let of = |(total, share)| Limit::new(total, share);
        Self {
            callers: FastState::default(),
            uploads: of(requests),
            waiting: of(requests),
            running: of(requests),
            bytes: of(bytes),
        }
    }

    pub(super) fn caller(&self, who: &str) -> CallerId {
        CallerId(self.callers.hash_one(who))
    }
}

/// How many units may be taken at once.
#[derive(Clone)]
pub(super) struct Limit(Arc<Shared>);

struct Shared {
    total: usize,
    share: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    callers: HashMap<CallerId, usize, FastState>,
}

impl Limit {
    fn new(total: usize, share: usize) -> Self {
        Self(Arc::new(Shared { total, share, taken: Mutex::default() }))
    }

    /// Takes units; nothing where they are not there.
    pub(super) fn take(&self, caller: CallerId, units: usize) -> Option<Permit> {
        let mut permit = Permit { limit: self.clone(), caller, units: 0 };
        permit.grow_to(units).then_some(permit)
    }

    /// Whether one more unit could be taken.
    pub(super) fn has_room(&self, caller: CallerId) -> bool {
        self.with(|taken| self.fits(taken, caller, 1))
    }

    fn fits(&self, taken: &Taken, caller: CallerId, more: usize) -> bool {
        let own = taken.callers.get(&caller).copied().unwrap_or(0);
        let below = |taken: usize, limit: usize| taken.checked_add(more).is_some_and(|taken| taken <= limit);
        below(taken.all, self.0.total) && below(own, self.0.share)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Taken) -> T) -> T {
        act(&mut self.0.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Units that were taken; they are given back when it is dropped.
pub(super) struct Permit {
    limit: Limit,
    caller: CallerId,
    units: usize,
}

impl Permit {
    /// Takes more, up to this many in all; where they are not there, nothing changes.
    pub(super) fn grow_to(&mut self, units: usize) -> bool {
        let more = units.saturating_sub(self.units);
        if more == 0 {
            return true;
        }
        let has_grown = self.limit.with(|taken| {
            let fits = self.limit.fits(taken, self.caller, more);
            if fits {
                taken.all += more;
                *taken.callers.entry(self.caller).or_default() += more;
            }
            fits
        });
        if has_grown {
            self.units = units;
        }
        has_grown
    }
}

/// A permit that is given back early, or with its last clone.
#[derive(Clone)]
pub(super) struct SharedPermit(Arc<Mutex<Option<Permit>>>);

impl SharedPermit {
    pub(super) fn new(permit: Permit) -> Self {
        Self(Arc::new(Mutex::new(Some(permit))))
    }

    pub(super) fn give_back(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Gives it back when called; does not keep it until then.
    pub(super) fn give_back_later(&self) -> impl FnOnce() + Send + 'static {
        let permit = Arc::downgrade(&self.0);
        move || permit.upgrade().into_iter().for_each(|permit| Self(permit).give_back())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.units == 0 {
            return;
        }
        self.limit.with(|taken| {
            taken.all -= self.units;
            if let Some(own) = taken.callers.get_mut(&self.caller) {
                *own -= self.units;
                if *own == 0 {
                    taken.callers.remove(&self.caller);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{Limits, share_of};

    #[test]
    fn a_caller_has_its_share_and_no_more() {
        let limits = Limits::new((3, 2), (10, 5));
        let (one, two) = (limits.caller("one"), limits.caller("two"));
        let held = [limits.running.take(one, 1), limits.running.take(one, 1)];
        assert!(held.iter().all(Option::is_some) && limits.running.take(one, 1).is_none());
        let other = limits.running.take(two, 1);
        assert!(other.is_some() && !limits.running.has_room(two), "three in all");
        drop(held);
        assert!(limits.running.has_room(one));
        drop(other);
        assert_eq!(limits.running.with(|taken| (taken.all, taken.callers.len())), (0, 0));
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let limits = Limits::new((1, 1), (10, 5));
        let one = limits.caller("one");
        let mut bytes = limits.bytes.take(one, 0).unwrap_or_else(|| unreachable!());
        assert!(bytes.grow_to(4) && bytes.grow_to(2) && !bytes.grow_to(6) && bytes.grow_to(5));
        assert_eq!(limits.bytes.with(|taken| taken.all), 5);
        drop(bytes);
        assert_eq!(limits.bytes.with(|taken| taken.all), 0);
    }

    #[test]
    fn the_share_that_nobody_chose() {
        for (total, share) in [(0, 0), (2, 2), (8, 8), (64, 16), (1024, 256)] {
            assert_eq!(share_of(total), share, "{total}");
        }
    }
}
