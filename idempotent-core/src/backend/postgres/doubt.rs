//! Claims whose answers were lost: they may have been carried out, or may arrive and be carried out later.
//!
//! Each claim carries a last moment by the server's clock, after which it takes nothing. So there is an end to what can
//! still arrive, whatever holds it: then the key is given back, if the claim was granted, and the server is asked until
//! it has answered that.

use crate::clock::Timestamp;
use crate::record::Owner;
use crate::store::{Claim, Place};
use crate::underway::{UNTAKEN, Underway};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// The most that are asked about in one transaction.
const MOST: usize = 32;

/// How long it is waited before a server is asked again that did not answer, at first and at most.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);

/// How long it is waited before a server is asked again whose clock was not there yet.
const NOT_YET: Duration = Duration::from_millis(250);

/// The server's clock, told by this process's.
#[derive(Default)]
pub(super) struct ServerClock {
    /// What it said, and when that was heard.
    heard: Option<(Timestamp, Instant)>,
    missed: bool,
}

impl ServerClock {
    /// What it says then, or a little more.
    pub(super) fn at(&self, moment: Instant) -> Option<Timestamp> {
        self.heard.map(|(said, when)| said.after(moment.saturating_duration_since(when)))
    }

    /// Takes what it says.
    pub(super) fn hear(&mut self, said: Timestamp) {
        *self = Self { heard: Some((said, Instant::now())), missed: false };
    }

    /// A claim came to nothing: others were in the way. The second time in a row it may be that the clock was put forward,
    /// so that all claims seem to be late.
    pub(super) fn miss(&mut self) {
        if self.missed {
            *self = Self::default();
        } else {
            self.missed = true;
        }
    }
}

/// Until when what is sent may be carried out.
#[derive(Clone, Copy)]
pub(super) struct Last {
    /// By the server's clock, which decides.
    pub(super) moment: Timestamp,
    /// About then, by this process's.
    pub(super) about: Instant,
}

/// A claim that was sent and not answered.
pub(super) struct Doubt {
    pub(super) place: Place,
    pub(super) owner: Owner,
    pub(super) last: Last,
    /// The tokens that the same owner was told of: those are its own to give back.
    pub(super) told: Vec<u64>,
    _underway: Underway,
}

/// All claims of a lane that were sent and not answered.
pub(super) struct Doubts {
    all: VecDeque<Doubt>,
    not_before: Instant,
    pause: Duration,
    /// How many are asked about together: fewer where one of them may be in the way of the others.
    together: usize,
}

impl Doubts {
    pub(super) fn new() -> Self {
        Self { all: VecDeque::new(), not_before: Instant::now(), pause: FIRST, together: MOST }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    fn of(&mut self, claim: &Claim) -> Option<&mut Doubt> {
        self.all.iter_mut().find(|doubt| doubt.owner == claim.owner && doubt.place == claim.place)
    }

    /// A claim was sent and not answered.
    pub(super) fn add(&mut self, claim: &Claim, last: Last) {
        if let Some(doubt) = self.of(claim) {
            doubt.last = Last { moment: last.moment.max(doubt.last.moment), about: last.about.max(doubt.last.about) };
            return;
        }
        let Claim { place, owner, .. } = claim.clone();
        self.all.push_back(Doubt { place, owner, last, told: Vec::new(), _underway: UNTAKEN.begin() });
    }

    /// An owner was told that it has a key: that is not taken away from it, though it was asked for before.
    pub(super) fn told(&mut self, claim: &Claim, token: u64) {
        if let Some(doubt) = self.of(claim) {
            doubt.told.push(token);
        }
    }

    /// When the server is to be asked next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.all.iter().map(|doubt| doubt.last.about).min().map(|about| about.max(self.not_before))
    }

    pub(super) fn are_due(&self) -> bool {
        self.next().is_some_and(|next| next <= Instant::now())
    }

    /// Those to ask about, for which there can be an answer.
    pub(super) fn take(&mut self) -> Vec<Doubt> {
        let now = Instant::now();
        let (due, rest): (VecDeque<_>, VecDeque<_>) = self.all.drain(..).partition(|doubt| doubt.last.about <= now);
        let mut due: Vec<Doubt> = due.into();
        self.all = due.split_off(self.together.min(due.len())).into();
        self.all.extend(rest);
        due
    }

