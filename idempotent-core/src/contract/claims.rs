//! Taking a key, and what whoever comes second is told.

use super::Subject;
use super::case::{Case, LONG, with};
use crate::record::OnInterruption;
use crate::store::{Claim, Claimed, Release, Standing};
use std::time::Duration;

/// Nobody has it: the caller runs the body, for the first time.
pub fn a_new_key_is_granted(subject: &dyn Subject) {
    let case = Case::new(subject);
    assert_eq!(case.here.grant(&case.claim("a")).1, 1);
    assert_eq!(case.there.grant(&case.claim("b")).1, 1);
}

/// A claim that is repeated after a lost answer finds its own grant, by either handle, also when its lease is over. Token
/// and attempt stay as they are; the lease begins anew, as the body begins only when the answer arrives.
pub fn a_repeated_claim_is_the_same_claim(subject: &dyn Subject) {
    let case = Case::new(subject);
    let claim = case.brief("key");
    let granted = case.here.claim(&claim);
    assert!(matches!(granted, Claimed::Granted { attempt: 1, .. }), "{granted:?}");
    for handle in case.handles() {
        assert_eq!(handle.claim(&claim), granted);
    }
    case.pass_nearly(claim.lease);
    assert_eq!(case.there.claim(&claim), granted);
    case.pass_the_rest(claim.lease);
    let remaining = case.here.find_in_flight(&case.claim("key"));
    assert!(
        remaining <= claim.lease,
        "{remaining:?} are left of {:?}: a repeated claim begins its lease anew",
        claim.lease
    );
    case.pass(claim.lease);
    assert_eq!(case.here.claim(&claim), granted, "its lease is over, but nobody else came");
    case.there.find_in_flight(&case.claim("key"));
    case.pass(claim.lease);
    let (token, attempt) = case.here.grant(&case.claim("key"));
    assert_eq!(attempt, 2, "a lease that was begun anew ends as well");
    assert!(matches!(granted, Claimed::Granted { token: before, .. } if before < token), "{granted:?}, then {token}");
    assert!(case.here.find_in_flight(&claim) <= LONG, "it was taken over, and is not its own any more");
}

/// Whoever comes second is told for how long the first is believed, by either handle.
pub fn another_caller_sees_that_it_is_in_flight(subject: &dyn Subject) {
    let case = Case::new(subject);
    case.here.hold(&case.claim("key"));
    for handle in case.handles() {
        for interrupted in [OnInterruption::Retry, OnInterruption::RetryUpTo(0), OnInterruption::Fail] {
            let remaining = handle.find_in_flight(&with(case.claim("key"), interrupted));
            assert!(remaining <= LONG, "{remaining:?} are left of {LONG:?}");
            assert!(remaining > LONG / 2, "{remaining:?} are left of {LONG:?}, which began just now");
        }
    }
}

/// Once there is an outcome, everybody gets it byte for byte, as often as they ask and whoever they are.
pub fn an_outcome_is_replayed_to_everybody(subject: &dyn Subject) {
    let case = Case::new(subject);
    let own = case.claim("key");
    let hold = case.here.hold(&own);
    case.here.complete(&hold, b"\x01v\"paid\"", Some(LONG));
    let replayed = Claimed::Completed { outcome: b"\x01v\"paid\"".to_vec() };
    for handle in [&case.here, &case.there, &case.here, &case.there] {
        assert_eq!(handle.claim(&own), replayed);
        for interrupted in [OnInterruption::Retry, OnInterruption::RetryUpTo(0), OnInterruption::Fail] {
            assert_eq!(handle.claim(&with(case.claim("key"), interrupted)), replayed);
        }
    }
}

/// A key that is used for something else is refused wherever its record stands, also to its holder and before anybody
/// is told to wait; and the record is left as it was.
pub fn another_fingerprint_is_a_mismatch_in_every_state(subject: &dyn Subject) {
    let case = Case::new(subject);
    let print = |claim: Claim, byte: Option<u8>| claim.fingerprint(byte.map(|byte| [byte; 16]));
    let own = print(case.claim("in flight"), Some(1));
    case.here.hold(&own);
    let lapsing = print(case.brief("lapsed"), Some(1));
    case.here.hold(&lapsing);
    let completed = case.here.hold(&print(case.claim("completed"), Some(1)));
    case.here.complete(&completed, b"outcome", None);
    let given_up = case.here.hold(&print(case.claim("interrupted"), Some(1)));
    case.here.release(&given_up, Release::Interrupt);
    case.here.hold(&case.claim("without"));
    case.pass(lapsing.lease);

    for handle in case.handles() {
        for other in [Some(2), None] {
            assert_eq!(handle.claim(&print(own.clone(), other)), Claimed::Mismatch, "to the holder itself");
            for key in ["in flight", "lapsed", "completed", "interrupted"] {
                for interrupted in [OnInterruption::Retry, OnInterruption::Fail] {
                    let claim = with(print(case.claim(key), other), interrupted);
                    assert_eq!(handle.claim(&claim), Claimed::Mismatch, "{key}, {interrupted:?}");
                }
            }
        }
        assert_eq!(handle.claim(&print(case.claim("without"), Some(1))), Claimed::Mismatch);
    }

    let same = |key: &str| case.there.claim(&print(case.claim(key), Some(1)));
    assert!(matches!(same("in flight"), Claimed::InFlight { .. }));
    assert!(matches!(same("lapsed"), Claimed::Granted { attempt: 2, .. }));
    assert_eq!(same("completed"), Claimed::Completed { outcome: b"outcome".to_vec() });
    assert_eq!(same("interrupted"), Claimed::Interrupted);
}

/// A leader is believed until its lease ends and not for longer: then the next caller takes over, under a larger token.
pub fn a_lapsed_lease_is_taken_over(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut holder = case.brief("key");
    let (mut token, attempt) = case.here.grant(&holder);
    assert_eq!(attempt, 1);
    for attempt in 2..=4 {
        let next = case.brief("key");
        case.pass_nearly(holder.lease);
        let remaining = case.there.find_in_flight(&next);
        assert!(remaining > Duration::ZERO && remaining < holder.lease, "{remaining:?} of {:?}", holder.lease);
        case.pass_the_rest(holder.lease);
        let granted = case.there.grant(&next);
        assert_eq!(granted.1, attempt);
        assert!(granted.0 > token, "token {} after {token}", granted.0);
        (holder, token) = (next, granted.0);
    }
    assert_eq!(case.here.standing(&holder.place), Standing::InFlight);
}
