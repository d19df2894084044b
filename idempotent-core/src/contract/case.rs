//! What the rules are written with: a store that is asked from a plain thread, and places that no other rule knows.

use super::Subject;
use crate::blocking::block_on;
use crate::random;
use crate::record::{OnInterruption, Owner};
use crate::store::{
    AdoptRequest, Adopted, Answer, Claim, Claimed, CompleteRequest, Glimpse, Hold, Place, Recorded, Release, Standing,
    Store,
};
use futures_timer::Delay;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

/// A lease that no rule lives to see the end of.
pub(super) const LONG: Duration = Duration::from_hours(1);

/// How long an answer may take, on a real clock. A store that is in time needs a thousandth of it.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// One rule's business: two handles on one store, and a scope of its own.
pub(super) struct Case<'a> {
    subject: &'a dyn Subject,
    scope: Arc<str>,
    pub(super) here: Handle,
    /// The same records, as another process has them.
    pub(super) there: Handle,
}

impl<'a> Case<'a> {
    pub(super) fn new(subject: &'a dyn Subject) -> Self {
        // Random, so that a rule finds nothing that an earlier run left in the same store.
        let scope = format!("contract.{:016x}", random::number()).into();
        Self { subject, scope, here: Handle(subject.store()), there: Handle(subject.second()) }
    }

    pub(super) fn scope(&self) -> Arc<str> {
        self.scope.clone()
    }

    pub(super) fn place(&self, key: &str) -> Place {
        Place { scope: self.scope(), key: key.into() }
    }

    pub(super) fn handles(&self) -> [&Handle; 2] {
        [&self.here, &self.there]
    }

    /// A new caller's claim, which is believed for longer than any rule takes.
    pub(super) fn claim(&self, key: &str) -> Claim {
        claim_of(self.place(key))
    }

    /// A new caller's claim for a span whose end the rule is about.
    pub(super) fn brief(&self, key: &str) -> Claim {
        Claim { lease: self.span(), ..self.claim(key) }
    }

    /// A span of which the beginning and the end can be told apart.
    pub(super) fn span(&self) -> Duration {
        self.subject.tick() * 6
    }

    /// Lets a span pass that began just now, but for its last moment.
    pub(super) fn pass_nearly(&self, span: Duration) {
        let rest = if self.subject.goes_by_itself() { span / 2 } else { self.subject.tick() };
        self.subject.advance(span.saturating_sub(rest));
    }

    /// Lets the rest of a span pass of which [`pass_nearly`](Self::pass_nearly) has left the last moment.
    pub(super) fn pass_the_rest(&self, span: Duration) {
        let tick = self.subject.tick();
        self.subject.advance(if self.subject.goes_by_itself() { span / 2 + tick } else { tick });
    }

    /// Lets a span pass that began just now.
    pub(super) fn pass(&self, span: Duration) {
        let late = if self.subject.goes_by_itself() { self.subject.tick() } else { Duration::ZERO };
        self.subject.advance(span + late);
    }

    /// A hold whose lease is over, which nobody has taken over yet.
    #[track_caller]
    pub(super) fn lapsed(&self, key: &str) -> Hold {
        let claim = self.brief(key);
        let hold = self.here.hold(&claim);
        self.pass(claim.lease);
        hold
    }

    /// A hold that was given up as interrupted.
    #[track_caller]
    pub(super) fn interrupted(&self, key: &str) -> Hold {
        let hold = self.here.hold(&self.claim(key));
        assert!(self.here.release(&hold, Release::Interrupt), "a holder's release was refused");
        hold
    }

    /// A key that has an outcome, which never ends.
    #[track_caller]
    pub(super) fn completed(&self, key: &str, outcome: &[u8]) -> Hold {
        let hold = self.here.hold(&self.claim(key));
        assert_eq!(self.here.complete(&hold, outcome, None), Recorded::Done);
        hold
    }
}

/// A new caller's claim.
pub(super) fn claim_of(place: Place) -> Claim {
    Claim::new(place, owner(), LONG, OnInterruption::Retry)
}

/// A new caller's outcome, which it has without a hold and which never ends.
pub(super) fn adoption_of(place: Place, outcome: &[u8]) -> AdoptRequest {
    AdoptRequest::new(place, owner(), OnInterruption::Retry, outcome.to_vec())
}

/// The same claim on other terms.
pub(super) fn with(claim: Claim, interrupted: OnInterruption) -> Claim {
    Claim { interrupted, ..claim }
}

pub(super) fn owner() -> Owner {
    Owner(random::id())
}

/// A store whose answers are waited for, with a limit.
#[derive(Clone)]
pub(super) struct Handle(pub(super) Arc<dyn Store>);

impl Handle {
    #[track_caller]
    pub(super) fn claim(&self, claim: &Claim) -> Claimed {
        answered("claim", self.0.claim(claim.clone()))
    }

