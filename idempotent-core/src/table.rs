//! The records of one operation in this process: a map from key to an execution in flight or a kept outcome.

mod ends;
mod erased;
mod guard;
mod index;
#[cfg(all(test, shuttle))]
mod interleavings;
mod lock;
mod parts;

pub(crate) use erased::AnyTable;
pub(crate) use guard::{Follow, Lead, Look, TableRef};

use crate::clock::{Clock, Tick};
use crate::context::{Frame, enter};
use crate::error::ErrorKind;
use crate::flight::Flight;
use crate::key::{Key, Print, Text};
use crate::policy::{InFlight, Policy, Retention};
use crate::sync::atomic::{AtomicUsize, Ordering};
use index::{Asker, Cell, Landing, Met, Slot};
use parts::{Part, Parts};
use std::mem;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// How many expired records an insertion takes away: more than one, so that they cannot pile up.
const SWEPT_PER_INSERTION: usize = 4;

pub(crate) struct Table<T, P> {
    parts: Parts<T, P>,
    clock: Clock,
    scope: &'static str,
    retention: Retention,
    in_flight: InFlight,
    capacity: Option<NonZeroUsize>,
    /// How many records there are; counted only where `capacity` bounds them.
    reserved: AtomicUsize,
}

/// What a caller found under its key.
pub(crate) enum Found<T> {
    Kept(T),
    /// Nothing, or an outcome that has expired: the caller now leads. What it replaces is dropped once the key is held,
    /// since that may run the user's code.
    Vacant {
        key: Key,
        expired: Option<T>,
    },
    Flying(Arc<Flight>),
    Refused(ErrorKind),
}

/// What becomes of a leader's outcome.
#[derive(Debug)]
pub enum Settled<T> {
    /// It is recorded, and followers get a clone.
    Kept(T),
    /// It is not recorded, and followers get a clone.
    Shared(T),
    /// It is not recorded, and a follower runs again.
    Released,
}

impl<T> Settled<T> {
    #[inline]
    pub(crate) fn is_kept(&self) -> bool {
        matches!(self, Self::Kept(_))
    }
}

/// What is left of an execution and of records that ended: the user's values, whose drop may do anything.
pub(crate) struct Residue<T> {
    outcomes: [Option<T>; 2],
    expired: Vec<T>,
    /// Whose followers have an outcome, and are to be woken.
    landed: Option<Arc<Flight>>,
}

impl<T> Default for Residue<T> {
    fn default() -> Self {
        Self { outcomes: [None, None], expired: Vec::new(), landed: None }
    }
}

impl<T> Residue<T> {
    /// Wakes the followers, and drops the rest.
    pub(crate) fn wake(self) {
        if let Some(flight) = &self.landed {
            flight.wake_all();
        }
    }
}

