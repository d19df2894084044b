//! A table as those see it who do not know what it keeps.

use super::Table;
use super::entry::Entry;
use crate::flight::Flight;
use crate::key::{Print, Text};
use std::any::Any;
use std::sync::Arc;

pub(crate) trait AnyTable: Any + Send + Sync {
    /// Takes a record away, or marks it where it is in flight; whether there was one.
    fn forget(&self, text: &Text) -> bool;
    /// Forgets everything; how many records that were.
    fn clear(&self) -> usize;
    /// Takes away what has expired; how many records that were.
    fn purge(&self) -> usize;
    /// Records and executions in flight, with the expired ones that nobody has taken away yet.
    fn len(&self) -> usize;
}

impl<T: Clone + Send + Sync + 'static, P: Print> AnyTable for Table<T, P> {
    fn forget(&self, text: &Text) -> bool {
        let hash = self.shards.hash_of_text(text);
        let mut shard = self.shards.write(hash);
        let Some(entry) = shard.get_mut(hash, |key| key.matches(text)) else { return false };
        let live = match entry {
            Entry::Led { .. } => {
                mark(entry);
                return true;
            }
            Entry::Kept { end, .. } => *end > self.clock.now(),
        };
        let record = shard.remove(hash, |key, _| key.matches(text));
        drop(shard);
        self.unreserve(1);
        drop(record);
        live
    }

    fn clear(&self) -> usize {
        let mut cleared = 0;
        for mut shard in self.shards.write_each() {
            let mut kept = Vec::new();
            for (key, mut entry) in shard.drain() {
                cleared += 1;
                if let Entry::Led { .. } = entry {
                    mark(&mut entry);
                    let hash = self.shards.hash_of_key(&key);
                    shard.insert(hash, key, entry, self.shards.hasher());
                } else {
                    kept.push(entry);
                }
            }
            drop(shard);
            self.unreserve(kept.len());
        }
        cleared
    }

    fn purge(&self) -> usize {
        self.sweep_all(self.clock.now())
    }

    fn len(&self) -> usize {
        self.shards.len()
    }
}

/// The outcome of the execution in flight is not to be kept; its key stays taken meanwhile.
fn mark<T, P>(entry: &mut Entry<T, P>) {
    if let Entry::Led { flight, .. } = entry {
        let mut seat = flight.get_or_insert_with(|| Arc::new(Flight::new())).seat();
        // A vacant seat's next execution begins after this.
        seat.forgotten = seat.taken;
    }
}