    /// The server answered; these are still open, because its clock is not there yet.
    pub(super) fn keep(&mut self, open: impl IntoIterator<Item = Doubt>) {
        (self.not_before, self.pause, self.together) = (Instant::now(), FIRST, MOST.min(self.together * 2));
        self.all.extend(open.into_iter().map(|mut doubt| {
            doubt.last.about = Instant::now() + NOT_YET;
            doubt
        }));
    }

    /// The server did not answer.
    pub(super) fn put_back(&mut self, unanswered: Vec<Doubt>) {
        self.all.extend(unanswered);
        self.together = (self.together / 2).max(1);
        self.postpone();
    }

    /// The server was not reached.
    pub(super) fn postpone(&mut self) {
        self.not_before = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(LONGEST);
    }

    /// Nobody is left who could be helped by an answer.
    pub(super) fn give_up(&mut self) {
        self.all.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{Doubts, Last, MOST, ServerClock};
    use crate::clock::Timestamp;
    use crate::record::{OnInterruption, Owner};
    use crate::store::{Claim, Place};
    use std::time::Duration;
    use tokio::time::Instant;

    fn claim(key: usize) -> Claim {
        let place = Place { scope: "tests".into(), key: key.to_string().into() };
        Claim::new(place, Owner([1; 16]), Duration::from_secs(1), OnInterruption::Retry)
    }

    fn last(moment: i64) -> Last {
        Last { moment: Timestamp::from_micros(moment), about: Instant::now() }
    }

    #[test]
    fn a_clock_that_was_heard_goes_on_until_it_is_found_wrong_twice() {
        let mut clock = ServerClock::default();
        assert_eq!(clock.at(Instant::now()), None);
        clock.hear(Timestamp::from_micros(1_000_000));
        let second = Duration::from_secs(1);
        assert!(clock.at(Instant::now() + second) >= Some(Timestamp::from_micros(2_000_000)));
        clock.miss();
        clock.hear(Timestamp::from_micros(1_000_000));
        clock.miss();
        assert!(clock.at(Instant::now()).is_some());
        clock.miss();
        assert_eq!(clock.at(Instant::now()), None);
    }

    #[test]
    fn a_claim_that_is_lost_twice_is_one_doubt_until_the_later_moment() {
        let mut doubts = Doubts::new();
        assert!(doubts.is_empty() && !doubts.are_due());
        for moment in [1, 3, 2] {
            doubts.add(&claim(1), last(moment));
        }
        doubts.told(&claim(1), 7);
        doubts.told(&claim(2), 8);
        let taken = doubts.take();
        assert!(doubts.is_empty());
        let [doubt] = taken.as_slice() else { panic!("{} doubts", taken.len()) };
        assert_eq!((doubt.last.moment, doubt.told.as_slice()), (Timestamp::from_micros(3), [7].as_slice()));
    }

    #[test]
    fn they_are_asked_about_when_their_moment_has_passed_and_no_more_often_than_is_good() {
        let mut doubts = Doubts::new();
        for key in 0..=MOST {
            doubts.add(&claim(key), last(1));
        }
        let later = Last { about: Instant::now() + Duration::from_mins(1), ..last(1) };
        doubts.add(&claim(MOST + 1), later);
        assert!(doubts.are_due());
        let taken = doubts.take();
        assert_eq!(taken.len(), MOST);
        assert_eq!(doubts.take().len(), 1);
        assert!(doubts.take().is_empty() && !doubts.is_empty());
        doubts.put_back(taken);
        assert!(!doubts.are_due() && doubts.next() < Some(later.about));
        let taken = doubts.take();
        assert_eq!(taken.len(), MOST / 2);
        doubts.keep(taken);
        assert!(doubts.are_due(), "the others");
        let taken = doubts.take();
        doubts.keep(taken);
        assert!(!doubts.are_due(), "the server's clock is not there yet");
    }
}
