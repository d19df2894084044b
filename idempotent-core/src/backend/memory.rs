//! Records in this process's memory, as bytes: for tests and simulations of the durable protocol.

use crate::clock::WallClock;
use crate::record::{
    AdoptionDecision, Asker, Completion, Record, State, Verdict, decide_adoption, judge, judge_completion,
};
use crate::store::{
    AdoptRequest, Adopted, Answer, Claim, Claimed, CompleteRequest, Glimpse, Hold, Place, Recorded, Release, Standing,
    Store, StoreError,
};
use event_listener::Event;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Records in memory. Clones share them.
#[derive(Clone, Default)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    clock: WallClock,
    records: Mutex<Records>,
    waiting: Mutex<HashMap<Place, Arc<Event>>>,
}

#[derive(Default)]
struct Records {
    by_place: BTreeMap<Place, Record>,
    last_token: u64,
}

impl MemoryStore {
    /// An empty store on the system's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn with_clock(clock: WallClock) -> Self {
        Self { shared: Arc::new(Shared { clock, ..Shared::default() }) }
    }
}

impl Shared {
    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claim(&self, claim: Claim) -> Claimed {
        let now = self.clock.now();
        let asker = Asker { owner: claim.owner, fingerprint: claim.fingerprint, interrupted: claim.interrupted };
        let mut records = self.records();
        let Records { by_place, last_token } = &mut *records;
        let held = by_place.get_mut(&claim.place);
        match (judge(held.as_deref(), &asker, now), held) {
            (Verdict::Grant { attempt }, _) => {
                *last_token += 1;
                let state = State::InFlight { owner: claim.owner, lease_ends: now.after(claim.lease) };
                let record = Record { state, fingerprint: claim.fingerprint, token: *last_token, attempt };
                by_place.insert(claim.place, record);
                Claimed::Granted { token: *last_token, attempt }
            }
            (Verdict::Mine, Some(record)) => {
                record.state = State::InFlight { owner: claim.owner, lease_ends: now.after(claim.lease) };
                Claimed::Granted { token: record.token, attempt: record.attempt }
            }
            (Verdict::Completed, Some(Record { state: State::Completed { outcome, .. }, .. })) => {
                Claimed::Completed { outcome: outcome.clone() }
            }
            (Verdict::InFlight(remaining), _) => Claimed::InFlight { remaining },
            (Verdict::Mismatch, _) => Claimed::Mismatch,
            (Verdict::Interrupt, Some(record)) => {
                record.state = State::Interrupted;
                Claimed::Interrupted
            }
            (Verdict::Mine | Verdict::Completed | Verdict::Interrupt | Verdict::Interrupted, _) => Claimed::Interrupted,
        }
    }

    fn complete(&self, request: CompleteRequest) -> Recorded {
        let CompleteRequest { hold, fingerprint, outcome, retention } = request;
        let now = self.clock.now();
        let mut records = self.records();
        let record = records.by_place.get_mut(&hold.place);
        match (judge_completion(record.as_deref(), hold.token, fingerprint, now), record) {
            (Completion::Record, Some(record)) => {
                record.state = State::Completed { outcome, ends: retention.map(|span| now.after(span)) };
                Recorded::Done
            }
            (Completion::Already, _) => Recorded::Done,
            (Completion::Superseded, Some(Record { state: State::Completed { outcome, .. }, .. })) => {
                Recorded::Superseded { outcome: outcome.clone() }
            }
            _ => Recorded::Lost,
        }
    }

    fn adopt(&self, request: AdoptRequest) -> Adopted {
        let now = self.clock.now();
        let AdoptRequest { place, owner, fingerprint, interrupted, outcome, retention } = request;
        let mut records = self.records();
        let Records { by_place, last_token } = &mut *records;
        let held = by_place.get_mut(&place);
        match (decide_adoption(held.as_deref(), &Asker { owner, fingerprint, interrupted }, now), held) {
            (AdoptionDecision::Record { attempt }, _) => {
                *last_token += 1;
                let state = State::Completed { outcome, ends: retention.map(|span| now.after(span)) };
                by_place.insert(place, Record { state, fingerprint, token: *last_token, attempt });
                Adopted::Recorded
            }
            (AdoptionDecision::Completed, Some(Record { state: State::Completed { outcome, .. }, .. })) => {
                Adopted::Completed { outcome: outcome.clone() }
            }
            (AdoptionDecision::InFlight(remaining), _) => Adopted::InFlight { remaining },
            (AdoptionDecision::Mismatch, _) => Adopted::Mismatch,
            (AdoptionDecision::Interrupt, Some(record)) => {
                record.state = State::Interrupted;
                Adopted::Interrupted
            }
            (AdoptionDecision::Completed | AdoptionDecision::Interrupt | AdoptionDecision::Interrupted, _) => {
                Adopted::Interrupted
            }
        }
    }

