//! What several modules need: a watchdog, polling by hand, gates, and a detector of bodies that overlap.

use std::any::Any;
use std::collections::HashSet;
use std::hash::Hash;
use std::io::{Write, stderr};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

/// No test takes nearly as long: one that does hangs.
const LONGEST: Duration = Duration::from_mins(2);

/// Runs a test on a thread of its own, and fails it where it hangs.
pub(crate) fn guarded<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, ended) = channel();
    let thread = thread::spawn(move || {
        let value = test();
        let _ = done.send(());
        value
    });
    match ended.recv_timeout(LONGEST) {
        Err(RecvTimeoutError::Timeout) => panic!("the test hangs"),
        Ok(()) | Err(RecvTimeoutError::Disconnected) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
    }
}

/// [`guarded`], inside a runtime with one thread.
pub(crate) fn on_one_thread<F: Future<Output: Send + 'static>>(test: impl FnOnce() -> F + Send + 'static) -> F::Output {
    guarded(|| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test()))
}

/// [`guarded`], inside a runtime with four workers.
pub(crate) fn on_many_threads<F: Future<Output: Send + 'static>>(
    test: impl FnOnce() -> F + Send + 'static,
) -> F::Output {
    guarded(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
        runtime.block_on(test())
    })
}

/// Polls once, with nobody to be woken.
pub(crate) fn poke<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls once, and panics where the future has not ended.
#[track_caller]
pub(crate) fn ready<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> F::Output {
    match poke(future) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("still pending"),
    }
}

/// Polls a future to its first pause, and panics where it has ended.
#[track_caller]
pub(crate) fn pending<F: Future + ?Sized>(future: &mut Pin<Box<F>>) {
    assert!(poke(future).is_pending(), "ended at its first poll");
}

/// Ends at once what `future` would do in one poll.
#[track_caller]
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    ready(&mut Box::pin(future))
}

/// A waker that remembers.
#[derive(Default)]
pub(crate) struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Bell {
    pub(crate) fn has_rung(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Polls once; from then on it remembers anew.
    pub(crate) fn poke<F: Future + ?Sized>(self: &Arc<Self>, future: &mut Pin<Box<F>>) -> Poll<F::Output> {
        self.0.store(false, Ordering::SeqCst);
        future.as_mut().poll(&mut Context::from_waker(&self.clone().into()))
    }
}

/// Closed until it is opened, for threads.
#[derive(Default)]
pub(crate) struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    pub(crate) fn open(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.opened.notify_all();
    }

    pub(crate) fn pass(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        while !*open {
            open = self.opened.wait(open).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// What a panic says.
pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_else(|| "something else".into())
}

/// Runs `f`, which must panic, and returns what the panic says.
#[track_caller]
pub(crate) fn panic_of<T>(f: impl FnOnce() -> T) -> String {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(_) => panic!("did not panic"),
        Err(panic) => message(&*panic),
    }
}

/// Watches that no two bodies of one key run at once.
pub(crate) struct Alone<K>(Mutex<HashSet<K>>);

impl<K> Default for Alone<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// A body that runs.
pub(crate) struct Body<'a, K: Hash + Eq>(&'a Alone<K>, K);

impl<K: Hash + Eq + Clone> Alone<K> {
    /// Begins a body, and ends the process where another one of the same key runs.
    #[track_caller]
    pub(crate) fn enter(&self, key: K) -> Body<'_, K> {
        if !self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone()) {
            // A panic may be what a test expects of a body, and what it prints is kept back; this must be seen.
            let _ = writeln!(stderr(), "two bodies of one key at once: {}", Location::caller());
            std::process::abort();
        }
        Body(self, key)
    }
}

impl<K: Hash + Eq> Drop for Body<'_, K> {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}
