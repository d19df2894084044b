//! Functions whose records can be taken away, so that every call is a first one.

use super::body;
use cached::proc_macro::cached;
use idempotently::{Error, Operation, idempotent};

#[idempotent(key = id, retention = forever, handle = FOREVER)]
#[inline(never)]
pub(crate) fn forever(id: u64) -> u64 {
    body(id)
}

#[idempotent(key = id, retention = "24h", handle = DAY)]
#[inline(never)]
pub(crate) fn day(id: u64) -> u64 {
    body(id)
}

/// Under an operation of its own, which can be new: the records of an annotated function live as long as the program.
#[inline(never)]
pub(crate) fn under(operation: &Operation, id: u64) -> Result<u64, Error> {
    operation.call(&id).try_run(|| Ok(body(id)))
}

#[cached(sync_writes = "by_key", name = "CACHED_FOREVER")]
#[inline(never)]
pub(crate) fn cached_forever(id: u64) -> u64 {
    body(id)
}

#[cached(sync_writes = "by_key", ttl_secs = 86_400, name = "CACHED_DAY")]
#[inline(never)]
pub(crate) fn cached_day(id: u64) -> u64 {
    body(id)
}
