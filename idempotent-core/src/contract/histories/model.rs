//! The specification, kept beside a store and asked the same.

use super::super::case::{Case, Handle};
use super::step::Step;
use crate::clock::Timestamp;
use crate::record::{
    AdoptionDecision, Asker, Completion, OnInterruption, Owner, Record, State, Verdict, decide_adoption, judge,
    judge_completion,
};
use crate::store::{
    AdoptRequest, Adopted, Claim, Claimed, CompleteRequest, Glimpse, Hold, Place, Recorded, Release, Standing,
};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

/// What a step came to: nothing to say, or how the two differ.
type Agreed = Result<(), String>;

pub(super) struct Model<'a> {
    case: &'a Case<'a>,
    unit: Duration,
    /// The clock goes by itself, so what remains of a lease is a little more or less than the model says.
    goes_by_itself: bool,
    elapsed: Duration,
    turn: usize,
    records: BTreeMap<u8, Record>,
    /// Every token that was granted for a key, the last one last.
    tokens: BTreeMap<u8, Vec<u64>>,
}

fn agree<T: PartialEq + Debug>(verb: &str, model: &T, store: &T) -> Agreed {
    if model == store { Ok(()) } else { Err(format!("`{verb}` is {store:?}, and should be {model:?}")) }
}

impl<'a> Model<'a> {
    pub(super) fn new(case: &'a Case<'a>, unit: Duration, goes_by_itself: bool) -> Self {
        let (records, tokens) = (BTreeMap::new(), BTreeMap::new());
        Self { case, unit, goes_by_itself, elapsed: Duration::ZERO, turn: 0, records, tokens }
    }

    /// How much time has passed in the history.
    pub(super) fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Lets time pass; how much has passed then.
    pub(super) fn wait(&mut self, units: u8) -> Duration {
        self.elapsed += self.unit * units.into();
        self.elapsed
    }

