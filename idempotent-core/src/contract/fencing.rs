//! Every write after the claim compares the token, and no token comes twice.

use super::Subject;
use super::case::{Case, LONG, with};
use crate::record::OnInterruption;
use crate::store::{Claimed, Hold, Recorded, Release, Standing};

/// A key that is given back is free for the next caller, as if it had never been used.
pub fn a_released_key_is_new(subject: &dyn Subject) {
    let case = Case::new(subject);
    let hold = case.here.hold(&case.claim("key"));
    assert!(case.there.release(&hold, Release::Free));
    assert_eq!(case.here.peek(&hold.place), None);
    assert!(!case.here.release(&hold, Release::Free), "it was given back already");
    let other = case.claim("key").fingerprint(Some([7; 16]));
    assert_eq!(case.here.grant(&other).1, 1);
}

/// Nobody gives back what another one holds, or what is not in flight any more.
pub fn only_the_holder_releases_and_only_in_flight(subject: &dyn Subject) {
    let case = Case::new(subject);
    let hold = case.here.hold(&case.claim("held"));
    let completed = case.completed("completed", b"outcome");
    let given_up = case.interrupted("interrupted");
    let nowhere = Hold { place: case.place("nowhere"), token: hold.token };
    for how in [Release::Free, Release::Interrupt] {
        for token in [hold.token - 1, hold.token + 1] {
            assert!(!case.here.release(&Hold { token, ..hold.clone() }, how), "{how:?}, with another token");
        }
        assert!(!case.here.release(&completed, how), "{how:?}, completed");
        assert!(!case.here.release(&given_up, how), "{how:?}, interrupted");
        assert!(!case.here.release(&nowhere, how), "{how:?}, where there is no record");
    }
    assert_eq!(case.there.standing(&hold.place), Standing::InFlight);
    assert_eq!(case.there.standing(&completed.place), Standing::Completed);
    assert_eq!(case.there.standing(&given_up.place), Standing::Interrupted);
    let lapsed = case.lapsed("lapsed");
    assert!(case.here.release(&lapsed, Release::Free), "late, but nobody else came");
    assert_eq!(case.there.peek(&lapsed.place), None);
}

/// Whoever was taken over can neither renew nor record nor release, and leaves no trace by trying.
pub fn a_stale_token_writes_nothing(subject: &dyn Subject) {
    let case = Case::new(subject);
    let stale = case.lapsed("key");
    let holder = case.claim("key");
    let (token, attempt) = case.there.grant(&holder);
    let before = case.here.peek(&stale.place);
    for handle in case.handles() {
        assert_eq!(handle.renew(&[&stale], LONG), [false]);
        assert!(!handle.release(&stale, Release::Free));
        assert!(!handle.release(&stale, Release::Interrupt));
        assert_eq!(handle.complete(&stale, b"stale", None), Recorded::Lost);
    }
    assert_eq!(case.here.peek(&stale.place), before);
    assert_eq!(case.there.claim(&holder), Claimed::Granted { token, attempt });
    assert_eq!(case.there.complete(&Hold { token, ..stale }, b"fresh", None), Recorded::Done);
    assert_eq!(case.here.claim(&case.claim("key")), Claimed::Completed { outcome: b"fresh".to_vec() });
}

/// A token is good for its own key.
pub fn the_hold_of_one_key_is_none_of_another(subject: &dyn Subject) {
    let case = Case::new(subject);
    let other = case.here.hold(&case.claim("other"));
    let mut one = case.here.hold(&case.claim("one"));
    if one.token == other.token {
        // Two keys may have the same token. The next one of the same key is larger.
        case.here.forget(&one.place);
        one = case.here.hold(&case.claim("one"));
    }
    let crossed = Hold { place: other.place.clone(), token: one.token };
    assert_eq!(case.here.renew(&[&crossed], LONG), [false]);
    assert!(!case.here.release(&crossed, Release::Free));
    assert_eq!(case.here.complete(&crossed, b"crossed", None), Recorded::Lost);
    assert_eq!(case.here.standing(&one.place), Standing::InFlight);
    assert_eq!(case.here.standing(&other.place), Standing::InFlight);
}

