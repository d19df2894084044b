//! Whoever waits for a record is woken when it changes.

use super::Subject;
use super::case::{Case, Handle, PATIENCE, answered, claim_of};
use crate::store::{Claimed, Hold, Place, Recorded, Release};
use std::sync::{Arc, Barrier};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// Waits by each handle for what `change` does by each handle, having been asked, and polled, and asleep.
#[track_caller]
fn assert_woken(case: &Case<'_>, prepare: impl Fn(&str) -> Hold, change: impl Fn(&Handle, &Hold)) {
    for (pair, (waiter, actor)) in
        [(&case.here, &case.here), (&case.here, &case.there), (&case.there, &case.here)].into_iter().enumerate()
    {
        let hold = prepare(&format!("key {pair}"));
        let woken = waiter.watch(&hold.place);
        let others: Vec<_> = (0..4).map(|_| waiter.watch(&hold.place)).collect();
        thread::sleep(Duration::from_millis(2));
        change(actor, &hold);
        for woken in others.iter().chain([&woken]) {
            let handles = ["by the same handle", "by another handle"][pair.min(1)];
            assert!(woken.recv_timeout(PATIENCE).is_ok(), "a change that was made {handles} woke nobody");
        }
    }
}

/// By either handle, an outcome wakes all that wait for it.
pub fn an_outcome_wakes_whoever_waits(subject: &dyn Subject) {
    let case = Case::new(subject);
    let prepare = |key: &str| case.here.hold(&case.claim(key));
    assert_woken(&case, prepare, |actor, hold| {
        assert_eq!(actor.complete(hold, b"outcome", None), Recorded::Done);
    });
}

/// By either handle, a release wakes all that wait for the key.
pub fn a_release_wakes_whoever_waits(subject: &dyn Subject) {
    let case = Case::new(subject);
    for how in [Release::Free, Release::Interrupt] {
        let prepare = |key: &str| case.here.hold(&case.claim(&format!("{how:?} {key}")));
        assert_woken(&case, prepare, |actor, hold| assert!(actor.release(hold, how)));
    }
}

/// By either handle, a record that is taken away wakes all that wait for the key.
pub fn forgetting_wakes_whoever_waits(subject: &dyn Subject) {
    let case = Case::new(subject);
    let prepare = |key: &str| case.here.hold(&case.claim(key));
    assert_woken(&case, prepare, |actor, hold| assert!(actor.forget(&hold.place)));
}

/// By either handle, an outcome that is written by hand wakes all that wait for it.
pub fn resolving_wakes_whoever_waits(subject: &dyn Subject) {
    let case = Case::new(subject);
    let prepare = |key: &str| case.interrupted(key);
    assert_woken(&case, prepare, |actor, hold| assert!(actor.resolve(&hold.place, b"outcome", None)));
}

/// Whoever asks to be woken before it looks at the record misses nothing that happens after that look.
pub fn a_change_after_asking_is_not_missed(subject: &dyn Subject) {
    let case = Case::new(subject);
    for (round, (waiter, actor)) in
        [(&case.here, &case.here), (&case.here, &case.there), (&case.there, &case.here)].into_iter().enumerate()
    {
        let key = format!("key {round}");
        let hold = case.here.hold(&case.claim(&key));
        let changed = waiter.0.changed(&hold.place);
        waiter.find_in_flight(&case.claim(&key));
        assert_eq!(actor.complete(&hold, b"outcome", None), Recorded::Done);
        answered("changed", changed);
    }
}

/// Callers that stop to wait, asleep or not, take nothing from those that go on.
pub fn who_gives_up_waiting_takes_no_wake_up_along(subject: &dyn Subject) {
    let case = Case::new(subject);
    let hold = case.here.hold(&case.claim("key"));
    let mut cx = Context::from_waker(Waker::noop());
    let before: Vec<_> = (0..8).map(|_| case.here.0.changed(&hold.place)).collect();
    let woken = case.here.watch(&hold.place);
    let after: Vec<_> = (0..8).map(|_| case.here.0.changed(&hold.place)).collect();
    for (waiting, mut changed) in before.into_iter().chain(after).enumerate() {
        let _ = (waiting % 2 == 0).then(|| changed.as_mut().poll(&mut cx).is_ready());
    }
    assert_eq!(case.there.complete(&hold, b"outcome", None), Recorded::Done);
    assert!(woken.recv_timeout(PATIENCE).is_ok(), "a caller that waits was not woken");
}

/// Callers of both handles ask, wait and ask again while the key goes from hand to hand: all get there, none too early,
/// and all with the same outcome.
pub fn nobody_sleeps_through_a_hand_over(subject: &dyn Subject) {
    const CALLERS: usize = 8;
    let case = Case::new(subject);
    for round in 0..4 {
        let place = case.place(&format!("key {round}"));
        let barrier = Arc::new(Barrier::new(CALLERS));
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let (store, place) = (case.handles()[caller % 2].clone(), place.clone());
                let barrier = barrier.clone();
                thread::spawn(move || {
                    barrier.wait();
                    call(&store, &place, caller)
                })
            })
            .collect();
        let outcomes: Vec<_> = callers.into_iter().map(thread::JoinHandle::join).collect();
        let outcomes: Vec<&Vec<u8>> = outcomes.iter().flatten().collect();
        assert_eq!(outcomes.len(), CALLERS, "a caller did not get there");
        assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]), "two outcomes for one key: {outcomes:?}");
    }
}

/// A call as the library makes it. One leader in three gives the key back, and calls again.
fn call(store: &Handle, place: &Place, caller: usize) -> Vec<u8> {
    let claim = claim_of(place.clone());
    let started = Instant::now();
    loop {
        assert!(started.elapsed() < PATIENCE * 2, "still waiting");
        let changed = store.0.changed(place);
        match store.claim(&claim) {
            Claimed::Granted { token, .. } => {
                let hold = Hold { place: place.clone(), token };
                if caller.is_multiple_of(3) {
                    assert!(store.release(&hold, Release::Free));
                    return call(store, place, caller + 1);
                }
                let outcome = format!("outcome of {caller}").into_bytes();
                assert_eq!(store.complete(&hold, &outcome, None), Recorded::Done);
                return outcome;
            }
            Claimed::InFlight { .. } => answered("changed", changed),
            Claimed::Completed { outcome } => return outcome,
            other => panic!("a caller got {other:?}"),
        }
    }
}