    /// Does one step, by both.
    pub(super) fn take(&mut self, step: &Step) -> Agreed {
        self.turn += 1;
        let store = self.case.handles()[self.turn % 2].clone();
        match *step {
            Step::Claim { key, owner, fingerprint, lease, interrupted } => {
                let asker = asker(owner, fingerprint, interrupted);
                self.claim(&store, key, asker, self.unit * lease.into())
            }
            Step::Renew { key, back, lease } => self.renew(&store, key, back, self.unit * lease.into()),
            Step::Complete { key, back, fingerprint, outcome, retention } => {
                let request = CompleteRequest::new(self.hold(key, back), vec![outcome; 3]);
                self.complete(&store, key, request.fingerprint(bytes(fingerprint)).retention(self.span(retention)))
            }
            Step::Adopt { key, owner, fingerprint, interrupted, outcome, retention } => {
                let Asker { owner, fingerprint, interrupted } = asker(owner, fingerprint, interrupted);
                let request = AdoptRequest::new(self.place(key), owner, interrupted, vec![outcome; 4]);
                self.adopt(&store, key, request.fingerprint(fingerprint).retention(self.span(retention)))
            }
            Step::Release { key, back, how } => self.release(&store, key, back, how),
            Step::Resolve { key, outcome, retention } => {
                self.resolve(&store, key, vec![outcome; 5], self.span(retention))
            }
            Step::Forget { key } => {
                let there = self.held(key).is_some();
                self.records.remove(&key);
                agree("forget", &there, &store.forget(&self.place(key)))
            }
            Step::Peek { key } => agree("peek", &self.glimpse(key), &store.peek(&self.place(key))),
            Step::List => self.list(&store),
            Step::Purge { limit } => {
                let taken = store.purge(limit.into());
                if taken <= limit.into() { Ok(()) } else { Err(format!("`purge` took {taken} of {limit}")) }
            }
            Step::Wait { .. } => Ok(()),
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::default().after(self.elapsed)
    }

    fn span(&self, units: Option<u8>) -> Option<Duration> {
        units.map(|units| self.unit * units.into())
    }

    fn place(&self, key: u8) -> Place {
        self.case.place(&format!("key {key:03}"))
    }

    /// The record that counts.
    fn held(&self, key: u8) -> Option<&Record> {
        self.records.get(&key).filter(|record| !record.has_ended(self.now()))
    }

    /// The hold of the last grant but `back`; where there was none, one that nobody ever had.
    fn hold(&self, key: u8, back: u8) -> Hold {
        let granted = self.tokens.get(&key).and_then(|tokens| tokens.iter().rev().nth(back.into()));
        Hold { place: self.place(key), token: granted.copied().unwrap_or(0) }
    }

    fn claim(&mut self, store: &Handle, key: u8, asker: Asker, lease: Duration) -> Agreed {
        let claim = Claim::new(self.place(key), asker.owner, lease, asker.interrupted).fingerprint(asker.fingerprint);
        let verdict = judge(self.records.get(&key), &asker, self.now());
        let lease_ends = self.now().after(lease);
        let answer = store.claim(&claim);
        let agrees = match (&verdict, &answer, self.records.get_mut(&key)) {
            (Verdict::Grant { attempt }, Claimed::Granted { token, attempt: granted }, _) if attempt == granted => {
                let state = State::InFlight { owner: asker.owner, lease_ends };
                let record = Record { state, fingerprint: asker.fingerprint, token: *token, attempt: *attempt };
                self.records.insert(key, record);
                self.remember(key, *token)
            }
            (Verdict::Mine, Claimed::Granted { token, attempt }, Some(record)) => {
                record.state = State::InFlight { owner: asker.owner, lease_ends };
                (record.token, record.attempt) == (*token, *attempt)
            }
            (Verdict::InFlight(remaining), Claimed::InFlight { remaining: told }, _) => {
                told.abs_diff(*remaining) <= if self.goes_by_itself { self.unit } else { Duration::ZERO }
            }
            (Verdict::Completed, Claimed::Completed { outcome: told }, Some(record)) => {
                matches!(&record.state, State::Completed { outcome, .. } if outcome == told)
            }
            (Verdict::Interrupt, Claimed::Interrupted, Some(record)) => {
                record.state = State::Interrupted;
                true
            }
            (Verdict::Mismatch, Claimed::Mismatch, _) | (Verdict::Interrupted, Claimed::Interrupted, _) => true,
            _ => false,
        };
        if agrees {
            Ok(())
        } else {
            Err(format!("`claim` is {answer:?}, and should be {verdict:?} of {:?}", self.held(key)))
        }
    }

    /// Whether a token is larger than all that this key has seen.
    fn remember(&mut self, key: u8, token: u64) -> bool {
        let tokens = self.tokens.entry(key).or_default();
        let grows = tokens.last().is_none_or(|last| *last < token);
        tokens.push(token);
        grows
    }

    fn renew(&mut self, store: &Handle, key: u8, back: u8, lease: Duration) -> Agreed {
        let (hold, until) = (self.hold(key, back), self.now().after(lease));
        let renewed = match self.records.get_mut(&key) {
            Some(Record { state: State::InFlight { lease_ends, .. }, token, .. }) if *token == hold.token => {
                *lease_ends = until;
                true
            }
            _ => false,
        };
        agree("renew", &vec![renewed], &store.renew(&[&hold], lease))
    }

    fn complete(&mut self, store: &Handle, key: u8, request: CompleteRequest) -> Agreed {
        let now = self.now();
        let answer = store.complete_with(request.clone());
        let CompleteRequest { hold, fingerprint, outcome, retention } = request;
        let record = self.records.get_mut(&key);
        let recorded = match (judge_completion(record.as_deref(), hold.token, fingerprint, now), record) {
            (Completion::Record, Some(record)) => {
                record.state = State::Completed { outcome, ends: retention.map(|span| now.after(span)) };
                Recorded::Done
            }
            (Completion::Already, _) => Recorded::Done,
            (Completion::Superseded, Some(Record { state: State::Completed { outcome, .. }, .. })) => {
                Recorded::Superseded { outcome: outcome.clone() }
            }
            _ => Recorded::Lost,
        };
        agree("complete", &recorded, &answer)
    }

    fn adopt(&mut self, store: &Handle, key: u8, request: AdoptRequest) -> Agreed {
        let now = self.now();
        let answer = store.adopt(request.clone());
        let AdoptRequest { place, owner, fingerprint, interrupted, outcome, retention } = request;
        let decision = decide_adoption(self.records.get(&key), &Asker { owner, fingerprint, interrupted }, now);
        let agrees = match (&decision, &answer, self.records.get_mut(&key)) {
            (AdoptionDecision::Record { attempt }, Adopted::Recorded, _) => {
                // It has a new token, which only the store knows.
                let seen = store.peek(&place);
                let ends = retention.map(|span| now.after(span));
                let state = State::Completed { outcome, ends };
                let token = seen.map_or(0, |seen| seen.token);
                self.records.insert(key, Record { state, fingerprint, token, attempt: *attempt });
                self.remember(key, token)
            }
            (AdoptionDecision::InFlight(remaining), Adopted::InFlight { remaining: told }, _) => {
                told.abs_diff(*remaining) <= if self.goes_by_itself { self.unit } else { Duration::ZERO }
            }
            (AdoptionDecision::Completed, Adopted::Completed { outcome: told }, Some(record)) => {
                matches!(&record.state, State::Completed { outcome, .. } if outcome == told)
            }
            (AdoptionDecision::Interrupt, Adopted::Interrupted, Some(record)) => {
                record.state = State::Interrupted;
                true
            }
            (AdoptionDecision::Mismatch, Adopted::Mismatch, _)
            | (AdoptionDecision::Interrupted, Adopted::Interrupted, _) => true,
            _ => false,
        };
        let should = || format!("`adopt` is {answer:?}, and should be {decision:?} of {:?}", self.held(key));
        if agrees { Ok(()) } else { Err(should()) }
    }

    fn release(&mut self, store: &Handle, key: u8, back: u8, how: Release) -> Agreed {
        let hold = self.hold(key, back);
        let record = self.records.get_mut(&key).filter(|record| record.token == hold.token);
        let in_flight = record.filter(|record| matches!(record.state, State::InFlight { .. }));
        let released = in_flight.map(|record| record.state = State::Interrupted).is_some();
        if released && how == Release::Free {
            self.records.remove(&key);
        }
        agree("release", &released, &store.release(&hold, how))
    }

    fn resolve(&mut self, store: &Handle, key: u8, outcome: Vec<u8>, retention: Option<Duration>) -> Agreed {
        let place = self.place(key);
        let ends = retention.map(|span| self.now().after(span));
        let interrupted = self.held(key).is_some_and(|record| record.state == State::Interrupted);
        agree("resolve", &interrupted, &store.resolve(&place, &outcome, retention))?;
        if !interrupted {
            return Ok(());
        }
        // It has a new token, which only the store knows.
        let token = store.peek(&place).map_or(0, |seen| seen.token);
        if let Some(record) = self.records.get_mut(&key) {
            record.state = State::Completed { outcome, ends };
            record.token = token;
        }
        let grows = self.remember(key, token);
        agree("a resolved record's token is new", &true, &grows)
    }

    fn glimpse(&self, key: u8) -> Option<Glimpse> {
        let record = self.held(key)?;
        let (standing, outcome) = match &record.state {
            State::InFlight { .. } => (Standing::InFlight, None),
            State::Completed { outcome, .. } => (Standing::Completed, Some(outcome.clone())),
            State::Interrupted => (Standing::Interrupted, None),
        };
        Some(Glimpse::new(self.place(key), standing, record.token, record.attempt).outcome(outcome))
    }

    fn list(&self, store: &Handle) -> Agreed {
        for standing in [Standing::InFlight, Standing::Completed, Standing::Interrupted] {
            let glimpses = self.records.keys().filter_map(|key| self.glimpse(*key));
            let model: Vec<Glimpse> = glimpses.filter(|seen| seen.standing == standing).collect();
            agree("list", &model, &store.list(&self.case.scope(), standing, None, 1000))?;
        }
        Ok(())
    }
}

fn bytes(fingerprint: Option<u8>) -> Option<[u8; 16]> {
    fingerprint.map(|byte| [byte; 16])
}

fn asker(owner: u8, fingerprint: Option<u8>, interrupted: OnInterruption) -> Asker {
    Asker { owner: Owner([owner + 1; 16]), fingerprint: bytes(fingerprint), interrupted }
}
