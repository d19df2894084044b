//! A caller who is alone writes itself; all others, and a task that would wait, leave it to the thread.

use super::{Folder, claim, complete, granted, place, quick, soon};
use crate::backend::sqlite::desk::IN_A_ROW;
use crate::backend::sqlite::{SqliteOptions, SqliteStore};
use crate::blocking;
use crate::store::{Claimed, CompleteRequest, Hold, Recorded, Store};
use futures_lite::future::{block_on, poll_once};

fn writes_itself(store: &SqliteStore, key: &str) -> bool {
    let claim = claim(key, 1);
    let answer = store.shared.writer.at_once(0, |ledger| ledger.claim(&claim));
    answer.is_some_and(|answer| matches!(answer, Ok(Claimed::Granted { .. })))
}

#[test]
fn the_first_poll_answers_who_is_alone() {
    let folder = Folder::new();
    let store = folder.open();
    let claimed = block_on(poll_once(store.claim(claim("k", 1)))).expect("at once").expect("an answer");
    let Claimed::Granted { token, .. } = claimed else { panic!("not granted but {claimed:?}") };
    let hold = Hold { place: place("k"), token };
    let recorded = block_on(poll_once(store.complete(CompleteRequest::new(hold, b"paid".to_vec())))).expect("at once");
    assert_eq!(recorded.expect("an answer"), Recorded::Done);
    assert!(store.shared.writer.is_idle());
}

#[test]
fn no_task_waits_for_the_disk_and_a_thread_of_its_own_may() {
    let folder = Folder::new();
    let store = SqliteStore::open_with(folder.file(), &SqliteOptions::new()).expect("a store");
    assert!(!writes_itself(&store, "a task's"));
    assert!(blocking::block_on(async { writes_itself(&store, "a thread's") }));
    assert!(!writes_itself(&store, "a task's"));
    assert!(writes_itself(&SqliteStore::in_memory().expect("a store"), "k"));
}

#[test]
fn a_task_writes_no_large_outcome() {
    let folder = Folder::new();
    let store = folder.open();
    let hold = granted(&store, claim("k", 1));
    let large = vec![0; 1 << 20];
    let record = || {
        store
            .shared
            .writer
            .at_once(large.len(), |ledger| ledger.complete(&CompleteRequest::new(hold.clone(), large.clone())))
    };
    assert!(record().is_none());
    assert!(blocking::block_on(async { record() }).is_some());
}

#[test]
fn the_thread_sees_to_the_log() {
    let folder = Folder::new();
    let store = folder.open();
    let pages = || {
        let connection = store.shared.writer.desk.connection();
        connection.query_row("PRAGMA wal_autocheckpoint", [], |row| row.get::<_, i64>(0)).expect("a number")
    };
    assert_eq!(pages(), 1000);
    for round in 0..3 {
        for index in 0..IN_A_ROW {
            assert!(writes_itself(&store, &format!("{round} {index}")), "the {index}th of round {round}");
            assert_eq!(pages(), 0);
        }
        assert!(!writes_itself(&store, "one too many"));
        granted(&store, claim(&round.to_string(), 1));
        assert_eq!(pages(), 1000);
        soon("the writer rests", || store.shared.writer.is_idle());
    }
    assert!(writes_itself(&store, "a task's"));
    assert!(blocking::block_on(async { writes_itself(&store, "a thread's") }));
    assert_eq!(pages(), 1000);
}

#[test]
fn who_meets_others_shares_with_them_until_they_are_gone() {
    let folder = Folder::new();
    let store = folder.open();
    let other = folder.bare();
    other.execute_batch("BEGIN IMMEDIATE").expect("the file is free");
    let mut asked: Vec<_> = ["a", "b", "c"].map(|key| store.claim(claim(key, 1))).into_iter().collect();
    for claim in &mut asked {
        assert!(block_on(poll_once(claim)).is_none());
        assert!(!writes_itself(&store, "queued behind"));
    }
    other.execute_batch("ROLLBACK").expect("a transaction to end");
    for claim in asked {
        assert!(matches!(block_on(claim), Ok(Claimed::Granted { .. })));
    }
    soon("the writer rests", || store.shared.writer.is_idle());
    assert!(!writes_itself(&store, "in a crowd"));
    for index in 0..8_u8 {
        granted(&store, claim(&index.to_string(), 1));
        soon("the writer rests", || store.shared.writer.is_idle());
    }
    assert!(writes_itself(&store, "alone"));
}

#[test]
fn what_a_caller_cannot_write_itself_the_thread_tries() {
    let folder = Folder::new();
    let store = SqliteStore::open_with(folder.file(), &quick()).expect("a store");
    let hold = granted(&store, claim("k", 1));
    folder
        .bare()
        .execute_batch(
            "CREATE TRIGGER poison BEFORE INSERT ON idempotently_record WHEN new.key = 'poison'
             BEGIN SELECT RAISE(ABORT, 'poison'); END",
        )
        .expect("a trigger");
    assert!(!writes_itself(&store, "poison"));
    assert!(store.shared.writer.is_idle());
    block_on(store.claim(claim("poison", 1))).expect_err("poison");
    assert_eq!(complete(&store, &hold, b"paid"), Recorded::Done);
}
