//! A world of its own for a test: its tables and its clock, in place of the operations' own.

#[cfg(feature = "durable")]
use crate::clock::WallClock;
use crate::clock::{Clock, ManualClock};
use crate::scopes::{ScopeHold, Scopes};
use crate::table::AnyTable;
#[cfg(feature = "durable")]
use std::any::Any;
use std::any::TypeId;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// An operation, the instantiation of it, the scope it was called with, and its store.
pub(crate) type Place = (u64, TypeId, Option<&'static str>, u64);

/// A table, and the hold on its scope.
type Held = (Arc<dyn AnyTable>, Option<ScopeHold>);

#[derive(Default)]
pub(crate) struct Realm {
    clock: Arc<ManualClock>,
    tables: Mutex<HashMap<Place, Held>>,
    scopes: Arc<Scopes>,
    #[cfg(feature = "durable")]
    store: Mutex<StoreSlot>,
}

/// The test's store, whose type is known further up; absent until it is used or installed.
#[cfg(feature = "durable")]
pub(crate) type StoreSlot = Option<Box<dyn Any + Send + Sync>>;

thread_local! {
    static CURRENT: RefCell<Option<Arc<Realm>>> = const { RefCell::new(None) };
}

/// The realm of the running thread or task, if it is in one.
#[inline]
pub(crate) fn current() -> Option<Arc<Realm>> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

/// Whether the running thread or task is in a realm.
#[inline]
pub(crate) fn is_entered() -> bool {
    CURRENT.try_with(|current| current.borrow().is_some()).unwrap_or(false)
}

/// Puts the realm that was there before back.
pub(crate) struct Inside(Option<Arc<Realm>>);

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = CURRENT.try_with(|current| current.replace(self.0.take()));
    }
}

impl Realm {
    /// Makes this the running thread's realm until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> Inside {
        Inside(CURRENT.try_with(|current| current.replace(Some(self.clone()))).ok().flatten())
    }

    pub(crate) fn clock(&self) -> Clock {
        Clock::Manual(self.clock.clone())
    }

    pub(crate) fn advance(&self, by: std::time::Duration) {
        self.clock.advance(by);
    }

    /// The table at `place`, made where there is none.
    pub(crate) fn table<E>(
        &self,
        place: Place,
        make: impl FnOnce() -> Result<Held, E>,
    ) -> Result<Arc<dyn AnyTable>, E> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((table, _)) = tables.get(&place) {
            return Ok(table.clone());
        }
        let (table, hold) = make()?;
        tables.insert(place, (table.clone(), hold));
        Ok(table)
    }

    #[cfg(feature = "durable")]
    pub(crate) fn wall_clock(&self) -> WallClock {
        WallClock::manual(self.clock.clone())
    }

    /// The names that operations have in this test.
    pub(crate) fn scopes(&self) -> &Arc<Scopes> {
        &self.scopes
    }

    /// Forgets all tables, and with them what runs: those who are at it keep theirs.
    pub(crate) fn forget_tables(&self) {
        let tables = std::mem::take(&mut *self.tables.lock().unwrap_or_else(PoisonError::into_inner));
        // Outcomes are the user's code: they are dropped without the lock.
        drop(tables);
    }

    #[cfg(feature = "durable")]
    pub(crate) fn with_store<T>(&self, look: impl FnOnce(&mut StoreSlot) -> T) -> T {
        look(&mut self.store.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// All tables of one operation.
    pub(crate) fn tables(&self, operation: u64) -> Vec<Arc<dyn AnyTable>> {
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.iter().filter(|((owner, ..), _)| *owner == operation).map(|(_, (table, _))| table.clone()).collect()
    }
}
