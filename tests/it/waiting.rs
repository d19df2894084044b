//! What a duplicate does while the first call runs.

use crate::support::{guarded, now, on_many_threads, pending, ready};
use idempotently::{Error, ErrorKind, How, InFlight, Operation, observe, observe_async};
use std::future::{pending as never, poll_fn};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::Semaphore;

const SHORT: InFlight = InFlight::WaitFor(Duration::from_millis(20));
const LONG: InFlight = InFlight::WaitFor(Duration::from_secs(100));

type Call = Pin<Box<dyn Future<Output = Result<u32, Error>>>>;

/// A call whose body ends at its second poll; polled once.
fn begin(operation: &'static Operation) -> Call {
    let mut paused = false;
    let mut call: Call = Box::pin(operation.call(&1).run_async(async move || {
        poll_fn(|_| if std::mem::replace(&mut paused, true) { Poll::Ready(7) } else { Poll::Pending }).await
    }));
    pending(&mut call);
    call
}

fn blocking(operation: &Operation) -> Result<u32, ErrorKind> {
    operation.call(&1).try_run(|| Ok::<u32, Error>(0)).map_err(|error| error.kind())
}

/// A thread that has gone to sleep in what it does, or has ended. Where the system does not say what a thread does, it may
/// still be on its way.
fn asleep<T: Send + 'static>(does: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let (tell, told) = channel();
    let thread = thread::spawn(move || {
        tell.send(std::fs::read_link("/proc/thread-self")).unwrap();
        does()
    });
    if let Ok(which) = told.recv().unwrap() {
        let stat = Path::new("/proc").join(which).join("stat");
        let sleeps = |stat: &str| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('S'));
        while !thread.is_finished() && std::fs::read_to_string(&stat).is_ok_and(|stat| !sleeps(&stat)) {
            thread::yield_now();
        }
    }
    thread
}

#[test]
fn a_duplicate_is_refused_at_once_where_that_was_chosen() {
    guarded(|| {
        static OPERATION: Operation = Operation::new("waiting.reject").in_flight(InFlight::Reject);
        let mut leader = begin(&OPERATION);
        let seen = observe(|| blocking(&OPERATION));
        assert_eq!((seen.value, seen.how), (Err(ErrorKind::InFlight), How::Refused));
        let seen = now(observe_async(OPERATION.call(&1).run_async(async || 0u32)));
        assert_eq!((seen.value.unwrap_err().kind(), seen.how), (ErrorKind::InFlight, How::Refused));
        assert_eq!(ready(&mut leader).unwrap(), 7);
        assert_eq!(blocking(&OPERATION), Ok(7));
    });
}

#[test]
fn a_wait_that_is_long_enough_ends_with_the_outcome() {
    static OPERATION: Operation = Operation::new("waiting.long").in_flight(LONG);
    on_many_threads(|| async {
        let gate = Arc::new(Semaphore::new(0));
        let (opener, begun) = (gate.clone(), Arc::new(tokio::sync::Notify::new()));
        let begins = begun.clone();
        let leader = tokio::spawn(OPERATION.call(&1).run_async(async move || {
            begins.notify_one();
            let _ = gate.acquire().await;
            7u32
        }));
        begun.notified().await;
        let follow = |_| {
            let mut call = Box::pin(OPERATION.call(&1).run_async(async || 0u32));
            pending(&mut call);
            tokio::spawn(call)
        };
        let mut followers: Vec<_> = (0..8).map(follow).collect();
        let threads: Vec<_> = (0..8).map(|_| asleep(|| blocking(&OPERATION))).collect();
        opener.close();
        for follower in &mut followers {
            assert_eq!(follower.await.unwrap().unwrap(), 7);
        }
        assert!(threads.into_iter().all(|thread| thread.join().unwrap() == Ok(7)));
        assert_eq!(leader.await.unwrap().unwrap(), 7);
    });
}

#[test]
fn a_wait_beside_a_leader_that_is_left_alone_has_its_limit() {
    static OPERATION: Operation = Operation::new("waiting.short").in_flight(SHORT);
    guarded(|| {
        let mut leader = begin(&OPERATION);
        assert_eq!(blocking(&OPERATION), Err(ErrorKind::WaitTimedOut));
        // No runtime: the limit needs none.
        let seen = futures_lite::future::block_on(observe_async(OPERATION.call(&1).run_async(async || 0u32)));
        assert_eq!((seen.value.unwrap_err().kind(), seen.how), (ErrorKind::WaitTimedOut, How::Refused));
        assert_eq!(OPERATION.len(), 1);
        assert_eq!(ready(&mut leader).unwrap(), 7);
        assert_eq!(blocking(&OPERATION), Ok(7));
    });
}

#[test]
fn whoever_ran_out_of_time_is_no_follower_any_more() {
    static OPERATION: Operation = Operation::new("waiting.left").in_flight(SHORT);
    guarded(|| {
        let leader = begin(&OPERATION);
        assert_eq!(blocking(&OPERATION), Err(ErrorKind::WaitTimedOut));
        let awaited = futures_lite::future::block_on(OPERATION.call(&1).run_async(async || 0u32));
        assert_eq!(awaited.unwrap_err().kind(), ErrorKind::WaitTimedOut);
        drop(leader);
        assert!(OPERATION.is_empty());
    });
}

#[test]
fn a_follower_with_a_limit_takes_over_within_it() {
    static OPERATION: Operation = Operation::new("waiting.takes_over").in_flight(LONG);
    let leader = begin(&OPERATION);
    let mut follower = begin(&OPERATION);
    drop(leader);
    pending(&mut follower);
    assert_eq!(ready(&mut follower).unwrap(), 7);
}

#[test]
fn a_limit_beyond_counting_is_none() {
    static OPERATION: Operation = Operation::new("waiting.endless").in_flight(InFlight::WaitFor(Duration::MAX));
    guarded(|| {
        let mut leader = begin(&OPERATION);
        let mut follower = Box::pin(OPERATION.call(&1).run_async(never::<u32>));
        pending(&mut follower);
        assert_eq!(ready(&mut leader).unwrap(), 7);
        assert_eq!(ready(&mut follower).unwrap(), 7);
    });
}

#[test]
fn a_thread_that_waits_without_a_limit_beyond_counting_is_answered() {
    static OPERATION: Operation = Operation::new("waiting.endless_thread").in_flight(InFlight::WaitFor(Duration::MAX));
    guarded(|| {
        let mut leader = begin(&OPERATION);
        let follower = asleep(|| blocking(&OPERATION));
        assert_eq!(ready(&mut leader).unwrap(), 7);
        assert_eq!(follower.join().unwrap(), Ok(7));
    });
}

/// A task whose executor panics when it is woken.
struct PanicsWhenWoken;

impl Wake for PanicsWhenWoken {
    fn wake(self: Arc<Self>) {
        panic!("on purpose");
    }
}

#[test]
fn a_waker_that_panics_keeps_nobody_from_the_outcome() {
    static OPERATION: Operation = Operation::new("waiting.panics");
    guarded(|| {
        let mut leader = begin(&OPERATION);
        let mut unlucky = Box::pin(OPERATION.call(&1).run_async(async || 0u32));
        let waker = Waker::from(Arc::new(PanicsWhenWoken));
        assert!(unlucky.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        let follower = asleep(|| blocking(&OPERATION));
        assert_eq!(ready(&mut leader).unwrap(), 7);
        assert_eq!(follower.join().unwrap(), Ok(7));
        assert_eq!(ready(&mut unlucky).unwrap(), 7);
    });
}
