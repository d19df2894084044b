//! The thread that writes: batches, failures, and callers that go away.

use super::{Folder, claim, complete, completed, granted, place, soon};
use crate::backend::sqlite::{SqliteOptions, SqliteStore, Synchronous};
use crate::store::{Claimed, CompleteRequest, Hold, Recorded, Release, Standing, Store};
use futures_lite::future::{block_on, poll_once};
use rusqlite::Connection;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How many transactions the log holds: a frame that ends one says how large the file is after it.
fn commits(file: &Path) -> usize {
    let log = std::fs::read(file.with_extension("db-wal")).expect("the log");
    let page = log[8..12].iter().fold(0, |size, byte| size << 8 | usize::from(*byte));
    log[32..].chunks_exact(24 + page).filter(|frame| frame[4..8] != [0; 4]).count()
}

fn lock(connection: &Connection) {
    connection.execute_batch("BEGIN IMMEDIATE").expect("the file is free");
}

fn unlock(connection: &Connection) {
    connection.execute_batch("ROLLBACK").expect("a transaction to end");
}

#[test]
fn what_queued_is_written_together() {
    let folder = Folder::new();
    let store = folder.open();
    let holds: Vec<_> = (0..64).map(|index: u8| granted(&store, claim(&index.to_string(), index))).collect();
    let other = folder.bare();
    lock(&other);
    let before = commits(&folder.file());
    let answers: Vec<_> =
        holds.into_iter().map(|hold| store.complete(CompleteRequest::new(hold, b"x".to_vec()))).collect();
    unlock(&other);
    for answer in answers {
        assert_eq!(block_on(answer).expect("an answer"), Recorded::Done);
    }
    // 32 at the most in each, and the first of them began before the last was asked for.
    let taken = commits(&folder.file()) - before;
    assert!((2..=3).contains(&taken), "{taken} transactions");
}

#[test]
fn what_takes_no_writing_does_not_wait_for_the_writer() {
    let folder = Folder::new();
    let store = folder.open();
    let hold = granted(&store, claim("done", 1));
    complete(&store, &hold, b"paid");
    let given_up = granted(&store, claim("interrupted", 1));
    block_on(store.release(given_up, Release::Interrupt)).expect("an answer");
    granted(&store, claim("in flight", 1));
    soon("the writer rests", || store.shared.writer.is_idle());
    let other = folder.bare();
    lock(&other);
    let at_once = |claim| block_on(poll_once(store.claim(claim))).map(|answer| answer.expect("an answer"));
    assert_eq!(at_once(claim("done", 2)), Some(completed(b"paid")));
    assert_eq!(at_once(claim("done", 2).fingerprint(Some([1; 16]))), Some(Claimed::Mismatch));
    assert_eq!(at_once(claim("interrupted", 2)), Some(Claimed::Interrupted));
    assert!(matches!(at_once(claim("in flight", 2)), Some(Claimed::InFlight { .. })));
    assert_eq!(at_once(claim("new", 2)), None);
    // That one is queued now; what is recorded for good is answered all the same.
    assert_eq!(at_once(claim("done", 2)), Some(completed(b"paid")));
    assert_eq!(at_once(claim("interrupted", 2)), Some(Claimed::Interrupted));
    assert_eq!(at_once(claim("in flight", 2)), None);
}

#[test]
fn what_was_queued_before_a_claim_is_seen_by_it() {
    let folder = Folder::new();
    let store = folder.open();
    for round in 0..200 {
        let hold = granted(&store, claim("k", round));
        // Nobody waits for it.
        drop(store.release(hold, Release::Free));
    }
}

#[test]
fn a_claim_that_is_dropped_leaves_nothing() {
    let folder = Folder::new();
    let store = folder.open();
    let mut random = 1_u32;
    let mut polls = 0;
    for index in 0..400_u32 {
        let key = (index % 7).to_string();
        let mut asked = store.claim(claim(&key, u8::try_from(index % 251).expect("a byte")));
        for _ in 0..index % 3 {
            match block_on(poll_once(&mut asked)) {
                None => polls += 1,
                Some(Ok(Claimed::Granted { token, .. })) => {
                    drop(store.release(Hold { place: place(&key), token }, Release::Free));
                    break;
                }
                Some(other) => panic!("nobody holds the key, but {other:?}"),
            }
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (since, span) = (Instant::now(), Duration::from_micros(u64::from(random >> 23)));
            while since.elapsed() < span {}
        }
    }
    assert!(polls > 0, "no claim was left alone");
    soon("the writer rests", || store.shared.writer.is_idle());
    assert_eq!(block_on(store.list("tests".into(), Standing::InFlight, None, 9)).expect("an answer"), []);
}

#[test]
fn a_grant_that_nobody_took_is_given_back() {
    let folder = Folder::new();
    let store = folder.open();
    let other = folder.bare();
    lock(&other);
    let mut asked = store.claim(claim("k", 1));
    assert!(block_on(poll_once(&mut asked)).is_none());
    unlock(&other);
    soon("the writer rests", || store.shared.writer.is_idle());
    assert!(block_on(store.peek(place("k"))).expect("an answer").is_some());
    drop(asked);
    granted(&store, claim("k", 2));
}

