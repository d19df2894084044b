//! Waiting for a future on a thread that has nothing else to do.

use crate::sync::Parker;
use std::cell::Cell;
use std::pin::pin;
use std::task::{Context, Poll};

thread_local! {
    static BLOCKING: Cell<bool> = const { Cell::new(false) };
}

/// Whether the thread waits here: what it polls may take its time, since nobody else is polled by it.
#[cfg(feature = "sqlite")]
pub(crate) fn is_blocking() -> bool {
    BLOCKING.get()
}

/// The thread waits; it did so before, or not.
struct Blocking(bool);

impl Drop for Blocking {
    fn drop(&mut self) {
        BLOCKING.set(self.0);
    }
}

/// Blocks the thread until the future is ready. The future must not need this thread to get ready.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let _blocking = Blocking(BLOCKING.replace(true));
    let parker = Parker::new();
    let mut cx = Context::from_waker(parker.waker());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        parker.park();
    }
}

#[cfg(test)]
mod tests {
    use super::block_on;
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::Poll;
    use std::thread;

    #[test]
    fn it_waits_for_what_another_thread_does() {
        let done = Arc::new(AtomicBool::new(false));
        let mut notifier = None;
        block_on(poll_fn(|cx| {
            if done.load(Ordering::SeqCst) {
                return Poll::Ready(());
            }
            let (done, waker) = (done.clone(), cx.waker().clone());
            notifier.get_or_insert_with(|| {
                thread::spawn(move || {
                    done.store(true, Ordering::SeqCst);
                    waker.wake();
                })
            });
            Poll::Pending
        }));
        assert!(notifier.is_some_and(|notifier| notifier.join().is_ok()));
        assert_eq!(block_on(async { 7 }), 7);
    }

    #[test]
    fn a_wake_up_is_not_lost_to_a_thread_that_parks_in_the_future() {
        let mut polls = 0;
        let ready = poll_fn(|cx| {
            polls += 1;
            if polls == 2 {
                return Poll::Ready(7);
            }
            cx.waker().wake_by_ref();
            thread::park();
            Poll::Pending
        });
        assert_eq!(block_on(ready), 7);
    }
}