    /// The hold of a claim that must be granted.
    #[track_caller]
    pub(super) fn hold(&self, claim: &Claim) -> Hold {
        let (token, _) = self.grant(claim);
        Hold { place: claim.place.clone(), token }
    }

    /// The token and the attempt of a claim that must be granted.
    #[track_caller]
    pub(super) fn grant(&self, claim: &Claim) -> (u64, u32) {
        match self.claim(claim) {
            Claimed::Granted { token, attempt } => (token, attempt),
            other => panic!("the claim was to be granted, and is {other:?}"),
        }
    }

    /// A claim that must find somebody else at work.
    #[track_caller]
    pub(super) fn find_in_flight(&self, claim: &Claim) -> Duration {
        match self.claim(claim) {
            Claimed::InFlight { remaining } => remaining,
            other => panic!("somebody else has the key, and the claim is {other:?}"),
        }
    }

    #[track_caller]
    pub(super) fn renew(&self, holds: &[&Hold], lease: Duration) -> Vec<bool> {
        let holds = holds.iter().map(|hold| (*hold).clone()).collect();
        answered("renew", self.0.renew(holds, lease))
    }

    #[track_caller]
    pub(super) fn complete(&self, hold: &Hold, outcome: &[u8], retention: Option<Duration>) -> Recorded {
        answered("complete", self.0.complete(CompleteRequest::new(hold.clone(), outcome.to_vec()).retention(retention)))
    }

    #[track_caller]
    pub(super) fn complete_with(&self, request: CompleteRequest) -> Recorded {
        answered("complete", self.0.complete(request))
    }

    #[track_caller]
    pub(super) fn adopt(&self, request: AdoptRequest) -> Adopted {
        answered("adopt", self.0.adopt(request))
    }

    #[track_caller]
    pub(super) fn release(&self, hold: &Hold, how: Release) -> bool {
        answered("release", self.0.release(hold.clone(), how))
    }

    #[track_caller]
    pub(super) fn peek(&self, place: &Place) -> Option<Glimpse> {
        answered("peek", self.0.peek(place.clone()))
    }

    /// Where a record stands that must be there.
    #[track_caller]
    pub(super) fn standing(&self, place: &Place) -> Standing {
        match self.peek(place) {
            Some(seen) => seen.standing,
            None => panic!("there is no record, and there should be one"),
        }
    }

    #[track_caller]
    pub(super) fn forget(&self, place: &Place) -> bool {
        answered("forget", self.0.forget(place.clone()))
    }

    #[track_caller]
    pub(super) fn resolve(&self, place: &Place, outcome: &[u8], retention: Option<Duration>) -> bool {
        answered("resolve", self.0.resolve(place.clone(), outcome.to_vec(), retention))
    }

    #[track_caller]
    pub(super) fn list(&self, scope: &str, standing: Standing, after: Option<&str>, limit: usize) -> Vec<Glimpse> {
        answered("list", self.0.list(scope.into(), standing, after.map(Into::into), limit))
    }

    #[track_caller]
    pub(super) fn purge(&self, limit: usize) -> usize {
        answered("purge", self.0.purge(limit))
    }

    /// Waits on a thread of its own until a record may have changed; something arrives here when it was told to.
    #[track_caller]
    pub(super) fn watch(&self, place: &Place) -> Receiver<()> {
        let (started, has_started) = channel();
        let (woken, is_woken) = channel();
        let (store, place) = (self.0.clone(), place.clone());
        thread::spawn(move || {
            let mut changed = store.changed(&place);
            let mut first = true;
            let answer = block_on(poll_fn(|cx| {
                let answer = changed.as_mut().poll(cx);
                if std::mem::take(&mut first) {
                    let _ = started.send(());
                }
                answer
            }));
            // Whoever does not listen any more has seen enough.
            let _ = answer.is_ok().then(|| woken.send(()));
        });
        assert!(has_started.recv_timeout(PATIENCE).is_ok(), "`changed` blocks the thread that polls it");
        is_woken
    }
}

/// What a verb came to; a store that fails or hangs breaks every rule.
#[track_caller]
pub(super) fn answered<T>(verb: &str, answer: Answer<'_, T>) -> T {
    match within(PATIENCE, answer) {
        Some(Ok(answer)) => answer,
        Some(Err(error)) => panic!("`{verb}` failed: {error:?}"),
        None => panic!("`{verb}` had no answer within {PATIENCE:?}"),
    }
}

/// What a future comes to, if it does in time.
pub(super) fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut limit = pin!(Delay::new(limit));
    block_on(poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => limit.as_mut().poll(cx).map(|()| None),
    }))
}

/// What `look` finds as soon as it finds something, for what a store does in its own time.
#[track_caller]
pub(super) fn soon<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(1));
    }
}
