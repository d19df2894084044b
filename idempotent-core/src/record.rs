//! What becomes of a record: the executable specification of every store.
//!
//! A pure function from (what is held, who asks, now) to a verdict. Embedded stores call it inside their own lock or
//! transaction; remote stores say it again in their own language, and are held to it by replaying random histories.

pub use crate::clock::Timestamp;
pub use crate::policy::OnInterruption;

use std::fmt;
use std::time::Duration;

/// Who made a claim: random, made once per call, so that a claim repeated after a lost answer is known again.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner(pub [u8; 16]);

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Owner(..)")
    }
}

/// Where a record stands. Its `Debug` does not show the outcome.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// Somebody runs the body, and is believed to until then.
    InFlight {
        /// Whose claim it is.
        owner: Owner,
        /// Until when its holder is believed.
        lease_ends: Timestamp,
    },
    /// There is an outcome.
    Completed {
        /// What was recorded.
        outcome: Vec<u8>,
        /// When it stops to answer; nothing for never.
        ends: Option<Timestamp>,
    },
    /// The body ended without an outcome, and is not run again.
    Interrupted,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InFlight { owner, lease_ends } => {
                f.debug_struct("InFlight").field("owner", owner).field("lease_ends", lease_ends).finish()
            }
            Self::Completed { ends, .. } => f.debug_struct("Completed").field("ends", ends).finish_non_exhaustive(),
            Self::Interrupted => f.write_str("Interrupted"),
        }
    }
}

/// A record as a store holds it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// Where it stands.
    pub state: State,
    /// What must be the same when the key is used again.
    pub fingerprint: Option<[u8; 16]>,
    /// The fencing token of the last claim that was granted.
    pub token: u64,
    /// How many claims were granted for this execution.
    pub attempt: u32,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::InFlight { .. } => "in flight",
            State::Completed { .. } => "completed",
            State::Interrupted => "interrupted",
        };
        f.debug_struct("Record")
            .field("state", &state)
            .field("token", &self.token)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

/// Who asks for a key, and on what terms.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Asker {
    /// The caller.
    pub owner: Owner,
    /// What must be the same as when the key was first used.
    pub fingerprint: Option<[u8; 16]>,
    /// What is to be done where the last leader vanished.
    pub interrupted: OnInterruption,
}

impl Asker {
    /// A caller without a fingerprint.
    #[must_use]
    pub const fn new(owner: Owner, interrupted: OnInterruption) -> Self {
        Self { owner, fingerprint: None, interrupted }
    }

    /// The same with a fingerprint.
    #[must_use]
    pub const fn fingerprint(mut self, fingerprint: Option<[u8; 16]>) -> Self {
        self.fingerprint = fingerprint;
        self
    }
}

/// What a claim comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The key is the caller's: it gets a new token, and runs the body for the `attempt`th time.
    Grant {
        /// 1 for the first execution.
        attempt: u32,
    },
    /// The key is the caller's already: its first claim went through and the answer was lost. Token and attempt stay,
    /// and its lease begins anew, since the body begins only now.
    Mine,
    /// Somebody else runs the body, and is believed for this much longer.
    InFlight(Duration),
    /// There is an outcome.
    Completed,
    /// The key was used for something else.
    Mismatch,
    /// The last leader vanished, and nobody is to run the body again: the record becomes interrupted.
    Interrupt,
    /// The record is interrupted.
    Interrupted,
}

/// What a claim comes to, given what is held under the key.
#[must_use]
pub fn judge(held: Option<&Record>, asker: &Asker, now: Timestamp) -> Verdict {
    let Some(record) = held.filter(|record| !record.has_ended(now)) else { return Verdict::Grant { attempt: 1 } };
    if record.fingerprint != asker.fingerprint {
        return Verdict::Mismatch;
    }
    match &record.state {
        State::Completed { .. } => Verdict::Completed,
        State::Interrupted => Verdict::Interrupted,
        State::InFlight { owner, .. } if *owner == asker.owner => Verdict::Mine,
        State::InFlight { lease_ends, .. } if *lease_ends > now => Verdict::InFlight(now.until(*lease_ends)),
        State::InFlight { .. } => match asker.interrupted {
            OnInterruption::Retry => Verdict::Grant { attempt: record.attempt.saturating_add(1) },
            OnInterruption::RetryUpTo(retries) if record.attempt <= retries => {
                Verdict::Grant { attempt: record.attempt.saturating_add(1) }
            }
            OnInterruption::RetryUpTo(_) | OnInterruption::Fail => Verdict::Interrupt,
        },
    }
}

