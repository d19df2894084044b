//! Futures that are dropped leave nothing behind, and undo nothing.

use super::Subject;
use super::case::{Case, soon};
use crate::random;
use crate::store::{Claimed, CompleteRequest, Hold, Release};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

/// Until it is polled, a claim asks for nothing.
pub fn a_claim_that_is_not_awaited_asks_for_nothing(subject: &dyn Subject) {
    let case = Case::new(subject);
    drop(case.here.0.claim(case.claim("key")));
    // Long enough for a store that asks in the background, and forgets to give the key back.
    for _ in 0..50 {
        assert_eq!(case.there.peek(&case.place("key")), None);
        thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(case.there.grant(&case.claim("key")).1, 1);
}

/// A caller that goes away while its claim is under way, at whatever moment, leaves the key free.
pub fn a_grant_that_nobody_takes_is_given_back(subject: &dyn Subject) {
    let case = Case::new(subject);
    for round in 0..60 {
        let key = format!("key {}", round % 3);
        let mut claiming = case.here.0.claim(case.claim(&key));
        let polled = claiming.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(answer) = polled {
            // It was granted and taken, which is another matter.
            let Ok(Claimed::Granted { token, .. }) = answer else {
                panic!("the key is free, and the claim {answer:?}")
            };
            assert!(case.here.release(&Hold { place: case.place(&key), token }, Release::Free));
        } else {
            thread::sleep(Duration::from_micros(random::number() % 2000));
        }
        drop(claiming);
        let next = case.claim(&key);
        let (token, attempt) = soon("a key that nobody took is not free", || match case.there.claim(&next) {
            Claimed::Granted { token, attempt } => Some((token, attempt)),
            Claimed::InFlight { .. } => None,
            other => panic!("nobody took the key, and the claim is {other:?}"),
        });
        assert_eq!(attempt, 1, "nobody began");
        assert!(case.there.release(&Hold { place: next.place, token }, Release::Free));
    }
}

/// A release is made when it is asked for, so that a drop can ask: nobody has to await it.
pub fn a_release_is_made_though_nobody_awaits_it(subject: &dyn Subject) {
    let case = Case::new(subject);
    for (key, how) in [("free", Release::Free), ("interrupted", Release::Interrupt)] {
        let hold = case.here.hold(&case.claim(key));
        drop(case.here.0.release(hold.clone(), how));
        let claimed = soon("a release was forgotten with its answer", || {
            let claimed = case.there.claim(&case.claim(key));
            (!matches!(claimed, Claimed::InFlight { .. })).then_some(claimed)
        });
        match how {
            Release::Free => assert!(matches!(claimed, Claimed::Granted { attempt: 1, .. }), "{claimed:?}"),
            Release::Interrupt => assert_eq!(claimed, Claimed::Interrupted),
        }
    }
}

/// An outcome is recorded when it is handed over, whether or not somebody awaits that.
pub fn an_outcome_is_recorded_though_nobody_awaits_it(subject: &dyn Subject) {
    let case = Case::new(subject);
    let hold = case.here.hold(&case.claim("key"));
    drop(case.here.0.complete(CompleteRequest::new(hold, b"outcome".to_vec())));
    let claimed = soon("an outcome was forgotten with its answer", || {
        let claimed = case.there.claim(&case.claim("key"));
        (!matches!(claimed, Claimed::InFlight { .. })).then_some(claimed)
    });
    assert_eq!(claimed, Claimed::Completed { outcome: b"outcome".to_vec() });
}
