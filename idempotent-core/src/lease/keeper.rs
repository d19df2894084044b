//! The thread that renews leases, and brings late what could not be recorded in time.

use super::{Outcome, Terms};
use crate::blocking::block_on;
use crate::clock::BootTime;
use crate::context::Fence;
use crate::record::Owner;
use crate::report;
use crate::store::{AdoptRequest, Adopted, Answer, CompleteRequest, Hold, Recorded, Store, StoreError};
use crate::underway::Underway;
use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// The most leases in one request.
const BATCH: usize = 256;
/// How long the thread stays when there is nothing to do.
const IDLE: Duration = Duration::from_secs(2);
/// How soon a store that could not be reached is tried again.
const AGAIN: Duration = Duration::from_millis(500);
/// The longest that outcomes wait for the next try: some can never be recorded.
const SELDOM: Duration = Duration::from_secs(30);

/// Keeps the leases of one store.
pub(super) struct Keeper(Arc<Inner>);

struct Inner {
    /// The store is its users': a lease has one, and an outcome that is late is one.
    store: Weak<dyn Store>,
    work: Mutex<Work>,
    changed: Condvar,
}

#[derive(Default)]
struct Work {
    leases: BTreeMap<u64, Kept>,
    late: Vec<Late>,
    /// How many of them are being tried just now.
    trying: usize,
    /// When the late outcomes are tried.
    late_at: Option<Instant>,
    /// How often they were tried in vain, since one was recorded or somebody was in a hurry.
    in_vain: u32,
    next_id: u64,
    has_thread: bool,
    /// The store has no users left.
    is_closed: bool,
}

struct Kept {
    hold: Hold,
    every: Duration,
    lease: Duration,
    at: Instant,
    until: Option<Instant>,
    fence: Arc<Fence>,
}

impl Kept {
    /// When there is something to do about it.
    fn next(&self) -> Instant {
        self.until.map_or(self.at, |until| self.at.min(until))
    }
}

/// Asks a store. One that panics has not answered: its bug must not end the thread that all leases depend on.
fn ask<'a, T>(question: impl FnOnce() -> Answer<'a, T>) -> Result<T, StoreError> {
    let asked = catch_unwind(AssertUnwindSafe(|| block_on(question())));
    asked.unwrap_or_else(|_| Err(StoreError::new("the store panicked")))
}

/// An outcome that is still to be recorded.
pub(super) struct Late {
    store: Arc<dyn Store>,
    hold: Hold,
    owner: Owner,
    outcome: Outcome,
    /// The hold was lost, so the outcome can only be adopted.
    pub(super) is_lost: bool,
    told: bool,
    /// It counts until it is recorded.
    _underway: Underway,
}

/// What a try to record an outcome came to.
enum Tried {
    /// It or another one is recorded, or no other try can change that it is not.
    Over,
    /// Another holder runs the body, and its lease lasts this much longer.
    InFlight(Duration),
    Failed,
}

impl Late {
    pub(super) fn new(store: Arc<dyn Store>, hold: Hold, owner: Owner, outcome: Outcome, underway: Underway) -> Self {
        Self { store, hold, owner, outcome, is_lost: false, told: false, _underway: underway }
    }

    pub(super) fn complete_request(&self) -> CompleteRequest {
        CompleteRequest::new(self.hold.clone(), self.outcome.bytes.clone())
            .fingerprint(self.outcome.fingerprint)
            .retention(self.outcome.retention)
    }

    pub(super) fn adopt_request(&self) -> AdoptRequest {
        let Outcome { fingerprint, interrupted, bytes, retention } = &self.outcome;
        AdoptRequest::new(self.hold.place.clone(), self.owner, *interrupted, bytes.clone())
            .fingerprint(*fingerprint)
            .retention(*retention)
    }

    /// Says why it is late, once.
    pub(super) fn tell(&mut self, error: &StoreError) {
        if !mem::replace(&mut self.told, true) {
            report::unrecorded(&self.hold.place.scope, &self.hold.place.key, error);
        }
    }

    /// Tries to record it.
    fn record(&mut self) -> Tried {
        let tried = self.completed().and_then(|over| if over { Ok(Tried::Over) } else { self.adopted() });
        tried.unwrap_or_else(|error| {
            self.tell(&error);
            Tried::Failed
        })
    }

    /// Whether an outcome is recorded under the hold.
    fn completed(&mut self) -> Result<bool, StoreError> {
        if !self.is_lost {
            let answer = ask(|| self.store.complete(self.complete_request()))?;
            self.is_lost = answer == Recorded::Lost;
        }
        Ok(!self.is_lost)
    }

    fn adopted(&self) -> Result<Tried, StoreError> {
        Ok(match ask(|| self.store.adopt(self.adopt_request()))? {
            Adopted::InFlight { remaining } => Tried::InFlight(remaining),
            Adopted::Recorded | Adopted::Completed { .. } | Adopted::Mismatch | Adopted::Interrupted => Tried::Over,
        })
    }
}

