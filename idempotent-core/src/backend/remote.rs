//! The thread on which the stores that are servers have their connections.
//!
//! It runs an async runtime of the library's own, so that an answer needs nobody else's: a blocking call may be made
//! inside any runtime, and what was asked is done although the caller and its runtime have ended.

use super::forked::Opener;
use crate::store::StoreError;
use once_cell::sync::OnceCell;
use std::thread;
use tokio::runtime::{Builder, Handle};

static RUNTIME: OnceCell<(Opener, Handle)> = OnceCell::new();

/// The library's own runtime; its thread lasts as long as the process. A forked child does not have it.
pub(super) fn runtime() -> Result<&'static Handle, StoreError> {
    let (opener, handle) = RUNTIME.get_or_try_init(|| {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| StoreError::caused("the runtime for connections to stores cannot be built", error))?;
        let handle = runtime.handle().clone();
        thread::Builder::new()
            .name("idempotently-stores".into())
            .spawn(move || runtime.block_on(std::future::pending::<()>()))
            .map_err(|error| StoreError::caused("the thread for connections to stores cannot be started", error))?;
        Ok::<_, StoreError>((Opener::this(), handle))
    })?;
    opener.check()?;
    Ok(handle)
}
