//! What an operator sees and does.

use super::Subject;
use super::case::{Case, LONG, with};
use crate::record::OnInterruption;
use crate::store::{Claim, Claimed, Glimpse, Recorded, Release, Standing};

/// A glimpse shows where a record stands, under which token, in which attempt, and what was recorded.
pub fn a_glimpse_shows_where_a_record_stands(subject: &dyn Subject) {
    let case = Case::new(subject);
    assert_eq!(case.here.peek(&case.place("key")), None);
    let first = case.lapsed("key");
    let glimpse = |standing, token, attempt| Glimpse::new(first.place.clone(), standing, token, attempt);
    let in_flight = Some(glimpse(Standing::InFlight, first.token, 1));
    assert_eq!(case.there.peek(&first.place), in_flight, "it is in flight until somebody asks for it");
    let second = case.there.hold(&case.claim("key"));
    for handle in case.handles() {
        assert_eq!(handle.peek(&first.place), Some(glimpse(Standing::InFlight, second.token, 2)));
    }
    case.here.release(&second, Release::Interrupt);
    for handle in case.handles() {
        assert_eq!(handle.peek(&first.place), Some(glimpse(Standing::Interrupted, second.token, 2)));
    }
    case.there.complete(&second, b"late", None);
    let completed = glimpse(Standing::Completed, second.token, 2).outcome(Some(b"late".to_vec()));
    for handle in case.handles() {
        assert_eq!(handle.peek(&first.place), Some(completed.clone()));
    }
}

/// A record can be taken away wherever it stands, and the key is new then.
pub fn whatever_is_forgotten_is_new(subject: &dyn Subject) {
    let case = Case::new(subject);
    let span = case.span();
    let ended = case.here.hold(&case.claim("ended"));
    case.here.complete(&ended, b"outcome", Some(span));
    case.pass(span);
    assert!(!case.here.forget(&ended.place), "there is nothing any more");
    assert!(!case.here.forget(&case.place("never")), "there was nothing ever");
    let holds = [
        case.here.hold(&case.claim("in flight")),
        case.lapsed("lapsed"),
        case.completed("completed", b"outcome"),
        case.interrupted("interrupted"),
    ];
    for hold in holds {
        let key = &hold.place.key;
        assert!(case.there.forget(&hold.place), "{key}");
        assert_eq!(case.here.peek(&hold.place), None, "{key}");
        assert!(!case.here.forget(&hold.place), "{key}, the second time");
        let (token, attempt) = case.here.grant(&case.claim(key).fingerprint(Some([3; 16])));
        assert!(attempt == 1 && token > hold.token, "{key}: attempt {attempt}, token {token} after {}", hold.token);
    }
}

/// Only an interrupted record is settled by hand; then it answers like any other, for its retention.
pub fn only_what_is_interrupted_can_be_resolved(subject: &dyn Subject) {
    let case = Case::new(subject);
    let span = case.span();
    let lapsed = case.lapsed("lapsed");
    let held = case.here.hold(&case.claim("in flight"));
    let completed = case.completed("completed", b"outcome");
    let never = case.place("never");
    for place in [&held.place, &lapsed.place, &completed.place, &never] {
        assert!(!case.there.resolve(place, b"by hand", None), "{}", place.key);
    }
    assert_eq!(case.here.peek(&never), None, "nothing to resolve makes no record");
    assert_eq!(case.here.claim(&case.claim("completed")), Claimed::Completed { outcome: b"outcome".to_vec() });
    assert_eq!(case.here.complete(&held, b"its own", None), Recorded::Done);

    case.here.claim(&with(case.claim("lapsed"), OnInterruption::Fail));
    let given_up = case.interrupted("given up");
    for place in [&lapsed.place, &given_up.place] {
        assert!(case.there.resolve(place, b"by hand", Some(span)), "{}", place.key);
        assert!(!case.here.resolve(place, b"again", None), "{}, the second time", place.key);
    }
    case.pass_nearly(span);
    for key in ["lapsed", "given up"] {
        assert_eq!(case.here.claim(&case.claim(key)), Claimed::Completed { outcome: b"by hand".to_vec() }, "{key}");
    }
    case.pass_the_rest(span);
    for key in ["lapsed", "given up"] {
        assert_eq!(case.here.grant(&case.claim(key)).1, 1, "{key}: its retention is over");
    }
}

