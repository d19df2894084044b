//! A thread that waits as a task does: until its waker is called.

use super::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Instant;

#[cfg(shuttle)]
use shuttle::thread;
#[cfg(not(shuttle))]
use std::thread;

/// Wakes a thread. The flag is what counts: a `park` of somebody else's may take the thread's token away.
struct Unpark {
    thread: thread::Thread,
    woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// The calling thread's waker, and its sleep.
pub(crate) struct Parker {
    unpark: Arc<Unpark>,
    waker: Waker,
}

impl Parker {
    pub(crate) fn new() -> Self {
        let unpark = Arc::new(Unpark { thread: thread::current(), woken: AtomicBool::new(false) });
        Self { waker: Waker::from(unpark.clone()), unpark }
    }

    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Sleeps until the waker is called, or was since the last sleep.
    pub(crate) fn park(&self) {
        while !self.unpark.woken.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }

    /// Sleeps at most until the deadline; whether the waker was called.
    pub(crate) fn park_until(&self, deadline: Instant) -> bool {
        while !self.unpark.woken.swap(false, Ordering::Acquire) {
            let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                return false;
            };
            thread::park_timeout(left);
        }
        true
    }
}
