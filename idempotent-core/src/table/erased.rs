//! A table as those see it who do not know what it keeps.

use super::Table;
use crate::key::{Print, Text};
use std::any::Any;

pub(crate) trait AnyTable: Any + Send + Sync {
    /// Takes a record away, or marks it where it is in flight; whether there was one.
    fn forget(&self, text: &Text<'_>) -> bool;
    /// Forgets everything; how many records that were.
    fn clear(&self) -> usize;
    /// Takes away what has expired; how many records that were.
    fn purge(&self) -> usize;
    /// Records and executions in flight, with the expired ones that nobody has taken away yet.
    fn len(&self) -> usize;
}

impl<T: Clone + Send + Sync + 'static, P: Print> AnyTable for Table<T, P> {
    fn forget(&self, text: &Text<'_>) -> bool {
        let hash = self.parts.hash_of_text(text);
        let mut part = self.parts.write(hash);
        let Some((live, cell)) = part.index.forget(hash, text, self.clock.now()) else { return false };
        let outcome = cell.and_then(|cell| part.take(cell));
        drop(part);
        self.unreserve(usize::from(cell.is_some()));
        drop(outcome);
        live
    }

    fn clear(&self) -> usize {
        let mut cleared = 0;
        for mut part in self.parts.write_each() {
            let (records, flights) = part.index.clear(self.parts.hasher());
            let outcomes = part.take_all();
            drop(part);
            self.unreserve(records);
            cleared += records + flights;
            drop(outcomes);
        }
        cleared
    }

    fn purge(&self) -> usize {
        self.sweep_all(self.clock.now())
    }

    fn len(&self) -> usize {
        self.parts.len()
    }
}
