//! The lock of a part of the table: `dashmap`'s, or one that shuttle schedules.

#[cfg(not(shuttle))]
pub(super) use dashmap::{RwLock as Lock, RwLockReadGuard as ReadGuard, RwLockWriteGuard as WriteGuard};

#[cfg(shuttle)]
pub(super) use shuttled::{Lock, ReadGuard, WriteGuard};

#[cfg(shuttle)]
mod shuttled {
    pub(in crate::table) use crate::sync::{RwLockReadGuard as ReadGuard, RwLockWriteGuard as WriteGuard};
    use std::sync::PoisonError;

    pub(in crate::table) struct Lock<T>(crate::sync::RwLock<T>);

    impl<T> Lock<T> {
        pub(in crate::table) fn new(value: T) -> Self {
            Self(crate::sync::RwLock::new(value))
        }

        pub(in crate::table) fn read(&self) -> ReadGuard<'_, T> {
            self.0.read().unwrap_or_else(PoisonError::into_inner)
        }

        pub(in crate::table) fn write(&self) -> WriteGuard<'_, T> {
            self.0.write().unwrap_or_else(PoisonError::into_inner)
        }
    }
}
