//! Outcomes of callers that lost their hold.

use super::{Folder, LEASE, claim, complete, completed, granted, place, soon};
use crate::backend::sqlite::{SqliteOptions, SqliteStore, Synchronous};
use crate::clock::ManualClock;
use crate::record::{OnInterruption, Owner};
use crate::store::{AdoptRequest, Adopted, Claim, Claimed, Glimpse, Recorded, Release, Standing, Store};
use futures_lite::future::{block_on, poll_once};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

fn adoption(key: &str, owner: u8, outcome: &[u8]) -> AdoptRequest {
    AdoptRequest::new(place(key), Owner([owner; 16]), OnInterruption::Retry, outcome.to_vec())
}

fn adopt(store: &SqliteStore, request: AdoptRequest) -> Adopted {
    block_on(store.adopt(request)).expect("an answer")
}

fn seen(store: &SqliteStore, key: &str) -> Option<Glimpse> {
    block_on(store.peek(place(key))).expect("an answer")
}

#[test]
fn a_free_key_takes_the_outcome_under_a_new_token() {
    let folder = Folder::new();
    let store = folder.open();
    let hold = granted(&store, claim("k", 1));
    assert!(block_on(store.release(hold.clone(), Release::Free)).expect("an answer"));
    let request = adoption("k", 1, b"paid").fingerprint(Some([7; 16]));
    assert_eq!(adopt(&store, request.clone()), Adopted::Recorded);
    assert_eq!(adopt(&store, request), Adopted::Completed { outcome: b"paid".to_vec() });
    let glimpse = seen(&store, "k").expect("a record");
    assert_eq!((glimpse.standing, glimpse.attempt), (Standing::Completed, 1));
    assert!(glimpse.token > hold.token);
    assert_eq!(complete(&store, &hold, b"late"), Recorded::Lost, "its fingerprint is another one");
    let same = claim("k", 2).fingerprint(Some([7; 16]));
    assert_eq!(block_on(store.claim(same)).expect("an answer"), completed(b"paid"));
    assert_eq!(block_on(store.claim(claim("k", 2))).expect("an answer"), Claimed::Mismatch);
    assert_eq!(adopt(&store, adoption("k", 3, b"other")), Adopted::Mismatch);
}

#[test]
fn a_lapsed_lease_is_adopted_and_keeps_its_attempt() {
    let folder = Folder::new();
    let clock = Arc::new(ManualClock::default());
    let store = folder.open_with_clock(&clock);
    let first = granted(&store, claim("k", 1));
    clock.advance(LEASE);
    let second = granted(&store, claim("k", 2));
    assert_eq!(adopt(&store, adoption("k", 1, b"first")), Adopted::InFlight { remaining: LEASE });
    clock.advance(LEASE);
    let request = adoption("k", 1, b"first").retention(Some(LEASE));
    assert_eq!(adopt(&store, request), Adopted::Recorded);
    let glimpse = seen(&store, "k").expect("a record");
    assert_eq!((glimpse.attempt, glimpse.outcome), (2, Some(b"first".to_vec())));
    assert!(glimpse.token > second.token);
    for stale in [first, second] {
        assert_eq!(complete(&store, &stale, b"late"), Recorded::Superseded { outcome: b"first".to_vec() });
    }
    clock.advance(LEASE);
    assert_eq!(seen(&store, "k"), None, "its retention is over");
    assert_eq!(adopt(&store, adoption("k", 4, b"again")), Adopted::Recorded);
    assert_eq!(seen(&store, "k").map(|glimpse| glimpse.attempt), Some(1));
}

#[test]
fn what_another_holder_left_unknown_stays_interrupted() {
    let folder = Folder::new();
    let clock = Arc::new(ManualClock::default());
    let store = folder.open_with_clock(&clock);
    let hold = granted(&store, claim("k", 1));
    clock.advance(LEASE);
    let careful = AdoptRequest::new(place("k"), Owner([2; 16]), OnInterruption::Fail, b"x".to_vec());
    assert_eq!(adopt(&store, careful.clone()), Adopted::Interrupted);
    assert_eq!(seen(&store, "k").map(|glimpse| (glimpse.standing, glimpse.token)), {
        Some((Standing::Interrupted, hold.token))
    });
    assert_eq!(adopt(&store, careful), Adopted::Interrupted);
    assert_eq!(adopt(&store, adoption("k", 2, b"x")), Adopted::Interrupted);
}