impl<T: Clone + Send + Sync + 'static, P: Print> Table<T, P> {
    pub(crate) fn new(scope: &'static str, policy: &Policy, clock: Clock) -> Self {
        Self {
            parts: Parts::new(),
            clock,
            scope,
            retention: policy.retention,
            in_flight: policy.in_flight,
            capacity: policy.capacity,
            reserved: AtomicUsize::new(0),
        }
    }

    pub(crate) fn scope(&self) -> &'static str {
        self.scope
    }

    #[cfg(feature = "durable")]
    pub(crate) fn retention(&self) -> Retention {
        self.retention
    }

    pub(crate) fn in_flight(&self) -> InFlight {
        self.in_flight
    }

    /// Tells this table from every other one, for as long as it lives.
    pub(crate) fn id(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// A clone of the kept outcome, if there is one; the path of almost every call, so it does nothing else.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn replay(&self, text: &Text<'_>, print: P) -> Option<T> {
        let hash = self.parts.hash_of_text(text);
        // The clock is read before the lock, and not at all where records never end.
        let now = if self.retention == Retention::Forever { None } else { Some(self.clock.now()) };
        let part = self.parts.read(hash);
        match part.index.get(hash, text)? {
            Slot::Kept { end, print: kept, cell } if *kept == print => {
                let live = *end == Tick::NEVER || *end > now.unwrap_or_else(|| self.clock.now());
                if live { part.outcome(*cell).cloned() } else { None }
            }
            _ => None,
        }
    }

    /// Looks the key up, and takes it where nobody has it.
    pub(crate) fn claim(&self, text: &Text<'_>, print: P, reject: bool) -> Found<T> {
        let hash = self.parts.hash_of_text(text);
        let asker = Asker { text, print, reject, table: self.id(), now: self.clock.now() };
        let mut swept = false;
        loop {
            let mut part = self.parts.write(hash);
            match part.index.meet(hash, &asker) {
                Met::Kept(cell) => {
                    return part.outcome(cell).cloned().map_or(Found::Refused(ErrorKind::OutcomeLost), Found::Kept);
                }
                Met::Expired(key, cell) => return Found::Vacant { key, expired: part.take(cell) },
                Met::Flying(flight) => return Found::Flying(flight),
                Met::Refused(kind) => return Found::Refused(kind),
                Met::Absent => {}
            }
            if self.reserve() {
                let Some(key) = text.to_key() else { return Found::Refused(ErrorKind::InvalidKey) };
                part.index.lead(hash, key.clone(), print, self.parts.hasher());
                return Found::Vacant { key, expired: None };
            }
            drop(part);
            if mem::replace(&mut swept, true) {
                return Found::Refused(ErrorKind::Full);
            }
            self.sweep_all(asker.now);
        }
    }

    /// Ends the leader's execution of `key`. What it returns is the user's, and to be dropped when everything is done.
    pub(crate) fn settle(&self, frame: &mut Frame, settled: Settled<T>, retention: Option<Retention>) -> Residue<T> {
        match settled {
            Settled::Kept(outcome) => {
                let now = self.clock.now();
                let end = match retention.unwrap_or(self.retention) {
                    Retention::Forever => Tick::NEVER,
                    Retention::For(span) => now.after(span),
                };
                self.land(frame, outcome, Some((end, now)))
            }
            Settled::Shared(outcome) => self.land(frame, outcome, None),
            Settled::Released => {
                self.vacate(&frame.key);
                Residue::default()
            }
        }
    }

    /// Hands the outcome to the followers, and records it where it has an end.
    fn land(&self, frame: &mut Frame, outcome: T, record: Option<(Tick, Tick)>) -> Residue<T> {
        let hash = self.parts.hash_of_key(&frame.key);
        let mut copy = None;
        loop {
            let mut part = self.parts.write(hash);
            if let Some((end, now)) = record
                && let Some(cell) = part.index.keep_alone(hash, &frame.key, end, self.parts.hasher())
            {
                let expired = self.put(&mut part, cell, outcome, now);
                return Residue { outcomes: [None, copy], expired, landed: None };
            }
            match part.index.landing(hash, &frame.key) {
                Landing::Followed if copy.is_none() => {
                    // Cloning may run the user's code, so it happens between two looks, and inside the execution.
                    drop(part);
                    let entered = enter(Some(frame));
                    copy = Some(outcome.clone());
                    drop(entered);
                    continue;
                }
                Landing::Followed | Landing::Alone => {}
                Landing::Forgotten => {
                    drop(part);
                    self.vacate(&frame.key);
                    return Residue { outcomes: [Some(outcome), copy], ..Residue::default() };
                }
                Landing::Gone => return Residue { outcomes: [Some(outcome), copy], ..Residue::default() },
            }
            // Outcome and entry change in one critical section: whoever comes next sees both or neither.
            let (mut residue, flight) = self.replace(&mut part, hash, &frame.key, outcome, record);
            if let Some(flight) = flight
                && let Some(copy) = copy.take()
            {
                flight.land(Box::new(copy));
                residue.landed = Some(flight);
            }
            residue.outcomes[1] = copy;
            return residue;
        }
    }

    /// Writes the record in the place of the flight, or takes the entry away; whoever waited.
    fn replace(
        &self,
        part: &mut Part<T, P>,
        hash: u64,
        key: &Key,
        outcome: T,
        record: Option<(Tick, Tick)>,
    ) -> (Residue<T>, Option<Arc<Flight>>) {
        let mut residue = Residue::default();
        let kept = record.and_then(|(end, now)| Some((now, part.index.keep(hash, key, end, self.parts.hasher())?)));
        let Some((now, (cell, flight))) = kept else {
            residue.outcomes[0] = Some(outcome);
            self.unreserve(1);
            return (residue, part.index.drop_flight(hash, key));
        };
        residue.expired = self.put(part, cell, outcome, now);
        (residue, flight)
    }

    /// Puts an outcome into its cell, and takes some expired ones out of theirs.
    fn put(&self, part: &mut Part<T, P>, cell: Cell, outcome: T, now: Tick) -> Vec<T> {
        part.put(cell, outcome);
        let swept = part.index.sweep(now, SWEPT_PER_INSERTION, self.parts.hasher());
        self.unreserve(swept.len());
        part.take_swept(&swept, self.parts.hasher())
    }

    /// The leader is gone without an outcome: a follower takes its seat, or the key is free.
    pub(crate) fn vacate(&self, key: &Key) {
        let hash = self.parts.hash_of_key(key);
        let vacated = self.parts.write(hash).index.vacate(hash, key);
        match vacated {
            Ok(flight) => flight.wake_some(),
            Err(free) => self.unreserve(usize::from(free)),
        }
    }

    /// A follower is gone; the last one from a vacant seat frees the key.
    pub(crate) fn leave(&self, key: &Key, left: &Arc<Flight>) {
        let hash = self.parts.hash_of_key(key);
        let free = self.parts.write(hash).index.leave(hash, key, left);
        self.unreserve(usize::from(free));
    }

    fn reserve(&self) -> bool {
        let Some(capacity) = self.capacity else { return true };
        let more = |taken: usize| (taken < capacity.get()).then_some(taken + 1);
        self.reserved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn unreserve(&self, records: usize) {
        if self.capacity.is_some() && records > 0 {
            self.reserved.fetch_sub(records, Ordering::Relaxed);
        }
    }

    fn sweep_all(&self, now: Tick) -> usize {
        let mut count = 0;
        for mut part in self.parts.write_each() {
            let swept = part.index.sweep(now, usize::MAX, self.parts.hasher());
            let expired = part.take_swept(&swept, self.parts.hasher());
            drop(part);
            self.unreserve(swept.len());
            count += swept.len();
            drop(expired);
        }
        count
    }
}
