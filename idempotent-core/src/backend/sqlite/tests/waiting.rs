//! Waiting for a record to change.

use super::{Folder, LEASE, claim, complete, completed, granted, place, soon};
use crate::backend::sqlite::SqliteStore;
use crate::backend::sqlite::job::Job;
use crate::backend::sqlite::watch::Lookout;
use crate::store::{Claimed, Release, Store, StoreError};
use futures_lite::future::{block_on, or, poll_once};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake};
use std::thread;
use std::time::{Duration, Instant};

/// Whether it ends within `span`.
fn within(span: Duration, ends: impl Future<Output = Result<(), StoreError>>) -> bool {
    let ends = async { ends.await.map(|()| true).expect("an answer") };
    block_on(or(ends, async {
        futures_timer::Delay::new(span).await;
        false
    }))
}

const LONG: Duration = Duration::from_secs(10);

fn waits_on(here: &SqliteStore, there: &SqliteStore) {
    let hold = granted(there, claim("k", 1));
    let change = here.changed(&place("k"));
    assert!(matches!(block_on(here.claim(claim("k", 2))), Ok(Claimed::InFlight { .. })));
    let (waited, wrote) = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            thread::sleep(Duration::from_millis(30));
            complete(there, &hold, b"paid");
            Instant::now()
        });
        assert!(within(LONG, change));
        (Instant::now(), writer.join().expect("it writes"))
    });
    assert!(waited.saturating_duration_since(wrote) < Duration::from_secs(1));
    assert_eq!(block_on(here.claim(claim("k", 2))).expect("an answer"), completed(b"paid"));
}

#[test]
fn the_writer_tells_its_own_process() {
    let store = SqliteStore::in_memory().expect("a store");
    waits_on(&store, &store.clone());
}

#[test]
fn another_process_is_seen_in_the_file() {
    let folder = Folder::new();
    waits_on(&folder.open(), &folder.open());
}

#[test]
fn what_changed_before_the_first_poll_is_not_missed() {
    let folder = Folder::new();
    let (here, there) = (folder.open(), folder.open());
    for round in 0..20 {
        let hold = granted(&there, claim("k", round));
        let change = here.changed(&place("k"));
        block_on(there.release(hold, Release::Free)).expect("an answer");
        assert!(within(LONG, change));
    }
}

#[test]
fn other_keys_and_renewals_wake_nobody() {
    let folder = Folder::new();
    let (here, there) = (folder.open(), folder.open());
    let hold = granted(&there, claim("k", 1));
    let mut change = here.changed(&place("k"));
    for index in 0..20 {
        let other = granted(&there, claim(&index.to_string(), 1));
        complete(&there, &other, b"");
        assert_eq!(block_on(there.renew(vec![hold.clone()], LEASE)).expect("an answer"), [true]);
        assert!(!within(Duration::from_millis(5), async { (&mut change).await }));
    }
    block_on(there.forget(place("k"))).expect("an answer");
    assert!(within(LONG, change));
}

#[test]
fn all_who_wait_are_woken_and_those_who_left_are_forgotten() {
    let folder = Folder::new();
    let (here, there) = (folder.open(), folder.open());
    let hold = granted(&there, claim("k", 1));
    let mut left = here.changed(&place("k"));
    assert!(block_on(poll_once(&mut left)).is_none());
    drop(here.changed(&place("other")));
    let staying: Vec<_> = (0..3).map(|_| here.changed(&place("k"))).collect();
    drop(left);
    assert_eq!(here.shared.watch.everybody(), [place("k")]);
    complete(&there, &hold, b"");
    for change in staying {
        assert!(within(LONG, change));
    }
    assert!(here.shared.watch.everybody().is_empty());
}

/// A waker that lets go of a store.
struct Last(Mutex<Option<SqliteStore>>);

impl Wake for Last {
    fn wake(self: Arc<Self>) {
        drop(self.0.lock().expect("nobody panicked").take());
    }
}

fn is_closed(last: &Last) -> bool {
    last.0.lock().expect("nobody panicked").is_none()
}

/// Polls once, with a waker that has the last handle.
fn poll_with_last<F: Future + Unpin>(future: &mut F, store: SqliteStore) -> Arc<Last> {
    let last = Arc::new(Last(Mutex::new(Some(store))));
    let waker = last.clone().into();
    assert!(Pin::new(future).poll(&mut Context::from_waker(&waker)).is_pending());
    last
}

#[test]
fn the_last_handle_may_end_on_the_thread_that_writes() {
    let folder = Folder::new();
    let store = folder.open();
    let other = folder.bare();
    other.execute_batch("BEGIN IMMEDIATE").expect("the file is free");
    let mut answer = store.ask(|ticket| Job::Purge(1, ticket));
    let last = poll_with_last(&mut answer, store);
    other.execute_batch("ROLLBACK").expect("a transaction to end");
    soon("the handle is dropped", || is_closed(&last));
    assert_eq!(block_on(answer).expect("an answer"), 0);
}

#[test]
fn the_last_handle_may_end_on_the_thread_that_watches() {
    let folder = Folder::new();
    let (store, there) = (folder.open(), folder.open());
    let hold = granted(&there, claim("k", 1));
    let mut waiter = store.shared.watch.enter(&place("k"));
    store.shared.look_out(&waiter, &place("k")).expect("the file is watched");
    let last = poll_with_last(&mut waiter, store);
    complete(&there, &hold, b"");
    soon("the handle is dropped", || is_closed(&last));
}

#[test]
fn a_change_that_was_seen_too_early_is_seen_again() {
    let folder = Folder::new();
    let (here, there) = (folder.open(), folder.open());
    let hold = granted(&there, claim("k", 1));
    let file = here.shared.readers.file().expect("a file").clone();
    let mut lookout = Lookout::new(file, here.shared.watch.clone());
    let mut waiter = here.shared.watch.enter(&place("k"));
    let mark = here.shared.readers.mark(&place("k")).expect("an answer");
    complete(&there, &hold, b"");
    // The change is noticed before it is known that somebody saw the key stand otherwise.
    lookout.look(false).expect("a look");
    waiter.saw(mark);
    assert!(block_on(poll_once(&mut waiter)).is_none());
    lookout.look(true).expect("a look");
    assert!(block_on(poll_once(&mut waiter)).is_some());
}

#[test]
fn a_file_that_cannot_be_looked_at_wakes_who_waits() {
    let folder = Folder::new();
    let (store, _there) = (folder.open(), folder.open());
    let change = store.changed(&place("k"));
    // A table that is gone is as good as a disk that fails.
    folder.bare().execute_batch("DROP TABLE idempotently_record").expect("an accident");
    assert!(within(LONG, change));
    assert!(block_on(store.claim(claim("k", 1))).is_err());
}
