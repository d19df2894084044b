//! Many callers at once.

use super::Subject;
use super::case::{Case, Handle, LONG, claim_of};
use crate::store::{Claim, Claimed, Hold, Place, Recorded};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

const CALLERS: usize = 16;

/// What callers on threads of their own, by both handles, come to that begin at the same moment.
#[track_caller]
fn crowd<T: Send + 'static>(case: &Case<'_>, call: impl Fn(&Handle, usize) -> T + Clone + Send + 'static) -> Vec<T> {
    let barrier = Arc::new(Barrier::new(CALLERS));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (store, call, barrier) = (case.handles()[caller % 2].clone(), call.clone(), barrier.clone());
            thread::spawn(move || {
                barrier.wait();
                call(&store, caller)
            })
        })
        .collect();
    let answers: Vec<T> = callers.into_iter().flat_map(thread::JoinHandle::join).collect();
    assert_eq!(answers.len(), CALLERS, "a caller panicked");
    answers
}

#[track_caller]
fn assert_one_is_granted(answers: &[Claimed], of: u32) {
    let granted = answers.iter().filter(|answer| matches!(answer, Claimed::Granted { .. })).count();
    assert_eq!(granted, 1, "of {CALLERS} callers: {answers:?}");
    let as_it_should = answers.iter().all(|answer| match answer {
        Claimed::Granted { attempt, .. } => *attempt == of,
        answer => matches!(answer, Claimed::InFlight { .. }),
    });
    assert!(as_it_should, "all others are told to wait: {answers:?}");
}

/// Of many callers that come for a new key at the same moment, exactly one runs the body.
pub fn one_of_a_crowd_is_granted_a_new_key(subject: &dyn Subject) {
    let case = Case::new(subject);
    for round in 0..12 {
        let place = case.place(&format!("key {round}"));
        let answers = crowd(&case, move |store, _| store.claim(&claim_of(place.clone())));
        assert_one_is_granted(&answers, 1);
    }
}

/// Of many callers that find a lapsed lease at the same moment, exactly one takes over.
pub fn one_of_a_crowd_takes_over(subject: &dyn Subject) {
    let case = Case::new(subject);
    for round in 0..12 {
        let claim = Claim { lease: Duration::ZERO, ..case.claim(&format!("key {round}")) };
        let place = case.here.hold(&claim).place;
        let answers = crowd(&case, move |store, _| store.claim(&claim_of(place.clone())));
        assert_one_is_granted(&answers, 2);
    }
}

/// Many leaders that nobody believes, each with an outcome of its own: one is recorded, and all reply with it.
pub fn a_crowd_of_leaders_has_one_outcome(subject: &dyn Subject) {
    let case = Case::new(subject);
    for round in 0..6 {
        let place = case.place(&format!("key {round}"));
        let replies = crowd(&case, move |store, caller| reply(store, &place, caller));
        assert!(replies.windows(2).all(|pair| pair[0] == pair[1]), "different replies for one key: {replies:?}");
    }
}

/// Claims for no time at all, so that everybody takes over from everybody, until there is an outcome.
fn reply(store: &Handle, place: &Place, caller: usize) -> Vec<u8> {
    let own = format!("outcome of {caller}").into_bytes();
    for lost in 0.. {
        // Where the way to the store is long, nobody might get there before the next one takes over.
        let lease = if lost < 8 { Duration::ZERO } else { LONG };
        let token = match store.claim(&Claim { lease, ..claim_of(place.clone()) }) {
            Claimed::Granted { token, .. } => token,
            Claimed::InFlight { .. } => {
                thread::sleep(Duration::from_millis(1));
                continue;
            }
            Claimed::Completed { outcome } => return outcome,
            other => panic!("a caller got {other:?}"),
        };
        match store.complete(&Hold { place: place.clone(), token }, &own, None) {
            Recorded::Done => break,
            Recorded::Superseded { outcome } => return outcome,
            Recorded::Lost => {}
        }
    }
    own
}
