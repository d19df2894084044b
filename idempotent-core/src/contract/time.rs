//! How long leases and outcomes last.

use super::Subject;
use super::case::{Case, LONG};
use crate::store::{Claim, Claimed, Hold, Recorded, Standing};
use std::time::Duration;

/// An outcome answers until its retention is over and not for longer, whatever has been cleaned up; answering does not
/// extend it. Then the key is new.
pub fn retention_is_enforced_on_read(subject: &dyn Subject) {
    let case = Case::new(subject);
    let span = case.span();
    let hold = case.here.hold(&case.claim("key"));
    assert_eq!(case.here.complete(&hold, b"outcome", Some(span)), Recorded::Done);
    case.pass_nearly(span);
    for handle in case.handles() {
        assert_eq!(handle.claim(&case.claim("key")), Claimed::Completed { outcome: b"outcome".to_vec() });
        assert_eq!(handle.standing(&hold.place), Standing::Completed);
        assert_eq!(handle.list(&case.scope(), Standing::Completed, None, 10).len(), 1);
    }
    case.pass_the_rest(span);
    for handle in case.handles() {
        assert_eq!(handle.peek(&hold.place), None);
        assert_eq!(handle.list(&case.scope(), Standing::Completed, None, 10), []);
    }
    let (token, attempt) = case.there.grant(&case.claim("key").fingerprint(Some([9; 16])));
    assert_eq!(attempt, 1, "an ended record is a new key");
    assert!(token > hold.token, "token {token} after {}", hold.token);
}

/// A retention is counted from the outcome on, not from the claim.
pub fn retention_begins_with_the_outcome(subject: &dyn Subject) {
    let case = Case::new(subject);
    let span = case.span();
    let hold = case.here.hold(&case.claim("key"));
    case.pass(span);
    assert_eq!(case.here.complete(&hold, b"outcome", Some(span)), Recorded::Done);
    case.pass_nearly(span);
    assert_eq!(case.there.claim(&case.claim("key")), Claimed::Completed { outcome: b"outcome".to_vec() });
}

/// Without a retention an outcome answers for ever, and spans beyond counting are no shorter.
pub fn what_has_no_end_does_not_end(subject: &dyn Subject) {
    let case = Case::new(subject);
    case.completed("for ever", b"outcome");
    let hold = case.here.hold(&case.claim("longest"));
    assert_eq!(case.here.complete(&hold, b"outcome", Some(Duration::MAX)), Recorded::Done);
    let claim = Claim { lease: Duration::MAX, ..case.claim("held") };
    let believed = case.here.hold(&claim);
    // A clock that is moved may as well go far.
    case.pass(if subject.goes_by_itself() { case.span() } else { Duration::from_hours(24 * 365 * 100) });
    for key in ["for ever", "longest"] {
        assert_eq!(case.there.claim(&case.claim(key)), Claimed::Completed { outcome: b"outcome".to_vec() }, "{key}");
    }
    assert!(case.there.find_in_flight(&case.claim("held")) > LONG);
    assert_eq!(case.there.renew(&[&believed], Duration::MAX), [true]);
    assert!(case.there.find_in_flight(&case.claim("held")) > LONG);
    while case.here.purge(1000) > 0 {}
    assert_eq!(case.here.standing(&hold.place), Standing::Completed);
}

/// A span of no length is over at once.
pub fn what_lasts_for_no_time_is_over_at_once(subject: &dyn Subject) {
    let case = Case::new(subject);
    let claim = |lease| Claim { lease, ..case.claim("key") };
    case.here.hold(&claim(Duration::ZERO));
    let (token, attempt) = case.there.grant(&claim(LONG));
    assert_eq!(attempt, 2);
    let hold = Hold { place: case.place("key"), token };
    assert_eq!(case.there.complete(&hold, b"outcome", Some(Duration::ZERO)), Recorded::Done);
    assert_eq!(case.here.peek(&hold.place), None);
    assert_eq!(case.here.grant(&claim(LONG)).1, 1);
}

/// A renewed lease lasts from the renewal on, as long as it is renewed, and ends when it is not.
pub fn a_renewed_lease_goes_on(subject: &dyn Subject) {
    let case = Case::new(subject);
    let claim = case.brief("key");
    let span = claim.lease;
    let hold = case.here.hold(&claim);
    for _ in 0..3 {
        case.pass_nearly(span);
        assert_eq!(case.there.renew(&[&hold], span), [true]);
    }
    case.pass_nearly(span);
    let remaining = case.there.find_in_flight(&case.claim("key"));
    assert!(remaining > Duration::ZERO && remaining < span, "{remaining:?} of {span:?}");
    case.pass_the_rest(span);
    assert_eq!(case.here.renew(&[&hold], span), [true], "late, but nobody else came");
    case.here.find_in_flight(&case.claim("key"));
    case.pass(span);
    assert_eq!(case.there.grant(&case.claim("key")).1, 2);
    assert_eq!(case.here.renew(&[&hold], span), [false]);
}

/// Leases are renewed many at once, and each is answered for, in order.
pub fn a_renewal_tells_which_leases_are_lost(subject: &dyn Subject) {
    let case = Case::new(subject);
    let stale = case.lapsed("stale");
    case.there.hold(&case.claim("stale"));
    let held = case.here.hold(&case.claim("held"));
    let completed = case.completed("completed", b"outcome");
    let given_up = case.interrupted("interrupted");
    let nowhere = Hold { place: case.place("nowhere"), token: held.token };
    let lapsed = case.lapsed("lapsed");
    let asked = [&held, &stale, &lapsed, &completed, &nowhere, &held, &given_up];
    let told = [true, false, true, false, false, true, false];
    assert_eq!(case.here.renew(&asked, LONG), told);
    assert_eq!(case.there.renew(&asked, LONG), told);
    assert_eq!(case.here.renew(&[], LONG), [] as [bool; 0]);
    case.there.find_in_flight(&case.claim("lapsed"));

    let holds: Vec<Hold> = (0..150).map(|key| case.here.hold(&case.claim(&format!("many {key}")))).collect();
    case.here.release(&holds[77], crate::store::Release::Free);
    let told = case.here.renew(&holds.iter().collect::<Vec<_>>(), LONG);
    assert_eq!(told, (0..150).map(|key| key != 77).collect::<Vec<_>>());
}
