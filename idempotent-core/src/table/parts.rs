//! The parts that a table is made of, so that callers with different keys seldom meet at a lock.

use super::index::{Cell, Index};
use super::lock::{Lock, ReadGuard, WriteGuard};
use crate::key::{Key, Print, Text};
use crossbeam_utils::CachePadded;
use foldhash::fast::RandomState;
use std::thread::available_parallelism;

/// One part: its keys, and the outcomes in cells beside them.
pub(super) struct Part<T, P> {
    pub(super) index: Index<P>,
    cells: Vec<Option<T>>,
}

/// Each on cache lines of its own, so that two locks do not slow each other down.
type Padded<T, P> = CachePadded<Lock<Part<T, P>>>;

pub(super) struct Parts<T, P> {
    all: Box<[Padded<T, P>]>,
    hasher: RandomState,
    shift: u32,
}

impl<T, P: Print> Parts<T, P> {
    pub(super) fn new() -> Self {
        let count = count();
        let parts = (0..count).map(|_| CachePadded::new(Lock::new(Part { index: Index::new(), cells: Vec::new() })));
        Self { all: parts.collect(), hasher: RandomState::default(), shift: u64::BITS - count.trailing_zeros() }
    }

    pub(super) fn hasher(&self) -> &RandomState {
        &self.hasher
    }

    #[inline]
    pub(super) fn hash_of_text(&self, text: &Text<'_>) -> u64 {
        text.hash_with(&self.hasher)
    }

    pub(super) fn hash_of_key(&self, key: &Key) -> u64 {
        key.hash_with(&self.hasher)
    }

    #[inline]
    fn part(&self, hash: u64) -> &Lock<Part<T, P>> {
        // The first seven bits are what the index tells keys apart by; the next ones choose the part.
        #[expect(clippy::cast_possible_truncation, reason = "a part's number is small")]
        let number = ((hash << 7) >> self.shift) as usize;
        &self.all[number]
    }

    #[inline]
    pub(super) fn read(&self, hash: u64) -> ReadGuard<'_, Part<T, P>> {
        self.part(hash).read()
    }

    pub(super) fn write(&self, hash: u64) -> WriteGuard<'_, Part<T, P>> {
        self.part(hash).write()
    }

    /// Every part, one after the other.
    pub(super) fn write_each(&self) -> impl Iterator<Item = WriteGuard<'_, Part<T, P>>> {
        self.all.iter().map(|part| part.write())
    }

    pub(super) fn len(&self) -> usize {
        self.all.iter().map(|part| part.read().index.len()).sum()
    }
}

/// Four for each processor, so that two callers seldom want the same.
fn count() -> usize {
    if cfg!(shuttle) { 2 } else { (available_parallelism().map_or(1, usize::from) * 4).next_power_of_two() }
}

impl<T, P: Print> Part<T, P> {
    #[inline]
    pub(super) fn outcome(&self, cell: Cell) -> Option<&T> {
        self.cells.get(cell as usize)?.as_ref()
    }

    pub(super) fn put(&mut self, cell: Cell, outcome: T) {
        match self.cells.get_mut(cell as usize) {
            Some(place) => *place = Some(outcome),
            None => self.cells.push(Some(outcome)),
        }
    }

    pub(super) fn take(&mut self, cell: Cell) -> Option<T> {
        self.cells.get_mut(cell as usize)?.take()
    }

    /// Takes the outcomes of records that were swept, and gives their room back once most of it is free.
    pub(super) fn take_swept(&mut self, swept: &[Cell], hasher: &RandomState) -> Vec<T> {
        let outcomes = swept.iter().filter_map(|cell| self.take(*cell)).collect();
        if !swept.is_empty()
            && let Some(order) = self.index.compact(hasher)
        {
            self.cells = order.into_iter().map(|cell| self.take(cell)).collect();
        }
        outcomes
    }

    /// Takes all outcomes.
    pub(super) fn take_all(&mut self) -> Vec<Option<T>> {
        std::mem::take(&mut self.cells)
    }
}
