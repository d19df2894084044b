//! What the library's threads outlive, and how long a queue behind another process's transaction lasts.

use super::{Folder, LEASE, claim, complete, completed, granted, place, soon};
use crate::backend::sqlite::job::Job;
use crate::backend::sqlite::{SqliteOptions, SqliteStore, Synchronous};
use crate::record::{OnInterruption, Owner};
use crate::store::{AdoptRequest, Claimed, CompleteRequest, Recorded, Release, Standing, Store, StoreError};
use futures_lite::future::{block_on, poll_once};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

/// A caller's waker that has a bug.
#[derive(Default)]
struct Panics(AtomicU32);

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
        panic!("the caller's waker");
    }
}

#[test]
fn a_waker_that_panics_ends_no_thread() {
    let folder = Folder::new();
    let store = folder.open();
    let panics = Arc::new(Panics::default());
    let other = folder.bare();
    other.execute_batch("BEGIN IMMEDIATE").expect("the file is free");
    let mut asked = store.claim(claim("k", 1));
    assert!(asked.as_mut().poll(&mut Context::from_waker(&Waker::from(panics.clone()))).is_pending());
    other.execute_batch("ROLLBACK").expect("a transaction to end");
    soon("the waker is called", || panics.0.load(Ordering::Relaxed) == 1);
    assert!(matches!(block_on(asked), Ok(Claimed::Granted { .. })));
    granted(&store, claim("another", 1));
    let hold = granted(&store, claim("released", 1));
    assert!(block_on(store.release(hold, Release::Free)).expect("the thread that writes answers"));
}

#[test]
fn a_waker_that_panics_keeps_nobody_from_being_woken() {
    let folder = Folder::new();
    let (store, other) = (folder.open(), folder.open());
    for writer in [&store, &other] {
        let panics = Arc::new(Panics::default());
        let hold = granted(&store, claim("k", 1));
        let mut first = store.changed(&place("k"));
        assert!(first.as_mut().poll(&mut Context::from_waker(&Waker::from(panics.clone()))).is_pending());
        let second = store.changed(&place("k"));
        assert_eq!(complete(writer, &hold, b"paid"), Recorded::Done);
        block_on(second).expect("an answer");
        assert_eq!(panics.0.load(Ordering::Relaxed), 1);
        assert!(block_on(store.forget(place("k"))).expect("an answer"));
    }
}

#[test]
fn a_verb_that_panics_is_an_error_and_the_next_ones_are_served() {
    let folder = Folder::new();
    let store = folder.open();
    let other = folder.bare();
    other.execute_batch("BEGIN IMMEDIATE").expect("the file is free");
    let mut before = store.claim(claim("before", 1));
    assert!(block_on(poll_once(&mut before)).is_none());
    let panics = store.shared.writer.ask(Job::Panic);
    let mut after = store.claim(claim("after", 1));
    assert!(block_on(poll_once(&mut after)).is_none());
    other.execute_batch("ROLLBACK").expect("a transaction to end");
    let error = block_on(panics).expect_err("it has no answer");
    assert!(error.to_string().contains("a bug"), "{error}");
    for answer in [before, after] {
        assert!(matches!(block_on(answer), Ok(Claimed::Granted { .. })));
    }
    granted(&store, claim("later", 1));
    soon("all is written", || store.shared.writer.is_idle());
}

#[test]
fn a_store_of_the_parent_is_refused_in_a_forked_child() {
    let folder = Folder::new();
    let store = folder.open();
    let hold = granted(&store, claim("k", 1));
    let store = store.inherited().expect("the last handle");
    let refused = |error: StoreError| assert!(error.to_string().contains("after forking"), "{error}");
    refused(block_on(store.claim(claim("k", 2))).expect_err("claim"));
    refused(block_on(store.renew(vec![hold.clone()], LEASE)).expect_err("renew"));
    refused(block_on(store.complete(CompleteRequest::new(hold.clone(), b"x".to_vec()))).expect_err("complete"));
    let request = AdoptRequest::new(place("k"), Owner([1; 16]), OnInterruption::Retry, b"x".to_vec());
    refused(block_on(store.adopt(request)).expect_err("adopt"));
    refused(block_on(store.release(hold, Release::Free)).expect_err("release"));
    refused(block_on(store.changed(&place("k"))).expect_err("changed"));
    refused(block_on(store.peek(place("k"))).expect_err("peek"));
    refused(block_on(store.forget(place("k"))).expect_err("forget"));
    refused(block_on(store.resolve(place("k"), Vec::new(), None)).expect_err("resolve"));
    refused(block_on(store.list("tests".into(), Standing::InFlight, None, 9)).expect_err("list"));
    refused(block_on(store.purge(9)).expect_err("purge"));
}

/// A store that waits so long for other processes.
fn patient(folder: &Folder, millis: u64) -> SqliteStore {
    let options = SqliteOptions::new().synchronous(Synchronous::Normal).busy_timeout(Duration::from_millis(millis));
    SqliteStore::open_with(folder.file(), &options).expect("a store")
}

#[test]
fn the_last_of_a_long_queue_is_refused_as_soon_as_the_first() {
    let folder = Folder::new();
    // Were each batch of 32 to wait for itself, the last of ten would wait ten times as long as the first.
    let (store, slow) = (patient(&folder, 400), patient(&folder, 2400));
    let done = granted(&store, claim("done", 1));
    complete(&store, &done, b"paid");
    let other = folder.bare();
    other.execute_batch("BEGIN IMMEDIATE").expect("the file is free");
    let mut asked: Vec<_> = (0..320).map(|index| store.claim(claim(&index.to_string(), 1))).collect();
    for claim in &mut asked {
        assert!(block_on(poll_once(claim)).is_none());
    }
    let refused = AtomicU32::new(0);
    thread::scope(|scope| {
        let refused = &refused;
        scope.spawn(move || {
            for claim in asked {
                let error = block_on(claim).expect_err("the file is locked");
                assert!(error.to_string().contains("busy_timeout"), "{error}");
                refused.fetch_add(1, Ordering::Relaxed);
            }
        });
        block_on(slow.claim(claim("slow", 1))).expect_err("the file is locked");
        assert_eq!(refused.load(Ordering::Relaxed), 320, "of those who have a sixth of its time");
    });
    assert_eq!(block_on(store.claim(claim("done", 2))).expect("an answer"), completed(b"paid"));
    other.execute_batch("ROLLBACK").expect("a transaction to end");
    granted(&store, claim("0", 1));
    soon("nothing is counted as queued", || store.shared.writer.is_idle());
}

#[test]
fn a_queue_that_only_this_store_is_behind_is_not_refused() {
    let folder = Folder::new();
    let store = patient(&folder, 0);
    let answers: Vec<_> = (0..320).map(|index| store.forget(place(&index.to_string()))).collect();
    for answer in answers {
        assert!(!block_on(answer).expect("the file is free"));
    }
}
