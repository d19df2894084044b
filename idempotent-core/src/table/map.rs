//! The locked parts of the map.

#[cfg(not(shuttle))]
pub(super) use real::{Map, ReadGuard, WriteGuard};
#[cfg(shuttle)]
pub(super) use shuttled::{Map, ReadGuard, WriteGuard};

/// What lies in one part, by key.
type Records<T, P> = hashbrown::raw::RawTable<(crate::key::Key, dashmap::SharedValue<super::entry::Entry<T, P>>)>;

#[cfg(not(shuttle))]
mod real {
    use super::Records;
    use crate::key::Key;
    use crate::table::entry::Entry;
    use dashmap::{DashMap, RwLockReadGuard, RwLockWriteGuard};
    use foldhash::fast::RandomState;

    /// `dashmap`, through the part of it that finds by hash.
    pub(in crate::table) struct Map<T, P>(DashMap<Key, Entry<T, P>, RandomState>);

    pub(in crate::table) type ReadGuard<'a, T, P> = RwLockReadGuard<'a, Records<T, P>>;
    pub(in crate::table) type WriteGuard<'a, T, P> = RwLockWriteGuard<'a, Records<T, P>>;

    impl<T, P> Map<T, P> {
        pub(in crate::table) fn new() -> Self {
            Self(DashMap::with_hasher(RandomState::default()))
        }

        #[inline]
        pub(in crate::table) fn hasher(&self) -> &RandomState {
            self.0.hasher()
        }

        #[inline]
        pub(in crate::table) fn part_of(&self, hash: u64) -> usize {
            #[expect(clippy::cast_possible_truncation, reason = "a 32-bit target spreads over parts by fewer bits")]
            self.0.determine_shard(hash as usize)
        }

        pub(in crate::table) fn parts(&self) -> usize {
            self.0.shards().len()
        }

        #[inline]
        pub(in crate::table) fn read(&self, part: usize) -> ReadGuard<'_, T, P> {
            self.0.shards()[part].read()
        }

        pub(in crate::table) fn write(&self, part: usize) -> WriteGuard<'_, T, P> {
            self.0.shards()[part].write()
        }
    }
}

#[cfg(shuttle)]
mod shuttled {
    use super::Records;
    use crate::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
    use foldhash::fast::RandomState;
    use std::sync::PoisonError;

    /// One part behind a lock that shuttle schedules.
    pub(in crate::table) struct Map<T, P> {
        records: RwLock<Records<T, P>>,
        hasher: RandomState,
    }

    pub(in crate::table) type ReadGuard<'a, T, P> = RwLockReadGuard<'a, Records<T, P>>;
    pub(in crate::table) type WriteGuard<'a, T, P> = RwLockWriteGuard<'a, Records<T, P>>;

    impl<T, P> Map<T, P> {
        pub(in crate::table) fn new() -> Self {
            Self { records: RwLock::new(Records::new()), hasher: RandomState::default() }
        }

        pub(in crate::table) fn hasher(&self) -> &RandomState {
            &self.hasher
        }

        pub(in crate::table) fn part_of(&self, _: u64) -> usize {
            0
        }

        pub(in crate::table) fn parts(&self) -> usize {
            1
        }

        pub(in crate::table) fn read(&self, _: usize) -> ReadGuard<'_, T, P> {
            self.records.read().unwrap_or_else(PoisonError::into_inner)
        }

        pub(in crate::table) fn write(&self, _: usize) -> WriteGuard<'_, T, P> {
            self.records.write().unwrap_or_else(PoisonError::into_inner)
        }
    }
}