#[test]
fn of_many_adoptions_one_is_recorded_and_the_others_get_its_outcome() {
    let folder = Folder::new();
    let stores = [folder.open(), folder.open()];
    for round in 0..20 {
        let key = round.to_string();
        let start = Barrier::new(8);
        let answers: Vec<(Adopted, u8)> = thread::scope(|scope| {
            let (stores, key, start) = (&stores, &key, &start);
            let adopting = (0..8_u8).map(|owner| {
                scope.spawn(move || {
                    start.wait();
                    (adopt(&stores[usize::from(owner % 2)], adoption(key, owner, &[owner])), owner)
                })
            });
            let adopting: Vec<_> = adopting.collect();
            adopting.into_iter().map(|one| one.join().expect("an answer")).collect()
        });
        let recorded: Vec<u8> =
            answers.iter().filter(|(answer, _)| *answer == Adopted::Recorded).map(|(_, owner)| *owner).collect();
        assert_eq!(recorded.len(), 1, "{answers:?}");
        let others = answers.iter().filter(|(answer, _)| *answer == Adopted::Completed { outcome: recorded.clone() });
        assert_eq!(others.count(), 7, "{answers:?}");
    }
}

#[test]
fn adoptions_that_are_written_together_have_tokens_of_their_own() {
    let folder = Folder::new();
    let store = folder.open();
    let other = folder.bare();
    other.execute_batch("BEGIN IMMEDIATE").expect("the file is free");
    let asked: Vec<_> = (0..70_u8).map(|index| store.adopt(adoption(&index.to_string(), index, b"x"))).collect();
    other.execute_batch("ROLLBACK").expect("a transaction to end");
    for answer in asked {
        assert_eq!(block_on(answer).expect("an answer"), Adopted::Recorded);
    }
    let mut tokens: Vec<u64> =
        (0..70).filter_map(|index: u8| seen(&store, &index.to_string())).map(|glimpse| glimpse.token).collect();
    tokens.dedup();
    assert_eq!(tokens.len(), 70);
    assert!(tokens.is_sorted_by(|earlier, later| earlier < later), "{tokens:?}");
}

#[test]
fn an_adoption_wakes_who_waits() {
    let folder = Folder::new();
    let clock = Arc::new(ManualClock::default());
    let (store, other) = (folder.open_with_clock(&clock), folder.open_with_clock(&clock));
    granted(&store, claim("k", 1));
    let waiting = [store.changed(&place("k")), other.changed(&place("k"))];
    clock.advance(LEASE);
    assert_eq!(adopt(&store, adoption("k", 1, b"paid")), Adopted::Recorded);
    for changed in waiting {
        block_on(changed).expect("an answer");
    }
}

#[test]
fn an_adoption_that_nobody_waits_for_is_written_when_the_file_is_free_again() {
    let folder = Folder::new();
    let options = SqliteOptions::new().synchronous(Synchronous::Normal).busy_timeout(Duration::from_millis(5));
    let store = SqliteStore::open_with(folder.file(), &options).expect("a store");
    let other = folder.bare();
    other.execute_batch("BEGIN IMMEDIATE").expect("the file is free");
    drop(store.adopt(adoption("k", 1, b"paid")));
    // This one is behind the other, so that both were refused once.
    let careful = Claim::new(place("new"), Owner([1; 16]), LEASE, OnInterruption::Fail);
    block_on(store.claim(careful)).expect_err("the file is locked");
    other.execute_batch("ROLLBACK").expect("a transaction to end");
    soon("the outcome is there", || seen(&store, "k").is_some_and(|glimpse| glimpse.outcome.is_some()));
    assert!(block_on(poll_once(store.claim(claim("k", 2)))).is_some(), "it is answered by reading");
}