impl Record {
    /// A record without a fingerprint.
    #[must_use]
    pub const fn new(state: State, token: u64, attempt: u32) -> Self {
        Self { state, fingerprint: None, token, attempt }
    }

    /// The same with a fingerprint.
    #[must_use]
    pub const fn fingerprint(mut self, fingerprint: Option<[u8; 16]>) -> Self {
        self.fingerprint = fingerprint;
        self
    }

    /// Whether its retention is over, so that the key is new again.
    #[must_use]
    pub fn has_ended(&self, now: Timestamp) -> bool {
        matches!(self.state, State::Completed { ends: Some(ends), .. } if ends <= now)
    }

    /// Whether the holder of `token` may still write: it may as long as nobody was granted the key after it, also when
    /// its lease is over, and also when the work was given up for interrupted.
    #[must_use]
    pub fn is_held_by(&self, token: u64) -> bool {
        self.token == token && !matches!(self.state, State::Completed { .. })
    }
}

/// The decision about an adoption.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdoptionDecision {
    /// The outcome is to be recorded, under a new token.
    Record {
        /// The attempt to keep in the record: no body runs, so it does not count one more.
        attempt: u32,
    },
    /// Another holder runs the body, and its lease lasts this much longer.
    InFlight(Duration),
    /// An outcome is recorded.
    Completed,
    /// The key was used with another fingerprint.
    Mismatch,
    /// Another holder vanished, and its effect is unknown: the record becomes interrupted.
    Interrupt,
    /// The record is interrupted.
    Interrupted,
}

/// Decides about an adoption, given what is held under the key: as [`judge`] decides about a claim.
#[must_use]
pub fn decide_adoption(held: Option<&Record>, asker: &Asker, now: Timestamp) -> AdoptionDecision {
    let attempt = held.filter(|record| !record.has_ended(now)).map_or(1, |record| record.attempt);
    match judge(held, asker, now) {
        Verdict::Grant { .. } | Verdict::Mine => AdoptionDecision::Record { attempt },
        Verdict::InFlight(remaining) => AdoptionDecision::InFlight(remaining),
        Verdict::Completed => AdoptionDecision::Completed,
        Verdict::Mismatch => AdoptionDecision::Mismatch,
        Verdict::Interrupt => AdoptionDecision::Interrupt,
        Verdict::Interrupted => AdoptionDecision::Interrupted,
    }
}

/// What writing an outcome comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Completion {
    /// It is to be recorded.
    Record,
    /// It was recorded by the same holder, whose answer was lost.
    Already,
    /// Another holder's outcome is recorded, under the same fingerprint.
    Superseded,
    /// The key belongs to another holder or to none, or another fingerprint's outcome is recorded.
    Lost,
}

