//! Wakers of callers, on threads that all callers share: one that panics must not end such a thread.

use crate::sync::wake;
use std::sync::Arc;
use std::task::{Wake, Waker};

/// The waker of a caller, and the same without its panics, for code that is not ours to call it.
#[derive(Default)]
pub(in crate::backend) struct Guarded(Option<(Waker, Waker)>);

impl Guarded {
    /// The waker without its panics.
    pub(in crate::backend) fn guard(&mut self, waker: &Waker) -> &Waker {
        let kept = self.0.take().filter(|(kept, _)| kept.will_wake(waker));
        let kept = kept.unwrap_or_else(|| (waker.clone(), Arc::new(Guard(waker.clone())).into()));
        &self.0.insert(kept).1
    }
}

struct Guard(Waker);

impl Wake for Guard {
    fn wake(self: Arc<Self>) {
        wake(self.0.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::{Guarded, wake};
    use std::sync::Arc;
    use std::task::{Wake, Waker};

    struct Panics;

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("the caller's waker");
        }
    }

    #[test]
    fn a_panic_stays_here() {
        let panics = Waker::from(Arc::new(Panics));
        let mut guarded = Guarded::default();
        guarded.guard(&panics).wake_by_ref();
        wake(panics);
    }

    #[test]
    fn the_same_waker_is_guarded_once() {
        let (one, other) = (Waker::from(Arc::new(Panics)), Waker::from(Arc::new(Panics)));
        let mut guarded = Guarded::default();
        let first = guarded.guard(&one).clone();
        assert!(guarded.guard(&one).will_wake(&first));
        assert!(!guarded.guard(&other).will_wake(&first));
    }
}
