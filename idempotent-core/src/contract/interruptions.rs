//! What becomes of work whose leader vanished.

use super::Subject;
use super::case::{Case, with};
use crate::record::OnInterruption::{Fail, Retry, RetryUpTo};
use crate::store::{Claimed, Release, Standing};

/// A bound on retries counts the attempts after the first; then the record is interrupted.
pub fn retries_are_counted(subject: &dyn Subject) {
    let case = Case::new(subject);
    let claim = |retries: u32| with(case.brief("key"), RetryUpTo(retries));
    let mut lease = claim(2).lease;
    assert_eq!(case.here.grant(&claim(2)).1, 1);
    for attempt in 2..=3 {
        case.pass(lease);
        let next = claim(2);
        lease = next.lease;
        assert_eq!(case.there.grant(&next).1, attempt);
    }
    case.pass(lease);
    assert_eq!(case.there.claim(&claim(2)), Claimed::Interrupted);
    assert_eq!(case.here.claim(&claim(u32::MAX)), Claimed::Interrupted, "it stays, whoever asks");

    case.lapsed("none");
    assert_eq!(case.here.claim(&with(case.claim("none"), RetryUpTo(0))), Claimed::Interrupted);
    case.lapsed("many");
    assert_eq!(case.here.grant(&with(case.claim("many"), RetryUpTo(u32::MAX))).1, 2);
}

/// Where it is not to be retried, work whose leader vanished is interrupted, and stays so for everybody.
pub fn with_fail_nobody_runs_it_again(subject: &dyn Subject) {
    let case = Case::new(subject);
    let hold = case.lapsed("key");
    assert_eq!(case.here.standing(&hold.place), Standing::InFlight, "until somebody asks");
    assert_eq!(case.here.claim(&with(case.claim("key"), Fail)), Claimed::Interrupted);
    for handle in case.handles() {
        assert_eq!(handle.standing(&hold.place), Standing::Interrupted);
        for interrupted in [Retry, RetryUpTo(u32::MAX), Fail] {
            assert_eq!(handle.claim(&with(case.claim("key"), interrupted)), Claimed::Interrupted);
        }
    }
    case.pass(case.span());
    assert_eq!(case.there.claim(&case.claim("key")), Claimed::Interrupted, "it does not end by itself");
}

/// What is done about a vanished leader is the asker's choice, not that of the leader.
pub fn the_asker_says_what_is_done(subject: &dyn Subject) {
    let case = Case::new(subject);
    let claim = with(case.brief("key"), Fail);
    case.here.hold(&claim);
    case.pass(claim.lease);
    assert_eq!(case.there.grant(&with(case.claim("key"), Retry)).1, 2);
}

/// A holder that does not know whether its effect happened says so, at once and for good.
pub fn a_holder_can_give_up_as_interrupted(subject: &dyn Subject) {
    let case = Case::new(subject);
    let own = case.claim("key");
    let hold = case.here.hold(&own);
    assert!(case.there.release(&hold, Release::Interrupt));
    for handle in case.handles() {
        assert_eq!(handle.claim(&case.claim("key")), Claimed::Interrupted);
        assert_eq!(handle.claim(&own), Claimed::Interrupted, "to the holder too");
        assert!(!handle.release(&hold, Release::Interrupt), "it is not in flight any more");
        assert!(!handle.release(&hold, Release::Free), "it is not in flight any more");
    }
    let seen = case.here.peek(&hold.place);
    assert!(seen.is_some_and(|seen| seen.standing == Standing::Interrupted && seen.token == hold.token));
}
