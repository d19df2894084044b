//! Stores in a process that was forked: a child has neither the threads of its parent's stores nor connections of its own.

use crate::store::StoreError;
use std::process;

const FORKED: &str = "the store was opened before this process was forked, and its threads are not here; \
    open stores after forking";

/// The process that something was opened in.
#[derive(Clone, Copy, Debug)]
pub(in crate::backend) struct Opener(u32);

impl Opener {
    pub(in crate::backend) fn this() -> Self {
        Self(process::id())
    }

    /// Whether this is the process, and not a child of it.
    pub(in crate::backend) fn is_this(self) -> bool {
        self.0 == process::id()
    }

    /// An error in a child.
    pub(in crate::backend) fn check(self) -> Result<(), StoreError> {
        if self.is_this() { Ok(()) } else { Err(StoreError::new(FORKED)) }
    }

    /// As a child sees it.
    #[cfg(all(test, feature = "sqlite"))]
    pub(in crate::backend) fn parent() -> Self {
        Self(process::id().wrapping_add(1))
    }
}