/// The late outcomes of one turn. What is left of them when it ends is late again, also where the thread ends.
struct Turn<'a> {
    inner: &'a Inner,
    untried: VecDeque<Late>,
    tried: Vec<Late>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut work = self.inner.work();
        // The untried ones come first the next time.
        work.late.extend(mem::take(&mut self.untried));
        work.late.append(&mut self.tried);
        work.trying = 0;
    }
}

impl Keeper {
    pub(super) fn new(store: &Arc<dyn Store>) -> Self {
        Self(Arc::new(Inner { store: Arc::downgrade(store), work: Mutex::default(), changed: Condvar::new() }))
    }

    pub(super) fn keep(&self, hold: Hold, terms: Terms, fence: Arc<Fence>) -> u64 {
        let now = Instant::now();
        let every = terms.lease / 3;
        let until = terms.max_run.and_then(|span| now.checked_add(span));
        let mut work = self.0.work();
        let id = work.next_id;
        work.next_id += 1;
        work.leases.insert(id, Kept { hold, every, lease: terms.lease, at: now + every, until, fence });
        self.0.wake(work);
        id
    }

    pub(super) fn let_go(&self, id: u64) {
        self.0.work().leases.remove(&id);
    }

    pub(super) fn record_later(&self, late: Late) {
        let mut work = self.0.work();
        work.late.push(late);
        // Others may have been tried in vain for long, but the lease of this one has not ended yet.
        work.try_late_at(Instant::now() + AGAIN);
        self.0.wake(work);
    }

    /// Tries the late outcomes at once.
    pub(super) fn hurry(&self) {
        let mut work = self.0.work();
        if work.late.len() + work.trying > 0 {
            work.in_vain = 0;
            work.try_late_at(Instant::now());
            self.0.wake(work);
        }
    }

    pub(super) fn unrecorded(&self) -> usize {
        let work = self.0.work();
        work.late.len() + work.trying
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let mut work = self.0.work();
        work.is_closed = true;
        drop(work);
        self.0.changed.notify_one();
    }
}

impl Inner {
    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that there is a thread, and that it looks again.
    fn wake(self: &Arc<Self>, mut work: MutexGuard<'_, Work>) {
        if work.has_thread {
            drop(work);
            self.changed.notify_one();
            return;
        }
        let inner = self.clone();
        let spawned = thread::Builder::new().name("idempotently-leases".into()).spawn(move || run(inner));
        // Without a thread the leases run out, which the store then says to whoever comes.
        work.has_thread = spawned.is_ok();
    }

    /// Waits for the next thing to do; whether there is one.
    fn wait<'a>(&'a self, mut work: MutexGuard<'a, Work>) -> Option<MutexGuard<'a, Work>> {
        loop {
            let next = work.leases.values().map(Kept::next).chain(work.late_at).min();
            let now = Instant::now();
            match next {
                Some(next) if next <= now => return Some(work),
                Some(next) => {
                    work = self.changed.wait_timeout(work, next - now).unwrap_or_else(PoisonError::into_inner).0;
                }
                None if work.is_closed && work.late.is_empty() => {
                    work.has_thread = false;
                    return None;
                }
                None => {
                    let (woken, waited) = self.changed.wait_timeout(work, IDLE).unwrap_or_else(PoisonError::into_inner);
                    work = woken;
                    if waited.timed_out() && work.leases.is_empty() && work.late.is_empty() {
                        work.has_thread = false;
                        return None;
                    }
                }
            }
        }
    }

    /// Renews what is due, without the lock.
    fn renew(&self, due: Vec<(u64, Hold, Duration)>) {
        let mut by_lease: BTreeMap<Duration, Vec<(u64, Hold)>> = BTreeMap::new();
        for (id, hold, lease) in due {
            by_lease.entry(lease).or_default().push((id, hold));
        }
        // A lease has a user of the store; where there is none, the leases have just been given back.
        let Some(store) = self.store.upgrade() else { return };
        for (lease, holds) in by_lease {
            for batch in holds.chunks(BATCH) {
                let holds = batch.iter().map(|(_, hold)| hold.clone()).collect();
                let asked = BootTime::now();
                let Ok(believed) = ask(|| store.renew(holds, lease)) else {
                    self.try_again(batch);
                    continue;
                };
                let mut work = self.work();
                for ((id, _), believed) in batch.iter().zip(believed) {
                    if believed {
                        if let Some(kept) = work.leases.get(id) {
                            kept.fence.believe(asked, lease);
                        }
                    } else if let Some(lost) = work.leases.remove(id) {
                        lost.fence.lose();
                    }
                }
            }
        }
    }

    /// The store could not be reached: the leases may still hold, so they are tried again soon.
    fn try_again(&self, batch: &[(u64, Hold)]) {
        let mut work = self.work();
        let soon = Instant::now() + AGAIN;
        for (id, _) in batch {
            if let Some(kept) = work.leases.get_mut(id) {
                kept.at = kept.at.min(soon);
            }
        }
    }