/// What writing an outcome comes to, given what is held under the key.
#[must_use]
pub fn judge_completion(
    held: Option<&Record>,
    token: u64,
    fingerprint: Option<[u8; 16]>,
    now: Timestamp,
) -> Completion {
    match held.filter(|record| !record.has_ended(now)) {
        Some(record) if record.is_held_by(token) => Completion::Record,
        Some(Record { state: State::Completed { .. }, token: held, .. }) if *held == token => Completion::Already,
        Some(Record { state: State::Completed { .. }, fingerprint: held, .. }) if *held == fingerprint => {
            Completion::Superseded
        }
        Some(_) | None => Completion::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::{Asker, Completion, OnInterruption, Owner, Record, State, Timestamp, Verdict, judge, judge_completion};
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000);

    fn asker(interrupted: OnInterruption) -> Asker {
        Asker { owner: Owner([1; 16]), fingerprint: None, interrupted }
    }

    fn held(state: State) -> Record {
        Record { state, fingerprint: None, token: 7, attempt: 2 }
    }

    fn in_flight(owner: u8, lease_ends: i64) -> Record {
        held(State::InFlight { owner: Owner([owner; 16]), lease_ends: Timestamp::from_micros(lease_ends) })
    }

    fn completed(ends: Option<i64>) -> Record {
        held(State::Completed { outcome: vec![], ends: ends.map(Timestamp::from_micros) })
    }

    #[test]
    fn a_new_key_and_an_ended_record_are_granted() {
        let retry = asker(OnInterruption::Retry);
        assert_eq!(judge(None, &retry, NOW), Verdict::Grant { attempt: 1 });
        assert_eq!(judge(Some(&completed(Some(1_000_000))), &retry, NOW), Verdict::Grant { attempt: 1 });
        assert_eq!(judge(Some(&completed(Some(1_000_001))), &retry, NOW), Verdict::Completed);
        assert_eq!(judge(Some(&completed(None)), &retry, NOW), Verdict::Completed);
    }

    #[test]
    fn a_lease_is_believed_until_it_ends() {
        let retry = asker(OnInterruption::Retry);
        let remaining = Verdict::InFlight(Duration::from_micros(1));
        assert_eq!(judge(Some(&in_flight(9, 1_000_001)), &retry, NOW), remaining);
        assert_eq!(judge(Some(&in_flight(9, 1_000_000)), &retry, NOW), Verdict::Grant { attempt: 3 });
        assert_eq!(judge(Some(&in_flight(1, 1_000_001)), &retry, NOW), Verdict::Mine);
    }

    #[test]
    fn what_is_done_about_a_vanished_leader_is_the_askers_choice() {
        let lapsed = in_flight(9, 0);
        assert_eq!(judge(Some(&lapsed), &asker(OnInterruption::Fail), NOW), Verdict::Interrupt);
        assert_eq!(judge(Some(&lapsed), &asker(OnInterruption::RetryUpTo(2)), NOW), Verdict::Grant { attempt: 3 });
        assert_eq!(judge(Some(&lapsed), &asker(OnInterruption::RetryUpTo(1)), NOW), Verdict::Interrupt);
        assert_eq!(judge(Some(&held(State::Interrupted)), &asker(OnInterruption::Retry), NOW), Verdict::Interrupted);
    }

    #[test]
    fn another_fingerprint_is_a_mismatch_in_every_state() {
        let other = Asker { fingerprint: Some([1; 16]), ..asker(OnInterruption::Retry) };
        for record in [in_flight(1, 2_000_000), in_flight(9, 0), completed(None), held(State::Interrupted)] {
            assert_eq!(judge(Some(&record), &other, NOW), Verdict::Mismatch);
        }
        assert_eq!(judge(Some(&completed(Some(0))), &other, NOW), Verdict::Grant { attempt: 1 });
    }

    #[test]
    fn only_the_last_token_writes_and_being_late_is_no_reason_to_refuse() {
        assert_eq!(judge_completion(Some(&in_flight(9, 0)), 7, None, NOW), Completion::Record);
        assert_eq!(judge_completion(Some(&held(State::Interrupted)), 7, None, NOW), Completion::Record);
        assert_eq!(judge_completion(Some(&in_flight(9, 2_000_000)), 6, None, NOW), Completion::Lost);
        assert_eq!(judge_completion(Some(&completed(None)), 7, None, NOW), Completion::Already);
        assert_eq!(judge_completion(Some(&completed(None)), 6, None, NOW), Completion::Superseded);
        assert_eq!(judge_completion(Some(&completed(Some(0))), 7, None, NOW), Completion::Lost);
        assert_eq!(judge_completion(None, 7, None, NOW), Completion::Lost);
        assert_eq!(judge_completion(Some(&completed(None)), 6, Some([1; 16]), NOW), Completion::Lost);
    }

    #[test]
    fn an_adoption_records_where_a_claim_would_be_granted_and_counts_no_body() {
        use super::{AdoptionDecision, decide_adoption};
        let (retry, fail) = (asker(OnInterruption::Retry), asker(OnInterruption::Fail));
        assert_eq!(decide_adoption(None, &fail, NOW), AdoptionDecision::Record { attempt: 1 });
        assert_eq!(decide_adoption(Some(&completed(Some(0))), &fail, NOW), AdoptionDecision::Record { attempt: 1 });
        assert_eq!(decide_adoption(Some(&in_flight(9, 0)), &retry, NOW), AdoptionDecision::Record { attempt: 2 });
        assert_eq!(
            decide_adoption(Some(&in_flight(1, 2_000_000)), &fail, NOW),
            AdoptionDecision::Record { attempt: 2 }
        );
        assert_eq!(decide_adoption(Some(&in_flight(9, 0)), &fail, NOW), AdoptionDecision::Interrupt);
        assert_eq!(decide_adoption(Some(&held(State::Interrupted)), &retry, NOW), AdoptionDecision::Interrupted);
        assert_eq!(decide_adoption(Some(&completed(None)), &retry, NOW), AdoptionDecision::Completed);
        let remaining = AdoptionDecision::InFlight(Duration::from_micros(1));
        assert_eq!(decide_adoption(Some(&in_flight(9, 1_000_001)), &retry, NOW), remaining);
        let other = Asker { fingerprint: Some([1; 16]), ..retry };
        assert_eq!(decide_adoption(Some(&completed(None)), &other, NOW), AdoptionDecision::Mismatch);
    }
}