#[test]
fn tokens_that_are_granted_together_are_not_the_same() {
    let folder = Folder::new();
    let store = folder.open();
    let given_up = granted(&store, claim("interrupted", 1));
    block_on(store.release(given_up, Release::Interrupt)).expect("an answer");
    let other = folder.bare();
    lock(&other);
    let mut asked: Vec<_> = (0..70).map(|index: u8| store.claim(claim(&index.to_string(), 1))).collect();
    for claim in &mut asked {
        assert!(block_on(poll_once(claim)).is_none());
    }
    let resolved = store.resolve(place("interrupted"), Vec::new(), None);
    unlock(&other);
    let answers = asked.into_iter().map(|claim| block_on(claim).expect("an answer"));
    let mut tokens: Vec<u64> = answers
        .map(|answer| match answer {
            Claimed::Granted { token, .. } => token,
            other => panic!("not granted but {other:?}"),
        })
        .collect();
    assert!(block_on(resolved).expect("an answer"));
    tokens.extend(block_on(store.peek(place("interrupted"))).expect("an answer").map(|seen| seen.token));
    tokens.push(granted(&store, claim("last", 1)).token);
    assert!(tokens.is_sorted_by(|earlier, later| earlier < later), "{tokens:?}");
}

#[test]
fn one_that_cannot_be_written_does_not_take_the_others_with_it() {
    let folder = Folder::new();
    let store = folder.open();
    let other = folder.bare();
    other
        .execute_batch(
            "CREATE TRIGGER poison BEFORE INSERT ON idempotently_record WHEN new.key = 'poison'
             BEGIN SELECT RAISE(ABORT, 'poison'); END",
        )
        .expect("a trigger");
    lock(&other);
    let mut asked: Vec<_> = ["a", "poison", "b"].map(|key| store.claim(claim(key, 1))).into_iter().collect();
    for claim in &mut asked {
        assert!(block_on(poll_once(claim)).is_none());
    }
    unlock(&other);
    let answers: Vec<_> = asked.into_iter().map(block_on).collect();
    assert!(matches!(answers[0], Ok(Claimed::Granted { .. })), "{answers:?}");
    assert!(answers[1].is_err(), "{answers:?}");
    assert!(matches!(answers[2], Ok(Claimed::Granted { .. })), "{answers:?}");
    granted(&store, claim("poisonous", 1));
}

#[test]
fn what_nobody_waits_for_is_written_when_the_file_is_free_again() {
    let folder = Folder::new();
    let options = SqliteOptions::new().synchronous(Synchronous::Normal).busy_timeout(Duration::from_millis(5));
    let store = SqliteStore::open_with(folder.file(), &options).expect("a store");
    let (freed, done) = (granted(&store, claim("freed", 1)), granted(&store, claim("done", 1)));
    let other = folder.bare();
    lock(&other);
    drop(store.release(freed, Release::Free));
    drop(store.complete(CompleteRequest::new(done, b"paid".to_vec())));
    let refused = block_on(store.claim(claim("new", 1))).expect_err("the file is locked");
    assert!(refused.to_string().contains("busy_timeout"), "{refused}");
    thread::sleep(Duration::from_millis(150));
    unlock(&other);
    soon("the key is free", || block_on(store.peek(place("freed"))).expect("an answer").is_none());
    soon("the outcome is there", || block_on(store.claim(claim("done", 2))).ok() == Some(completed(b"paid")));
}

#[test]
fn a_store_that_cannot_write_any_more_still_closes() {
    let folder = Folder::new();
    let options = SqliteOptions::new().synchronous(Synchronous::Normal).busy_timeout(Duration::from_millis(5));
    let store = SqliteStore::open_with(folder.file(), &options).expect("a store");
    let holds: Vec<_> = (0..40).map(|index: u8| granted(&store, claim(&index.to_string(), 1))).collect();
    let other = folder.bare();
    lock(&other);
    for hold in holds {
        drop(store.release(hold, Release::Free));
    }
    drop(store);
    unlock(&other);
    assert_eq!(block_on(folder.open().list("tests".into(), Standing::InFlight, None, 99)).expect("a page").len(), 40);
}

#[test]
fn many_threads_share_two_handles() {
    let folder = Folder::new();
    let stores = [folder.open(), folder.open()];
    let executions = AtomicU32::new(0);
    thread::scope(|scope| {
        for worker in 0..8_u8 {
            let (stores, executions) = (&stores, &executions);
            scope.spawn(move || {
                let store = &stores[usize::from(worker % 2)];
                for key in 0..50 {
                    let key = key.to_string();
                    loop {
                        match block_on(store.claim(claim(&key, worker))).expect("an answer") {
                            Claimed::Granted { token, .. } => {
                                executions.fetch_add(1, Ordering::Relaxed);
                                let hold = Hold { place: place(&key), token };
                                assert_eq!(complete(store, &hold, key.as_bytes()), Recorded::Done);
                            }
                            Claimed::Completed { outcome } => {
                                assert_eq!(outcome, key.as_bytes());
                                break;
                            }
                            _ => thread::yield_now(),
                        }
                    }
                }
            });
        }
    });
    assert_eq!(executions.into_inner(), 50);
}