    fn release(&self, hold: &Hold, how: Release) -> bool {
        let mut records = self.records();
        let Some(record) = records.by_place.get_mut(&hold.place) else { return false };
        if record.token != hold.token || !matches!(record.state, State::InFlight { .. }) {
            return false;
        }
        match how {
            Release::Free => drop(records.by_place.remove(&hold.place)),
            Release::Interrupt => record.state = State::Interrupted,
        }
        true
    }

    fn renew(&self, hold: &Hold, lease: Duration) -> bool {
        let lease_ends = self.clock.now().after(lease);
        let mut records = self.records();
        let Some(record) = records.by_place.get_mut(&hold.place) else { return false };
        match &mut record.state {
            State::InFlight { lease_ends: ends, .. } if record.token == hold.token => {
                *ends = lease_ends;
                true
            }
            _ => false,
        }
    }

    /// Wakes whoever waits for a record to change.
    fn announce(&self, place: &Place) {
        let event = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(place);
        if let Some(event) = event {
            event.notify(usize::MAX);
        }
    }
}

fn ready<'a, T: Send + 'a>(answer: T) -> Answer<'a, T> {
    Box::pin(std::future::ready(Ok::<T, StoreError>(answer)))
}

impl Store for MemoryStore {
    fn claim(&self, claim: Claim) -> Answer<'_, Claimed> {
        Box::pin(async move { Ok(self.shared.claim(claim)) })
    }

    fn renew(&self, holds: Vec<Hold>, lease: Duration) -> Answer<'_, Vec<bool>> {
        ready(holds.iter().map(|hold| self.shared.renew(hold, lease)).collect())
    }

    fn complete(&self, request: CompleteRequest) -> Answer<'_, Recorded> {
        let place = request.hold.place.clone();
        let recorded = self.shared.complete(request);
        self.shared.announce(&place);
        ready(recorded)
    }

    fn adopt(&self, request: AdoptRequest) -> Answer<'_, Adopted> {
        let place = request.place.clone();
        let adopted = self.shared.adopt(request);
        self.shared.announce(&place);
        ready(adopted)
    }

    fn release(&self, hold: Hold, how: Release) -> Answer<'_, bool> {
        let released = self.shared.release(&hold, how);
        self.shared.announce(&hold.place);
        ready(released)
    }

    fn changed(&self, place: &Place) -> Answer<'_, ()> {
        let mut waiting = self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let listener = waiting.entry(place.clone()).or_default().listen();
        Box::pin(async move {
            listener.await;
            Ok(())
        })
    }

    fn peek(&self, place: Place) -> Answer<'_, Option<Glimpse>> {
        let now = self.shared.clock.now();
        let records = self.shared.records();
        let record = records.by_place.get(&place).filter(|record| !record.has_ended(now));
        let seen = record.map(|record| Glimpse::of(place.clone(), record.clone()));
        drop(records);
        ready(seen)
    }

    fn forget(&self, place: Place) -> Answer<'_, bool> {
        let now = self.shared.clock.now();
        let record = self.shared.records().by_place.remove(&place);
        self.shared.announce(&place);
        ready(record.is_some_and(|record| !record.has_ended(now)))
    }

    fn resolve(&self, place: Place, outcome: Vec<u8>, retention: Option<Duration>) -> Answer<'_, bool> {
        let ends = retention.map(|span| self.shared.clock.now().after(span));
        let mut records = self.shared.records();
        let Records { by_place, last_token } = &mut *records;
        let interrupted = by_place.get_mut(&place).filter(|record| record.state == State::Interrupted);
        let resolved = interrupted.is_some();
        if let Some(record) = interrupted {
            *last_token += 1;
            record.token = *last_token;
            record.state = State::Completed { outcome, ends };
        }
        drop(records);
        self.shared.announce(&place);
        ready(resolved)
    }

    fn list(
        &self,
        scope: Arc<str>,
        standing: Standing,
        after: Option<Arc<str>>,
        limit: usize,
    ) -> Answer<'_, Vec<Glimpse>> {
        let now = self.shared.clock.now();
        let records = self.shared.records();
        let start = Place { scope: scope.clone(), key: after.clone().unwrap_or_default() };
        let listed = records
            .by_place
            .range(start..)
            .take_while(|(place, _)| place.scope == scope)
            .filter(|(place, record)| after.as_ref() != Some(&place.key) && !record.has_ended(now))
            .map(|(place, record)| Glimpse::of(place.clone(), record.clone()))
            .filter(|seen| seen.standing == standing)
            .take(limit)
            .collect();
        drop(records);
        ready(listed)
    }

    fn purge(&self, limit: usize) -> Answer<'_, usize> {
        let now = self.shared.clock.now();
        let mut records = self.shared.records();
        let ended: Vec<Place> = records
            .by_place
            .iter()
            .filter(|(_, record)| record.has_ended(now))
            .map(|(place, _)| place.clone())
            .take(limit)
            .collect();
        for place in &ended {
            records.by_place.remove(place);
        }
        drop(records);
        ready(ended.len())
    }

    fn name(&self) -> &'static str {
        "memory"
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("records", &self.shared.records().by_place.len()).finish()
    }
}
