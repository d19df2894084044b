//! Functions of a number that are awaited.

use super::body;
use cached::proc_macro::cached;
use idempotently::idempotent;
use std::future::ready;

#[idempotent(key = id, retention = forever)]
#[inline(never)]
pub(crate) async fn forever(id: u64) -> u64 {
    ready(body(id)).await
}

#[idempotent(key = id, retention = "24h")]
#[inline(never)]
pub(crate) async fn day(id: u64) -> u64 {
    ready(body(id)).await
}

#[cached(sync_writes = "by_key")]
#[inline(never)]
pub(crate) async fn cached_forever(id: u64) -> u64 {
    ready(body(id)).await
}

#[cached(sync_writes = "by_key", ttl_secs = 86_400)]
#[inline(never)]
pub(crate) async fn cached_day(id: u64) -> u64 {
    ready(body(id)).await
}

#[inline(never)]
pub(crate) async fn moka(map: &moka::future::Cache<u64, u64>, id: u64) -> u64 {
    map.get_with(id, ready(body(id))).await
}
