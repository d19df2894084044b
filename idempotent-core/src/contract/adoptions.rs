//! An outcome whose holder lost its key is recorded where a claim would be granted, and nowhere else.

use super::Subject;
use super::case::{Case, LONG, PATIENCE, adoption_of, soon, with};
use crate::record::OnInterruption;
use crate::store::{AdoptRequest, Adopted, Claimed, CompleteRequest, Hold, Recorded, Release, Standing};

/// Where nobody has the key the outcome is recorded: where there is no record, where the lease is over, and where the
/// record has ended.
pub fn an_outcome_is_adopted_where_nobody_has_the_key(subject: &dyn Subject) {
    let case = Case::new(subject);
    let lapsed = case.lapsed("lapsed");
    let ended = case.here.hold(&case.claim("ended"));
    assert_eq!(case.here.complete(&ended, b"earlier", Some(case.span())), Recorded::Done);
    case.pass(case.span());
    for place in [case.place("new"), lapsed.place, ended.place] {
        assert_eq!(case.there.adopt(adoption_of(place.clone(), b"outcome")), Adopted::Recorded);
        let claimed = case.here.claim(&super::case::claim_of(place));
        assert_eq!(claimed, Claimed::Completed { outcome: b"outcome".to_vec() });
    }
}

/// An adoption draws a new token, counts no attempt, and leaves no hold.
pub fn an_adoption_is_under_a_new_token_and_counts_no_attempt(subject: &dyn Subject) {
    let case = Case::new(subject);
    let lapsed = case.lapsed("key");
    assert_eq!(case.here.adopt(adoption_of(lapsed.place.clone(), b"outcome")), Adopted::Recorded);
    let Some(seen) = case.there.peek(&lapsed.place) else { panic!("nothing is recorded") };
    assert!(seen.token > lapsed.token, "{} after {}", seen.token, lapsed.token);
    assert_eq!((seen.standing, seen.attempt), (Standing::Completed, 1));
    assert_eq!(case.here.renew(&[&lapsed], LONG), [false]);
    assert!(!case.here.release(&Hold { token: seen.token, ..lapsed.clone() }, Release::Free));
    let late = case.here.complete(&lapsed, b"late", None);
    assert_eq!(late, Recorded::Superseded { outcome: b"outcome".to_vec() });
    case.here.forget(&lapsed.place);
    assert!(case.here.hold(&case.claim("key")).token > seen.token, "a token came twice");
}

/// A live holder keeps its key, and the one that asks learns how long to wait.
pub fn a_live_holder_is_not_adopted_over(subject: &dyn Subject) {
    let case = Case::new(subject);
    let held = case.here.hold(&case.claim("key"));
    match case.there.adopt(adoption_of(held.place.clone(), b"outcome")) {
        Adopted::InFlight { remaining } => assert!(remaining <= LONG && remaining > LONG / 2, "{remaining:?}"),
        other => panic!("somebody else has the key, and the adoption is {other:?}"),
    }
    assert_eq!(case.here.renew(&[&held], LONG), [true], "its hold is as it was");
    assert_eq!(case.here.complete(&held, b"theirs", None), Recorded::Done);
    let adopted = case.there.adopt(adoption_of(held.place, b"outcome"));
    assert_eq!(adopted, Adopted::Completed { outcome: b"theirs".to_vec() });
}

/// An adoption that is asked for again after a lost answer is told of its own outcome.
pub fn adopting_twice_changes_nothing(subject: &dyn Subject) {
    let case = Case::new(subject);
    let request = adoption_of(case.place("key"), b"outcome");
    assert_eq!(case.here.adopt(request.clone()), Adopted::Recorded);
    let before = case.here.peek(&request.place);
    let again = case.there.adopt(request.clone());
    assert!(matches!(again, Adopted::Recorded | Adopted::Completed { .. }), "{again:?}");
    assert_eq!(case.here.peek(&request.place), before);
}

/// Its own hold is no obstacle to a caller: a claim of its own may have arrived late.
pub fn a_callers_own_hold_is_adopted_over(subject: &dyn Subject) {
    let case = Case::new(subject);
    let claim = case.claim("key");
    case.here.hold(&claim);
    let request = AdoptRequest { owner: claim.owner, ..adoption_of(claim.place, b"outcome") };
    assert_eq!(case.there.adopt(request), Adopted::Recorded);
}

