//! What each verb does to a file.

use super::{Folder, LEASE, bare, claim, complete, completed, granted, place};
use crate::backend::sqlite::SqliteStore;
use crate::clock::ManualClock;
use crate::record::{OnInterruption, Owner};
use crate::store::{Claim, Claimed, CompleteRequest, Glimpse, Hold, Recorded, Release, Standing, Store};
use futures_lite::future::block_on;
use std::sync::Arc;
use std::time::Duration;

#[test]
fn a_key_is_granted_completed_and_replayed() {
    let folder = Folder::new();
    let (one, other) = (folder.open(), folder.open());
    let hold = granted(&one, claim("k", 1));
    let seen = block_on(other.claim(claim("k", 2))).expect("an answer");
    assert!(
        matches!(seen, Claimed::InFlight { remaining } if remaining > Duration::from_secs(29) && remaining <= LEASE)
    );
    let again = block_on(one.claim(claim("k", 1))).expect("an answer");
    assert_eq!(again, Claimed::Granted { token: hold.token, attempt: 1 });
    assert_eq!(complete(&one, &hold, b"paid"), Recorded::Done);
    assert_eq!(complete(&other, &hold, b"paid"), Recorded::Done);
    for store in [&one, &other] {
        assert_eq!(block_on(store.claim(claim("k", 3))).expect("an answer"), completed(b"paid"));
    }
    let other_request = claim("k", 3).fingerprint(Some([7; 16]));
    assert_eq!(block_on(other.claim(other_request)).expect("an answer"), Claimed::Mismatch);
}

#[test]
fn a_stale_holder_writes_nothing() {
    let folder = Folder::new();
    let clock = Arc::new(ManualClock::default());
    let store = folder.open_with_clock(&clock);
    let stale = granted(&store, claim("k", 1));
    clock.advance(LEASE);
    let hold = granted(&store, claim("k", 2));
    assert!(hold.token > stale.token);
    assert_eq!(complete(&store, &stale, b"late"), Recorded::Lost);
    assert!(!block_on(store.release(stale.clone(), Release::Free)).expect("an answer"));
    let renewed = block_on(store.renew(vec![stale.clone(), hold.clone()], LEASE)).expect("an answer");
    assert_eq!(renewed, [false, true]);
    assert_eq!(complete(&store, &hold, b"won"), Recorded::Done);
    assert_eq!(complete(&store, &stale, b"late"), Recorded::Superseded { outcome: b"won".to_vec() });
}

#[test]
fn a_lease_that_is_renewed_is_believed_longer() {
    let folder = Folder::new();
    let clock = Arc::new(ManualClock::default());
    let store = folder.open_with_clock(&clock);
    let hold = granted(&store, claim("k", 1));
    clock.advance(LEASE / 2);
    assert_eq!(block_on(store.renew(vec![hold], LEASE)).expect("an answer"), [true]);
    clock.advance(LEASE * 3 / 4);
    let seen = block_on(store.claim(claim("k", 2))).expect("an answer");
    assert_eq!(seen, Claimed::InFlight { remaining: LEASE / 4 });
}

#[test]
fn a_key_is_given_back_or_given_up() {
    let folder = Folder::new();
    let store = folder.open();
    let hold = granted(&store, claim("k", 1));
    assert!(block_on(store.release(hold.clone(), Release::Free)).expect("an answer"));
    assert_eq!(block_on(store.peek(place("k"))).expect("an answer"), None);
    let next = granted(&store, claim("k", 2));
    assert!(next.token > hold.token);
    assert!(block_on(store.release(next, Release::Interrupt)).expect("an answer"));
    assert_eq!(block_on(store.claim(claim("k", 3))).expect("an answer"), Claimed::Interrupted);
    assert!(block_on(store.resolve(place("k"), b"looked".to_vec(), None)).expect("an answer"));
    assert!(!block_on(store.resolve(place("k"), b"again".to_vec(), None)).expect("an answer"));
    assert_eq!(block_on(store.claim(claim("k", 3))).expect("an answer"), completed(b"looked"));
}

#[test]
fn a_vanished_leader_is_noted() {
    let folder = Folder::new();
    let clock = Arc::new(ManualClock::default());
    let store = folder.open_with_clock(&clock);
    let hold = granted(&store, claim("k", 1));
    clock.advance(LEASE);
    let careful = Claim::new(place("k"), Owner([2; 16]), LEASE, OnInterruption::Fail);
    assert_eq!(block_on(store.claim(careful)).expect("an answer"), Claimed::Interrupted);
    let seen = block_on(store.peek(place("k"))).expect("an answer");
    assert_eq!(seen, Some(Glimpse::new(place("k"), Standing::Interrupted, hold.token, 1)));
    assert_eq!(complete(&store, &hold, b"late, and the only one"), Recorded::Done);
}

#[test]
fn retention_is_kept_when_reading() {
    let folder = Folder::new();
    let clock = Arc::new(ManualClock::default());
    let store = folder.open_with_clock(&clock);
    let hold = granted(&store, claim("k", 1));
    let day = Duration::from_hours(24);
    assert_eq!(
        block_on(store.complete(CompleteRequest::new(hold.clone(), b"x".to_vec()).retention(Some(day))))
            .expect("an answer"),
        Recorded::Done
    );
    clock.advance(Duration::from_micros(24 * 3_600_000_000 - 1));
    assert_eq!(block_on(store.claim(claim("k", 2))).expect("an answer"), completed(b"x"));
    clock.advance(Duration::from_micros(1));
    assert_eq!(block_on(store.peek(place("k"))).expect("an answer"), None);
    assert_eq!(listed(&store, Standing::Completed, None, 9), [""; 0]);
    assert!(!block_on(store.forget(place("k"))).expect("an answer"));
    let next = granted(&store, claim("k", 2));
    assert!(next.token > hold.token);
}