    /// Tries what is late, one after the other. Each may take as long as the store has patience, so leases go before.
    fn record(&self, late: Vec<Late>) {
        let mut turn = Turn { inner: self, untried: late.into(), tried: Vec::new() };
        let (mut is_in_vain, mut longest_lease) = (false, Duration::ZERO);
        while let Some(one) = turn.untried.front_mut() {
            let tried = one.record();
            let one = turn.untried.pop_front();
            match tried {
                Tried::Over => {
                    drop(one);
                    let mut work = self.work();
                    (work.trying, work.in_vain) = (work.trying - 1, 0);
                }
                Tried::InFlight(remaining) => {
                    turn.tried.extend(one);
                    longest_lease = longest_lease.max(remaining).max(AGAIN);
                }
                Tried::Failed => {
                    turn.tried.extend(one);
                    is_in_vain = true;
                }
            }
            let (now, mut work) = (Instant::now(), self.work());
            if work.leases.values().any(|kept| kept.next() <= now) && !turn.untried.is_empty() {
                work.try_late_at(now);
                break;
            }
        }
        drop(turn);
        let (now, mut work) = (Instant::now(), self.work());
        if is_in_vain {
            work.put_off(now);
        }
        if !longest_lease.is_zero() {
            work.try_late_at(now + longest_lease.min(SELDOM));
        }
    }
}

impl Work {
    /// What is to be renewed now.
    fn take_due(&mut self, now: Instant) -> Vec<(u64, Hold, Duration)> {
        let mut due = Vec::new();
        for (id, kept) in self.leases.iter_mut().filter(|(_, kept)| kept.at <= now) {
            kept.at = now + kept.every;
            due.push((*id, kept.hold.clone(), kept.lease));
        }
        due
    }

    /// What has run for too long, and is not renewed any more.
    fn take_overdue(&mut self, now: Instant) -> Vec<Arc<Fence>> {
        let is_overdue = |kept: &Kept| kept.until.is_some_and(|until| until <= now);
        self.leases.extract_if(.., |_, kept| is_overdue(kept)).map(|(_, kept)| kept.fence).collect()
    }

    /// Tries the late outcomes then, if not before.
    fn try_late_at(&mut self, at: Instant) {
        self.late_at = Some(self.late_at.map_or(at, |before| before.min(at)));
    }

    /// They were tried in vain: the next time is later, the longer that goes on.
    fn put_off(&mut self, now: Instant) {
        let pause = AGAIN.saturating_mul(1 << self.in_vain.min(10)).min(SELDOM);
        self.in_vain += 1;
        self.try_late_at(now + pause);
    }

    fn take_late(&mut self, now: Instant) -> Vec<Late> {
        match self.late_at {
            Some(at) if at <= now => {
                self.late_at = None;
                self.trying = self.late.len();
                mem::take(&mut self.late)
            }
            _ => Vec::new(),
        }
    }
}

/// The thread's end: one that panics leaves its work to another one.
struct ThreadGuard(Arc<Inner>);

impl Drop for ThreadGuard {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        let mut work = self.0.work();
        work.has_thread = false;
        if !work.late.is_empty() {
            work.try_late_at(Instant::now() + AGAIN);
        }
        if !work.leases.is_empty() || !work.late.is_empty() {
            self.0.wake(work);
        }
    }
}

fn run(inner: Arc<Inner>) {
    let guard = ThreadGuard(inner);
    let inner = &guard.0;
    while let Some(mut work) = inner.wait(inner.work()) {
        let now = Instant::now();
        let overdue = work.take_overdue(now);
        let (due, late) = (work.take_due(now), work.take_late(now));
        drop(work);
        for fence in overdue {
            fence.give_up();
        }
        inner.renew(due);
        inner.record(late);
    }
}

#[cfg(test)]
mod tests {
    use super::{AGAIN, SELDOM, Work};
    use std::time::{Duration, Instant};

    /// After which pause they are tried again.
    fn pause(work: &mut Work, now: Instant) -> Duration {
        work.late_at = None;
        work.put_off(now);
        work.late_at.map_or(Duration::MAX, |at| at - now)
    }

    #[test]
    fn what_is_tried_in_vain_is_tried_ever_more_seldom() {
        let (mut work, now) = (Work::default(), Instant::now());
        let pauses: Vec<Duration> = (0..5).map(|_| pause(&mut work, now)).collect();
        assert_eq!(pauses, [AGAIN, AGAIN * 2, AGAIN * 4, AGAIN * 8, AGAIN * 16]);
        assert_eq!((0..100).map(|_| pause(&mut work, now)).last(), Some(SELDOM));
        work.in_vain = 0;
        assert_eq!(pause(&mut work, now), AGAIN);
    }

    #[test]
    fn what_is_to_be_tried_soon_is_not_put_off_by_the_others() {
        let (mut work, now) = (Work::default(), Instant::now());
        work.try_late_at(now);
        work.put_off(now);
        assert_eq!(work.late_at, Some(now));
        work.late_at = None;
        work.in_vain = 9;
        work.put_off(now);
        work.try_late_at(now + AGAIN);
        assert_eq!(work.late_at, Some(now + AGAIN));
    }
}
