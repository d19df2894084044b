//! When the records of one shard end, soonest first.

use crate::clock::Tick;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A heap of (end, hash of the key): enough to find the record again, and half the size of holding its key.
#[derive(Debug, Default)]
pub(super) struct Ends(BinaryHeap<Reverse<(Tick, u64)>>);

/// Below this many ends nothing is worth tidying.
const FEW: usize = 64;

impl Ends {
    pub(super) fn push(&mut self, end: Tick, hash: u64) {
        self.0.push(Reverse((end, hash)));
    }

    /// The next end that has passed.
    pub(super) fn pop(&mut self, now: Tick) -> Option<(Tick, u64)> {
        let Reverse((end, _)) = *self.0.peek()?;
        if end > now {
            return None;
        }
        self.0.pop().map(|Reverse(next)| next)
    }

    /// Whether most of the ends belong to records that were forgotten before their time.
    pub(super) fn are_mostly_stale(&self, records: usize) -> bool {
        self.0.len() > FEW && self.0.len() / 2 > records
    }

    pub(super) fn retain(&mut self, is_held: &mut dyn FnMut(Tick, u64) -> bool) {
        let mut ends = std::mem::take(&mut self.0).into_vec();
        // A key that is forgotten and made again within one tick has one end many times.
        ends.sort_unstable();
        ends.dedup();
        ends.retain(|Reverse((end, hash))| is_held(*end, *hash));
        ends.shrink_to(ends.len() * 2);
        self.0 = BinaryHeap::from(ends);
    }

    /// Gives memory back once a quarter of it would do.
    pub(super) fn tidy(&mut self) {
        if self.0.capacity() > FEW && self.0.len() < self.0.capacity() / 4 {
            self.0.shrink_to(self.0.len() * 2);
        }
    }

    pub(super) fn clear(&mut self) {
        self.0 = BinaryHeap::new();
    }
}
