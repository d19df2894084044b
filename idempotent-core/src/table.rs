//! The records of one operation in this process: a map from key to an execution in flight or a kept outcome.

mod ends;
mod entry;
mod erased;
mod guard;
#[cfg(all(test, shuttle))]
mod interleavings;
mod map;
mod shards;

pub(crate) use erased::AnyTable;
pub(crate) use guard::{Follow, Lead, Look, TableRef};

use crate::clock::{Clock, Tick};
use crate::context::is_inside;
use crate::error::ErrorKind;
use crate::flight::Flight;
use crate::key::{Key, Print, Text};
use crate::policy::{InFlight, Policy, Retention};
use crate::sync::atomic::{AtomicUsize, Ordering};
use entry::Entry;
use shards::{Shard, Shards};
use std::mem;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// How many expired records an insertion takes away: more than one, so that they cannot pile up.
const SWEPT_PER_INSERTION: usize = 4;

pub(crate) struct Table<T, P> {
    shards: Shards<T, P>,
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
    Flying(Arc<Flight<T>>),
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

/// What is left of an execution and of records that ended: the user's values, whose drop may do anything.
pub(crate) struct Residue<T, P> {
    outcomes: [Option<T>; 2],
    #[expect(dead_code, reason = "it is there for its drop")]
    expired: Vec<Entry<T, P>>,
}

impl<T, P> Default for Residue<T, P> {
    fn default() -> Self {
        Self { outcomes: [None, None], expired: Vec::new() }
    }
}

impl<T: Clone + Send + Sync + 'static, P: Print> Table<T, P> {
    pub(crate) fn new(scope: &'static str, policy: &Policy, clock: Clock) -> Self {
        Self {
            shards: Shards::new(),
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
    pub(crate) fn replay(&self, text: &Text, print: P) -> Option<T> {
        let hash = self.shards.hash_of_text(text);
        // The clock is read before the lock, and not at all where records never end.
        let now = if self.retention == Retention::Forever { None } else { Some(self.clock.now()) };
        let shard = self.shards.read(hash);
        match shard.get(hash, |key| key.matches(text))? {
            Entry::Kept { end, print: kept, outcome } if *kept == print => {
                let live = *end == Tick::NEVER || *end > now.unwrap_or_else(|| self.clock.now());
                live.then(|| outcome.clone())
            }
            _ => None,
        }
    }

    /// Looks the key up, and takes it where nobody has it.
    pub(crate) fn claim(&self, text: &Text, print: P, reject: bool) -> Found<T> {
        let hash = self.shards.hash_of_text(text);
        let now = self.clock.now();
        let mut swept = false;
        loop {
            let mut shard = self.shards.write(hash);
            if let Some(entry) = shard.get_mut(hash, |key| key.matches(text)) {
                return self.meet(entry, text, print, reject, now);
            }
            if self.reserve() {
                let Some(key) = text.to_key() else { return Found::Refused(ErrorKind::InvalidKey) };
                shard.insert(hash, key.clone(), Entry::Led { print, flight: None }, self.shards.hasher());
                return Found::Vacant { key, expired: None };
            }
            drop(shard);
            if mem::replace(&mut swept, true) {
                return Found::Refused(ErrorKind::Full);
            }
            self.sweep_all(now);
        }
    }

    fn meet(&self, entry: &mut Entry<T, P>, text: &Text, print: P, reject: bool, now: Tick) -> Found<T> {
        match entry {
            Entry::Kept { end, print: kept, outcome } if *end > now => {
                if *kept == print {
                    Found::Kept(outcome.clone())
                } else {
                    Found::Refused(ErrorKind::KeyReused)
                }
            }
            Entry::Kept { .. } => {
                let Some(key) = text.to_key() else { return Found::Refused(ErrorKind::InvalidKey) };
                let expired = match mem::replace(entry, Entry::Led { print, flight: None }) {
                    Entry::Kept { outcome, .. } => Some(outcome),
                    Entry::Led { .. } => None,
                };
                Found::Vacant { key, expired }
            }
            Entry::Led { print: led, .. } if *led != print => Found::Refused(ErrorKind::KeyReused),
            Entry::Led { .. } if is_inside(self.id(), text) => Found::Refused(ErrorKind::Reentrant),
            Entry::Led { .. } if reject => Found::Refused(ErrorKind::InFlight),
            Entry::Led { flight, .. } => {
                let flight = flight.get_or_insert_with(|| Arc::new(Flight::new()));
                flight.seat().followers += 1;
                Found::Flying(flight.clone())
            }
        }
    }

    /// Ends the leader's execution of `key`. What it returns is the user's, and to be dropped when everything is done.
    pub(crate) fn settle(&self, key: &Key, settled: Settled<T>, retention: Option<Retention>) -> Residue<T, P> {
        match settled {
            Settled::Kept(outcome) => {
                let end = match retention.unwrap_or(self.retention) {
                    Retention::Forever => Tick::NEVER,
                    Retention::For(span) => self.clock.now().after(span),
                };
                self.land(key, outcome, Some(end))
            }
            Settled::Shared(outcome) => self.land(key, outcome, None),
            Settled::Released => {
                self.vacate(key);
                Residue::default()
            }
        }
    }

    /// Hands the outcome to the followers, and records it where it has an end.
    fn land(&self, key: &Key, outcome: T, end: Option<Tick>) -> Residue<T, P> {
        let hash = self.shards.hash_of_key(key);
        let mut copy = None;
        loop {
            let mut shard = self.shards.write(hash);
            let Some(Entry::Led { print, flight }) = shard.get_mut(hash, |held| held == key) else {
                return Residue { outcomes: [Some(outcome), copy], ..Residue::default() };
            };
            let print = *print;
            if let Some(flight) = &*flight {
                let seat = flight.seat();
                if seat.forgotten {
                    drop(seat);
                    drop(shard);
                    self.vacate(key);
                    return Residue { outcomes: [Some(outcome), copy], ..Residue::default() };
                }
                if seat.followers > 0 && copy.is_none() {
                    // Cloning may run the user's code, so it happens between two looks.
                    drop(seat);
                    drop(shard);
                    copy = Some(outcome.clone());
                    continue;
                }
            }
            // Outcome and entry change in one critical section: whoever comes next sees both or neither.
            let flight = flight.take();
            if let Some(flight) = &flight
                && let Some(copy) = copy.take()
            {
                flight.land(copy);
            }
            let mut residue = self.replace(&mut shard, hash, key, print, outcome, end);
            drop(shard);
            if let Some(flight) = flight {
                flight.wake_all();
            }
            residue.outcomes[1] = copy;
            return residue;
        }
    }

    /// Writes the record in the place of the flight, or takes the entry away.
    fn replace(
        &self,
        shard: &mut Shard<'_, T, P>,
        hash: u64,
        key: &Key,
        print: P,
        outcome: T,
        end: Option<Tick>,
    ) -> Residue<T, P> {
        let Some(end) = end else {
            self.take_away(shard, hash, key);
            return Residue { outcomes: [Some(outcome), None], ..Residue::default() };
        };
        if let Some(entry) = shard.get_mut(hash, |held| held == key) {
            *entry = Entry::Kept { end, print, outcome };
        }
        if end == Tick::NEVER {
            return Residue::default();
        }
        shard.will_end(end, hash, self.shards.hasher());
        let expired = shard.sweep(self.clock.now(), SWEPT_PER_INSERTION, self.shards.hasher());
        self.unreserve(expired.len());
        Residue { expired, ..Residue::default() }
    }

    /// The leader is gone without an outcome: a follower takes its seat, or the key is free.
    pub(crate) fn vacate(&self, key: &Key) {
        let hash = self.shards.hash_of_key(key);
        let mut shard = self.shards.write(hash);
        let Some(Entry::Led { flight, .. }) = shard.get_mut(hash, |held| held == key) else { return };
        if let Some(flight) = flight.as_ref().filter(|flight| flight.seat().vacate()).cloned() {
            drop(shard);
            flight.wake_some();
            return;
        }
        self.take_away(&mut shard, hash, key);
    }

    /// A follower is gone; the last one from a vacant seat frees the key.
    pub(crate) fn leave(&self, key: &Key, left: &Arc<Flight<T>>) {
        if left.has_landed() {
            return;
        }
        let hash = self.shards.hash_of_key(key);
        let mut shard = self.shards.write(hash);
        let Some(Entry::Led { flight: Some(flight), .. }) = shard.get_mut(hash, |held| held == key) else { return };
        if !Arc::ptr_eq(flight, left) {
            return;
        }
        let mut seat = flight.seat();
        seat.followers -= 1;
        let abandoned = !seat.taken && seat.followers == 0;
        drop(seat);
        if abandoned {
            self.take_away(&mut shard, hash, key);
        }
    }

    /// Removes an entry in flight, which holds nothing whose drop could run the user's code.
    fn take_away(&self, shard: &mut Shard<'_, T, P>, hash: u64, key: &Key) {
        if shard.remove(hash, |held, _| held == key).is_some() {
            self.unreserve(1);
        }
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
        let mut swept = 0;
        for mut shard in self.shards.write_each() {
            let expired = shard.sweep(now, usize::MAX, self.shards.hasher());
            drop(shard);
            self.unreserve(expired.len());
            swept += expired.len();
        }
        swept
    }
}
