//! The map itself, each part of it with the ends of its records beside it.

use super::ends::Ends;
use super::entry::Entry;
use super::map::{Map, ReadGuard, WriteGuard};
use crate::clock::Tick;
use crate::key::{Key, Text};
use dashmap::SharedValue;
use foldhash::fast::RandomState;
use std::sync::{Mutex, PoisonError};

/// Below this many places a shard's memory is not worth giving back.
const FEW: usize = 64;

pub(super) struct Shards<T, P> {
    map: Map<T, P>,
    /// One per shard, locked only by who holds the shard for writing.
    ends: Box<[Mutex<Ends>]>,
}

/// A shard locked for reading.
pub(super) struct Shelf<'a, T, P>(ReadGuard<'a, T, P>);

/// A shard locked for writing.
pub(super) struct Shard<'a, T, P> {
    records: WriteGuard<'a, T, P>,
    ends: &'a Mutex<Ends>,
}

impl<T, P> Shards<T, P> {
    pub(super) fn new() -> Self {
        let map = Map::new();
        let ends = (0..map.parts()).map(|_| Mutex::default()).collect();
        Self { map, ends }
    }

    pub(super) fn hasher(&self) -> &RandomState {
        self.map.hasher()
    }

    #[inline]
    pub(super) fn hash_of_text(&self, text: &Text) -> u64 {
        text.hash_with(self.map.hasher())
    }

    pub(super) fn hash_of_key(&self, key: &Key) -> u64 {
        key.hash_with(self.map.hasher())
    }

    #[inline]
    pub(super) fn read(&self, hash: u64) -> Shelf<'_, T, P> {
        Shelf(self.map.read(self.map.part_of(hash)))
    }

    pub(super) fn write(&self, hash: u64) -> Shard<'_, T, P> {
        self.shard(self.map.part_of(hash))
    }

    fn shard(&self, part: usize) -> Shard<'_, T, P> {
        Shard { records: self.map.write(part), ends: &self.ends[part] }
    }

    /// Every shard, one after the other.
    pub(super) fn write_each(&self) -> impl Iterator<Item = Shard<'_, T, P>> {
        (0..self.ends.len()).map(|part| self.shard(part))
    }

    pub(super) fn len(&self) -> usize {
        (0..self.ends.len()).map(|part| self.map.read(part).len()).sum()
    }
}

impl<T, P> Shelf<'_, T, P> {
    #[inline]
    pub(super) fn get(&self, hash: u64, is_it: impl Fn(&Key) -> bool) -> Option<&Entry<T, P>> {
        self.0.get(hash, |(key, _)| is_it(key)).map(|(_, entry)| entry.get())
    }
}

impl<T, P> Shard<'_, T, P> {
    pub(super) fn get_mut(&mut self, hash: u64, is_it: impl Fn(&Key) -> bool) -> Option<&mut Entry<T, P>> {
        self.records.get_mut(hash, |(key, _)| is_it(key)).map(|(_, entry)| entry.get_mut())
    }

    pub(super) fn insert(&mut self, hash: u64, key: Key, entry: Entry<T, P>, hasher: &RandomState) {
        self.records.insert(hash, (key, SharedValue::new(entry)), |(key, _)| key.hash_with(hasher));
    }

    pub(super) fn remove(&mut self, hash: u64, is_it: impl Fn(&Key, &Entry<T, P>) -> bool) -> Option<Entry<T, P>> {
        let (_, entry) = self.records.remove_entry(hash, |(key, entry)| is_it(key, entry.get()))?;
        Some(entry.into_inner())
    }

    /// Takes everything out of the shard.
    pub(super) fn drain(&mut self) -> Vec<(Key, Entry<T, P>)> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.records.drain().map(|(key, entry)| (key, entry.into_inner())).collect()
    }

    /// Notes when a record ends.
    pub(super) fn will_end(&mut self, end: Tick, hash: u64, hasher: &RandomState) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if ends.are_mostly_stale(self.records.len()) {
            ends.retain(|end, hash| self.records.get(hash, is_record_of(end, hash, hasher)).is_some());
        }
        ends.push(end, hash);
    }

    /// Takes out up to `limit` records that have ended, to be dropped after the lock.
    pub(super) fn sweep(&mut self, now: Tick, limit: usize, hasher: &RandomState) -> Vec<Entry<T, P>> {
        let mut expired = Vec::new();
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        while expired.len() < limit
            && let Some((end, hash)) = ends.pop(now)
        {
            let record = self.records.remove_entry(hash, is_record_of(end, hash, hasher));
            expired.extend(record.map(|(_, entry)| entry.into_inner()));
        }
        if !expired.is_empty() {
            ends.tidy();
            if self.records.capacity() > FEW && self.records.len() < self.records.capacity() / 4 {
                let room = self.records.len() * 2;
                self.records.shrink_to(room, |(key, _)| key.hash_with(hasher));
            }
        }
        expired
    }
}

/// Whether a record is the one that an end belongs to. The end alone does not tell: many records have one end, and the
/// map asks about each whose hash looks alike in its first bits.
fn is_record_of<T, P>(end: Tick, hash: u64, hasher: &RandomState) -> impl Fn(&(Key, SharedValue<Entry<T, P>>)) -> bool {
    move |(key, entry)| {
        matches!(entry.get(), Entry::Kept { end: at, .. } if *at == end) && key.hash_with(hasher) == hash
    }
}
