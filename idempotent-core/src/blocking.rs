//! Waiting for a future on a thread that has nothing else to do.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// Wakes a thread. The flag is what counts: a `park` inside the future may take the thread's token away.
struct Unpark {
    thread: Thread,
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

/// Blocks the thread until the future is ready. The future must not need this thread to get ready.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let unpark = Arc::new(Unpark { thread: thread::current(), woken: AtomicBool::new(false) });
    let waker = Waker::from(unpark.clone());
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        while !unpark.woken.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::block_on;
    use event_listener::Event;
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::task::Poll;
    use std::thread;

    #[test]
    fn it_waits_for_what_another_thread_does() {
        let event = Arc::new(Event::new());
        let listener = event.listen();
        let notifier = thread::spawn(move || event.notify(1));
        block_on(listener);
        assert!(notifier.join().is_ok());
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