/// An outcome that comes late is welcome as long as nobody else was granted the key: it makes the unknown known.
pub fn a_late_outcome_is_accepted(subject: &dyn Subject) {
    let case = Case::new(subject);
    let silent = case.lapsed("silent");
    let failed = case.lapsed("failed");
    assert_eq!(case.here.claim(&with(case.claim("failed"), OnInterruption::Fail)), Claimed::Interrupted);
    let given_up = case.interrupted("given up");
    for hold in [silent, failed, given_up] {
        let key = &hold.place.key;
        assert_eq!(case.there.complete(&hold, key.as_bytes(), None), Recorded::Done, "{key}");
        let replayed = Claimed::Completed { outcome: key.as_bytes().to_vec() };
        assert_eq!(case.here.claim(&case.claim(key)), replayed, "{key}");
    }
}

/// A completion that is repeated after a lost answer succeeds, and the first one stands.
pub fn completing_twice_is_done_and_changes_nothing(subject: &dyn Subject) {
    let case = Case::new(subject);
    let span = case.span();
    let hold = case.here.hold(&case.claim("key"));
    assert_eq!(case.here.complete(&hold, b"first", Some(span)), Recorded::Done);
    case.pass_nearly(span);
    for handle in case.handles() {
        assert_eq!(handle.complete(&hold, b"second", None), Recorded::Done);
        assert_eq!(handle.claim(&case.claim("key")), Claimed::Completed { outcome: b"first".to_vec() });
    }
    case.pass_the_rest(span);
    assert_eq!(case.here.grant(&case.claim("key")).1, 1, "the second completion has no retention");
}

/// Whoever comes second with an outcome is told the first one, so that all replies for a key are the same.
pub fn a_superseded_outcome_is_answered_with_the_winners(subject: &dyn Subject) {
    let case = Case::new(subject);
    let slow = case.lapsed("key");
    let winner = case.there.hold(&case.claim("key"));
    assert_eq!(case.there.complete(&winner, b"winner", None), Recorded::Done);
    for handle in case.handles() {
        assert_eq!(handle.complete(&slow, b"slow", None), Recorded::Superseded { outcome: b"winner".to_vec() });
        assert_eq!(handle.claim(&case.claim("key")), Claimed::Completed { outcome: b"winner".to_vec() });
    }
}

/// Without a record there is nothing to write to: an outcome makes none.
pub fn an_outcome_without_a_record_is_lost(subject: &dyn Subject) {
    let case = Case::new(subject);
    let released = case.here.hold(&case.claim("released"));
    case.here.release(&released, Release::Free);
    let forgotten = case.here.hold(&case.claim("forgotten"));
    case.here.forget(&forgotten.place);
    let ended = case.here.hold(&case.claim("ended"));
    let span = case.span();
    case.here.complete(&ended, b"outcome", Some(span));
    case.pass(span);
    let never = Hold { place: case.place("never"), token: ended.token };
    for hold in [released, forgotten, ended, never] {
        assert_eq!(case.here.complete(&hold, b"late", None), Recorded::Lost, "{}", hold.place.key);
        assert_eq!(case.here.renew(&[&hold], LONG), [false], "{}", hold.place.key);
        assert_eq!(case.there.peek(&hold.place), None, "{}", hold.place.key);
    }
}

/// No token comes twice for a key and each is larger than the last, whatever became of the record in between.
pub fn tokens_only_grow(subject: &dyn Subject) {
    let case = Case::new(subject);
    let span = case.span();
    let mut last = 0;
    for round in 0..2 {
        for between in ["released", "forgotten", "outcome forgotten", "ended", "ended and purged", "taken over"] {
            let handle = case.handles()[round % 2];
            let hold = handle.hold(&case.brief("key"));
            assert!(hold.token > last, "token {} after {last}", hold.token);
            last = hold.token;
            match between {
                "released" => assert!(handle.release(&hold, Release::Free)),
                "forgotten" => assert!(handle.forget(&hold.place)),
                "outcome forgotten" => {
                    handle.complete(&hold, b"outcome", None);
                    assert!(handle.forget(&hold.place));
                }
                "taken over" => case.pass(span),
                _ => {
                    handle.complete(&hold, b"outcome", Some(span));
                    case.pass(span);
                    if between == "ended and purged" {
                        handle.purge(1000);
                    }
                }
            }
        }
    }
}
