//! One answer from a store's own thread to a caller on any runtime, or to none.

use crate::store::StoreError;
use crate::sync::wake;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

const ENDED: &str = "the thread that asks the store has ended before it answered; open the store again";

type Reply<T> = Result<T, StoreError>;

enum Slot<T> {
    Waiting(Option<Waker>),
    Sent(Reply<T>),
    /// There will be no answer, or nobody to take one.
    Closed,
}

struct Shared<T>(Mutex<Slot<T>>);

impl<T> Shared<T> {
    fn slot(&self) -> MutexGuard<'_, Slot<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts something else into the slot; what was in it is dropped or woken after the lock is free.
    fn replace(&self, with: Slot<T>) -> Slot<T> {
        mem::replace(&mut *self.slot(), with)
    }
}

/// Where the answer goes in. Dropped without one, it tells the receiver that there will be none.
pub(in crate::backend) struct Sender<T>(Arc<Shared<T>>);

/// Where the answer comes out.
pub(in crate::backend) struct Receiver<T>(Arc<Shared<T>>);

pub(in crate::backend) fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared(Mutex::new(Slot::Waiting(None))));
    (Sender(shared.clone()), Receiver(shared))
}

impl<T> Sender<T> {
    /// Answers; hands the answer back where nobody waits for it any more.
    pub(in crate::backend) fn send(self, reply: Reply<T>) -> Result<(), Reply<T>> {
        let mut slot = self.0.slot();
        match &mut *slot {
            Slot::Waiting(waker) => {
                let waker = waker.take();
                *slot = Slot::Sent(reply);
                drop(slot);
                waker.into_iter().for_each(wake);
                Ok(())
            }
            Slot::Sent(_) | Slot::Closed => Err(reply),
        }
    }

    /// Whether nobody waits for the answer any more.
    #[cfg(any(test, feature = "sqlite", feature = "postgres"))]
    pub(in crate::backend) fn is_abandoned(&self) -> bool {
        matches!(&*self.0.slot(), Slot::Closed)
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut slot = self.0.slot();
        let Slot::Waiting(waker) = &mut *slot else { return };
        let waker = waker.take();
        *slot = Slot::Closed;
        drop(slot);
        waker.into_iter().for_each(wake);
    }
}

impl<T> Receiver<T> {
    /// Gives up waiting; an answer that was sent and not taken is handed out, since somebody has to undo it.
    pub(in crate::backend) fn close(&self) -> Option<Reply<T>> {
        match self.0.replace(Slot::Closed) {
            Slot::Sent(reply) => Some(reply),
            Slot::Waiting(_) | Slot::Closed => None,
        }
    }
}

impl<T> Future for Receiver<T> {
    type Output = Reply<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slot = self.0.slot();
        let before = match &mut *slot {
            Slot::Waiting(Some(waker)) if waker.will_wake(cx.waker()) => return Poll::Pending,
            Slot::Waiting(waker) => waker.replace(cx.waker().clone()),
            Slot::Sent(_) | Slot::Closed => {
                let ended = mem::replace(&mut *slot, Slot::Closed);
                drop(slot);
                return Poll::Ready(match ended {
                    Slot::Sent(reply) => reply,
                    Slot::Waiting(_) | Slot::Closed => Err(StoreError::new(ENDED)),
                });
            }
        };
        drop(slot);
        drop(before);
        Poll::Pending
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        drop(self.close());
    }
}

#[cfg(test)]
mod tests {
    use super::channel;
    use futures_lite::future::{block_on, poll_once};
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Wake, Waker};
    use std::thread;
    use std::time::Duration;

    #[test]
    fn an_answer_arrives_whoever_comes_first() {
        let (sender, mut receiver) = channel();
        assert!(block_on(poll_once(&mut receiver)).is_none());
        let sending = thread::spawn(move || {
            thread::sleep(Duration::from_millis(5));
            sender.send(Ok(7)).is_ok()
        });
        assert_eq!(block_on(receiver).ok(), Some(7));
        assert_eq!(sending.join().ok(), Some(true));
        let (sender, receiver) = channel();
        assert!(sender.send(Ok(8)).is_ok());
        assert_eq!(block_on(receiver).ok(), Some(8));
    }

    #[test]
    fn an_answer_that_nobody_takes_is_handed_back_to_one_of_the_two() {
        let (sender, receiver) = channel();
        assert!(!sender.is_abandoned());
        drop(receiver);
        assert!(sender.is_abandoned());
        assert!(matches!(sender.send(Ok(7)), Err(Ok(7))));
        let (sender, receiver) = channel();
        assert!(sender.send(Ok(8)).is_ok());
        assert!(matches!(receiver.close(), Some(Ok(8))));
        assert!(receiver.close().is_none());
    }

    /// A task whose executor panics when it is woken.
    struct PanicsWhenWoken;

    impl Wake for PanicsWhenWoken {
        fn wake(self: Arc<Self>) {
            panic!("on purpose");
        }
    }

    #[test]
    fn a_waker_that_panics_does_not_end_the_thread_that_answers() {
        let waker = Waker::from(Arc::new(PanicsWhenWoken));
        let (sender, mut receiver) = channel();
        assert!(Pin::new(&mut receiver).poll(&mut Context::from_waker(&waker)).is_pending());
        assert!(sender.send(Ok(7)).is_ok());
        assert_eq!(block_on(receiver).ok(), Some(7));
        let (sender, mut receiver) = channel::<u8>();
        assert!(Pin::new(&mut receiver).poll(&mut Context::from_waker(&waker)).is_pending());
        drop(sender);
        assert!(block_on(receiver).is_err());
    }

    #[test]
    fn no_answer_is_an_error() {
        let (sender, mut receiver) = channel::<u8>();
        assert!(block_on(poll_once(&mut receiver)).is_none());
        let ending = thread::spawn(move || drop(sender));
        let error = block_on(receiver).map_or_else(|error| error.to_string(), |_| String::new());
        assert!(error.contains("open the store again"), "{error}");
        assert!(ending.join().is_ok());
    }
}