/// Resolving takes a new token: a holder that comes back late is told what was decided, as everybody else is.
pub fn a_late_holder_learns_what_was_resolved(subject: &dyn Subject) {
    let case = Case::new(subject);
    let late = case.interrupted("key");
    assert!(case.there.resolve(&late.place, b"by hand", None));
    let resolved = case.here.peek(&late.place);
    assert!(resolved.is_some_and(|seen| seen.token > late.token), "it stands under the token of its holder");
    let told = case.here.complete(&late, b"late", None);
    assert_eq!(told, Recorded::Superseded { outcome: b"by hand".to_vec() });
    assert_eq!(case.there.claim(&case.claim("key")), Claimed::Completed { outcome: b"by hand".to_vec() });
}

/// Records are listed by scope and standing, in the order of their keys' bytes, page by page.
pub fn records_are_listed_in_the_order_of_their_keys(subject: &dyn Subject) {
    let case = Case::new(subject);
    let other = Case::new(subject);
    let mut keys = ["b", "a", "B", "ä", "\"quoted\"", "10", "9", "ab", "é", "a b", "漢", "🛗", "z", "%", "_"];
    for key in keys {
        case.here.hold(&case.claim(key));
    }
    other.here.hold(&other.claim("of another scope"));
    case.completed("done", b"outcome");
    let ended = case.here.hold(&case.claim("ended"));
    case.here.complete(&ended, b"outcome", Some(case.span()));
    case.interrupted("stopped");
    case.pass(case.span());
    keys.sort_unstable();

    for handle in case.handles() {
        for page in [1, 4, 100] {
            let (mut listed, mut after) = (Vec::new(), None);
            loop {
                let next = handle.list(&case.scope(), Standing::InFlight, after.as_deref(), page);
                assert!(next.len() <= page, "{} on a page of {page}", next.len());
                let Some(last) = next.last() else { break };
                after = Some(last.place.key.to_string());
                assert!(
                    next.iter().all(|seen| seen.standing == Standing::InFlight && seen.place.scope == case.scope())
                );
                listed.extend(next.into_iter().map(|seen| seen.place.key.to_string()));
                assert!(listed.len() <= keys.len(), "more than there are: {listed:?}");
            }
            assert_eq!(listed, keys, "in pages of {page}");
        }
        let listed = |standing| handle.list(&case.scope(), standing, None, 100);
        let done = listed(Standing::Completed);
        assert_eq!(done.len(), 1, "an ended one is none: {done:?}");
        assert_eq!(done.first().cloned(), case.here.peek(&case.place("done")));
        assert_eq!(listed(Standing::Interrupted), Vec::from_iter(case.here.peek(&case.place("stopped"))));
        assert_eq!(&*handle.list(&case.scope(), Standing::InFlight, Some("between"), 1)[0].place.key, "z");
        assert_eq!(handle.list(&case.scope(), Standing::InFlight, None, 0), []);
        assert_eq!(handle.list("contract.nowhere", Standing::InFlight, None, 10), []);
    }
}

/// A purge takes small batches of what has ended, and nothing that is in flight, interrupted or answers.
pub fn a_purge_takes_only_what_has_ended(subject: &dyn Subject) {
    let case = Case::new(subject);
    let span = case.span();
    while case.here.purge(1000) > 0 {}
    let brief = Claim { lease: span, ..case.claim("lapsed") };
    case.here.hold(&brief);
    case.here.hold(&case.claim("in flight"));
    case.interrupted("interrupted");
    case.completed("for ever", b"outcome");
    let long = case.here.hold(&case.claim("for long"));
    case.here.complete(&long, b"outcome", Some(LONG));
    for key in 0..5 {
        let hold = case.here.hold(&case.claim(&format!("ended {key}")));
        case.here.complete(&hold, b"outcome", Some(span));
    }
    case.pass(span);

    assert_eq!(case.there.purge(0), 0);
    let batches: Vec<usize> = (0..6).map(|_| case.there.purge(2)).collect();
    if subject.cleans_up_by_itself() {
        assert!(batches.iter().all(|taken| *taken <= 2), "two at a time: {batches:?}");
    } else {
        assert_eq!(batches, [2, 2, 1, 0, 0, 0], "five have ended, two are taken at a time");
    }
    for key in ["lapsed", "in flight"] {
        assert_eq!(case.here.standing(&case.place(key)), Standing::InFlight, "{key}");
    }
    assert_eq!(case.here.standing(&case.place("interrupted")), Standing::Interrupted);
    for key in ["for ever", "for long"] {
        assert_eq!(case.here.claim(&case.claim(key)), Claimed::Completed { outcome: b"outcome".to_vec() }, "{key}");
    }
}
