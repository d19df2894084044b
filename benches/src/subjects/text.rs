//! Functions of a text, whose outcome is a shared text.

use cached::proc_macro::cached;
use idempotently::idempotent;
use std::sync::Arc;

#[idempotent(key = id, retention = "24h")]
#[inline(never)]
pub(crate) fn day(id: &str) -> Arc<str> {
    Arc::from(id)
}

#[idempotent(key = id, retention = forever)]
#[inline(never)]
pub(crate) fn forever(id: &str) -> Arc<str> {
    Arc::from(id)
}

#[cached(sync_writes = "by_key", ttl_secs = 86_400)]
#[inline(never)]
pub(crate) fn cached_day(id: &str) -> Arc<str> {
    Arc::from(id)
}

/// It knows no time limit, so this is a bare look-up.
#[inline(never)]
pub(crate) fn quick_cache(map: &quick_cache::sync::Cache<String, Arc<str>>, id: &str) -> Option<Arc<str>> {
    map.get(id)
}

#[inline(never)]
pub(crate) fn quick_cache_and_clock(
    map: &quick_cache::sync::Cache<String, Arc<str>>,
    id: &str,
) -> (Option<Arc<str>>, u64) {
    let now = coarsetime::Instant::now_without_cache_update().as_ticks();
    (map.get(id), now)
}

#[inline(never)]
pub(crate) fn moka(map: &moka::sync::Cache<String, Arc<str>>, id: &str) -> Arc<str> {
    map.get_with_by_ref(id, || Arc::from(id))
}
