//! What waits and what locks: the real ones, or models of them whose interleavings a test explores.

#[cfg(shuttle)]
mod model;

#[cfg(not(shuttle))]
pub(crate) use event_listener::{Event, EventListener, Listener};
#[cfg(shuttle)]
pub(crate) use model::{Event, EventListener, Listener};
#[cfg(shuttle)]
pub(crate) use shuttle::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic};
#[cfg(not(shuttle))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};
