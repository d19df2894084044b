//! Waiting for a future on a thread that has nothing else to do.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// Blocks the thread until the future is ready. The future must not need this thread to get ready.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            // A wake-up before this leaves a token, so that it returns at once; a stray one costs a look.
            Poll::Pending => thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::block_on;
    use event_listener::Event;
    use std::sync::Arc;
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
}