/// An outcome is recorded under its own fingerprint, and meets another one in no state.
pub fn another_fingerprint_is_not_adopted_over(subject: &dyn Subject) {
    let case = Case::new(subject);
    let completed = case.completed("completed", b"theirs");
    let held = case.here.hold(&case.claim("held"));
    let (lapsed, given_up) = (case.lapsed("lapsed"), case.interrupted("interrupted"));
    for hold in [completed, held, lapsed, given_up] {
        let before = case.here.peek(&hold.place);
        let request = adoption_of(hold.place.clone(), b"outcome").fingerprint(Some([7; 16]));
        assert_eq!(case.there.adopt(request), Adopted::Mismatch);
        assert_eq!(case.here.peek(&hold.place), before);
    }
    let request = adoption_of(case.place("new"), b"outcome").fingerprint(Some([7; 16]));
    assert_eq!(case.there.adopt(request), Adopted::Recorded);
    let claim = case.claim("new");
    assert_eq!(case.here.claim(&claim), Claimed::Mismatch);
    let claimed = case.here.claim(&claim.fingerprint(Some([7; 16])));
    assert_eq!(claimed, Claimed::Completed { outcome: b"outcome".to_vec() });
}

/// What another holder left interrupted stays so, and so becomes what nobody is to run again.
pub fn an_interrupted_record_is_not_adopted_over(subject: &dyn Subject) {
    let case = Case::new(subject);
    let given_up = case.interrupted("interrupted");
    assert_eq!(case.there.adopt(adoption_of(given_up.place.clone(), b"outcome")), Adopted::Interrupted);
    let lapsed = case.lapsed("lapsed");
    let request = AdoptRequest { interrupted: OnInterruption::Fail, ..adoption_of(lapsed.place.clone(), b"outcome") };
    assert_eq!(case.there.adopt(request), Adopted::Interrupted);
    for place in [given_up.place, lapsed.place] {
        assert_eq!(case.here.standing(&place), Standing::Interrupted);
    }
    let retried = case.lapsed("retried");
    let request = AdoptRequest { interrupted: OnInterruption::RetryUpTo(0), ..adoption_of(retried.place, b"outcome") };
    assert_eq!(case.there.adopt(request), Adopted::Interrupted);
    assert_eq!(case.here.claim(&with(case.claim("retried"), OnInterruption::Retry)), Claimed::Interrupted);
}

/// The retention of an adopted outcome begins when it is adopted.
pub fn an_adopted_outcome_ends(subject: &dyn Subject) {
    let case = Case::new(subject);
    let request = adoption_of(case.place("key"), b"outcome").retention(Some(case.span()));
    assert_eq!(case.here.adopt(request), Adopted::Recorded);
    case.pass_nearly(case.span());
    assert_eq!(case.there.claim(&case.claim("key")), Claimed::Completed { outcome: b"outcome".to_vec() });
    case.pass_the_rest(case.span());
    assert_eq!(case.there.grant(&case.claim("key")).1, 1);
}

/// Whoever waits for the key is told of an adopted outcome.
pub fn an_adoption_wakes_whoever_waits(subject: &dyn Subject) {
    let case = Case::new(subject);
    let claim = case.brief("key");
    case.here.hold(&claim);
    let woken = case.there.watch(&claim.place);
    case.pass(claim.lease);
    assert_eq!(case.here.adopt(adoption_of(claim.place, b"outcome")), Adopted::Recorded);
    assert!(woken.recv_timeout(PATIENCE).is_ok(), "nobody was told of the outcome");
}

/// An outcome is adopted when it is handed over, whether or not somebody awaits that.
pub fn an_outcome_is_adopted_though_nobody_awaits_it(subject: &dyn Subject) {
    let case = Case::new(subject);
    drop(case.here.0.adopt(adoption_of(case.place("key"), b"outcome")));
    let seen = soon("an outcome was forgotten with its answer", || case.there.peek(&case.place("key")));
    assert_eq!((seen.standing, seen.outcome.as_deref()), (Standing::Completed, Some(&b"outcome"[..])));
}

/// A holder that was taken over never answers with the outcome of another fingerprint.
pub fn an_outcome_of_another_fingerprint_supersedes_nobody(subject: &dyn Subject) {
    let case = Case::new(subject);
    let own = Some([7; 16]);
    let claim = case.claim("key").fingerprint(own);
    let stale = case.here.hold(&claim);
    case.there.forget(&stale.place);
    let theirs = case.there.hold(&case.claim("key").fingerprint(Some([8; 16])));
    let request = CompleteRequest::new(theirs, b"theirs".to_vec()).fingerprint(Some([8; 16]));
    assert_eq!(case.there.complete_with(request), Recorded::Done);
    let late = CompleteRequest::new(stale.clone(), b"own".to_vec());
    assert_eq!(case.here.complete_with(late.clone().fingerprint(own)), Recorded::Lost);
    assert_eq!(case.here.complete_with(late.clone()), Recorded::Lost);
    let same = case.here.complete_with(late.fingerprint(Some([8; 16])));
    assert_eq!(same, Recorded::Superseded { outcome: b"theirs".to_vec() });
}
