//! What is going on in this process, counted, for who waits until it is over.

use crate::sync::wake;
use std::future::poll_fn;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};

/// Keys that a store may have granted and nobody took, which it gives back by itself.
#[cfg(feature = "durable")]
pub(crate) static UNTAKEN: Tally = Tally::new();

/// How much of one kind is going on.
#[derive(Debug)]
pub(crate) struct Tally {
    count: AtomicUsize,
    waiting: Mutex<Vec<Waker>>,
}

/// One of what is counted, for as long as it lives.
#[derive(Debug)]
#[must_use = "it counts until it is dropped"]
pub(crate) struct Underway(&'static Tally);

impl Tally {
    pub(crate) const fn new() -> Self {
        Self { count: AtomicUsize::new(0), waiting: Mutex::new(Vec::new()) }
    }

    /// Counts one more.
    pub(crate) fn begin(&'static self) -> Underway {
        self.count.fetch_add(1, Ordering::SeqCst);
        Underway(self)
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Waits until there is none.
    pub(crate) async fn over(&self) {
        poll_fn(|cx| {
            if self.count() == 0 {
                return Poll::Ready(());
            }
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                waiting.push(cx.waker().clone());
            }
            drop(waiting);
            // What ended before the waker was there would be missed, so there is a second look.
            if self.count() == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::SeqCst) == 1 {
            let waiting = mem::take(&mut *self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            waiting.into_iter().for_each(wake);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;
    use futures_lite::future::{block_on, poll_once};
    use std::pin::pin;
    use std::thread;

    #[test]
    fn it_is_over_when_the_last_one_is() {
        static TALLY: Tally = Tally::new();
        let (one, two) = (TALLY.begin(), TALLY.begin());
        let mut over = pin!(TALLY.over());
        assert!(block_on(poll_once(over.as_mut())).is_none());
        drop(one);
        assert!(block_on(poll_once(over.as_mut())).is_none());
        assert_eq!(TALLY.count(), 1);
        let other = thread::spawn(|| drop(two));
        block_on(over);
        assert!(other.join().is_ok());
    }
}