#[test]
fn a_token_is_never_granted_twice() {
    let folder = Folder::new();
    let mut last = 0;
    for round in 0..4 {
        let store = folder.open();
        for owner in 0..4 {
            let hold = granted(&store, claim("k", round * 4 + owner));
            assert!(hold.token > last);
            last = hold.token;
            assert!(block_on(store.forget(place("k"))).expect("an answer"));
        }
    }
}

#[test]
fn records_are_there_after_the_file_was_closed() {
    let folder = Folder::new();
    let store = folder.open();
    let mut answers = Vec::new();
    for index in 0..100 {
        let hold = granted(&store, claim(&index.to_string(), 1));
        // Not waited for: closing does.
        answers.push(store.complete(CompleteRequest::new(hold, b"kept".to_vec())));
    }
    drop(answers);
    drop(store);
    let store = folder.open();
    for index in 0..100 {
        assert_eq!(block_on(store.claim(claim(&index.to_string(), 2))).expect("an answer"), completed(b"kept"));
    }
}

#[test]
fn records_are_listed_in_pages() {
    let folder = Folder::new();
    let store = folder.open();
    for key in ["c", "a", "é", "b", ""] {
        let hold = granted(&store, claim(key, 1));
        match key {
            "b" => drop(block_on(store.release(hold, Release::Interrupt))),
            "c" => {}
            _ => drop(complete(&store, &hold, key.as_bytes())),
        }
    }
    assert_eq!(listed(&store, Standing::Completed, None, 9), ["", "a", "é"]);
    assert_eq!(listed(&store, Standing::Completed, None, 2), ["", "a"]);
    assert_eq!(listed(&store, Standing::Completed, Some("a"), 2), ["é"]);
    assert_eq!(listed(&store, Standing::Completed, Some(""), 1), ["a"]);
    assert_eq!(listed(&store, Standing::Interrupted, None, 9), ["b"]);
    assert_eq!(listed(&store, Standing::InFlight, None, 9), ["c"]);
    assert_eq!(listed(&store, Standing::InFlight, Some("c"), 9), [""; 0]);
}

fn listed(store: &SqliteStore, standing: Standing, after: Option<&str>, limit: usize) -> Vec<String> {
    let page = block_on(store.list("tests".into(), standing, after.map(Into::into), limit)).expect("an answer");
    page.into_iter().map(|seen| seen.place.key.to_string()).collect()
}

#[test]
fn only_what_ended_is_purged() {
    let folder = Folder::new();
    let clock = Arc::new(ManualClock::default());
    let store = folder.open_with_clock(&clock);
    for index in 0..600 {
        let hold = granted(&store, claim(&format!("ended {index}"), 1));
        drop(store.complete(CompleteRequest::new(hold, Vec::new()).retention(Some(Duration::from_secs(1)))));
    }
    complete(&store, &granted(&store, claim("for ever", 1)), b"");
    granted(&store, claim("in flight", 1));
    let given_up = granted(&store, claim("interrupted", 1));
    block_on(store.release(given_up, Release::Interrupt)).expect("an answer");
    assert_eq!(block_on(store.purge(1000)).expect("an answer"), 0);
    clock.advance(Duration::from_hours(10_000));
    assert_eq!(block_on(store.purge(10)).expect("an answer"), 10);
    assert_eq!(block_on(store.purge(1000)).expect("an answer"), 590);
    assert_eq!(block_on(store.purge(1000)).expect("an answer"), 0);
    let left: u32 =
        folder.bare().query_row("SELECT count(*) FROM idempotently_record", [], |row| row.get(0)).expect("a count");
    assert_eq!(left, 3);
}

#[test]
fn a_record_that_cannot_be_read_is_an_error_and_nothing_else() {
    for damage in [
        "state = 9",
        "owner = x'00'",
        "owner = NULL",
        "ends = NULL",
        "token = -1",
        "attempt = -1",
        "attempt = 4294967296",
        "fingerprint = x'00'",
        "state = 2, outcome = NULL",
    ] {
        let folder = Folder::new();
        let store = folder.open();
        let hold = granted(&store, claim("k", 1));
        let sql = format!("UPDATE idempotently_record SET {damage}");
        assert_eq!(bare(&folder.file()).execute(&sql, []), Ok(1), "{damage}");
        let error = block_on(store.claim(claim("k", 2))).expect_err(damage);
        assert!(error.to_string().contains("not one that this version can read"), "{error}");
        block_on(store.peek(place("k"))).expect_err(damage);
        block_on(store.complete(CompleteRequest::new(hold.clone(), Vec::new()))).expect_err(damage);
        // Others are served, and an operator can take it away.
        granted(&store, claim("other", 1));
        assert!(block_on(store.forget(place("k"))).expect("an answer"), "{damage}");
        granted(&store, claim("k", 2));
    }
}

#[test]
fn a_token_that_no_row_can_have_holds_nothing() {
    let folder = Folder::new();
    let store = folder.open();
    granted(&store, claim("k", 1));
    let hold = Hold { place: place("k"), token: u64::MAX };
    assert!(!block_on(store.release(hold.clone(), Release::Free)).expect("an answer"));
    assert_eq!(block_on(store.renew(vec![hold.clone()], LEASE)).expect("an answer"), [false]);
    assert_eq!(complete(&store, &hold, b""), Recorded::Lost);
}
