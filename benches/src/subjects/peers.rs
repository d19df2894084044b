//! Maps and caches that are values, and calls of them.

use super::body;
use dashmap::DashMap;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

/// The retention of everything that has one.
const DAY: Duration = Duration::from_hours(24);

/// A key of 24 bytes, as ours.
pub(crate) type WideKey = [u64; 3];
/// An entry of 16 bytes, as ours for a `u64`.
pub(crate) type WideValue = [u64; 2];

pub(crate) fn wide_key(id: u64) -> WideKey {
    [id, 0, u64::MAX]
}

#[inline(never)]
pub(crate) fn get(map: &DashMap<u64, u64>, id: u64) -> u64 {
    map.get(&id).map_or(0, |value| *value)
}

#[inline(never)]
pub(crate) fn get_and_clock(map: &DashMap<u64, u64>, id: u64) -> (u64, u64) {
    let now = coarsetime::Instant::now_without_cache_update().as_ticks();
    (map.get(&id).map_or(0, |value| *value), now)
}

#[inline(never)]
pub(crate) fn get_wide<S: BuildHasher + Clone>(map: &DashMap<WideKey, WideValue, S>, id: u64) -> u64 {
    map.get(&wide_key(id)).map_or(0, |value| value[0])
}

pub(crate) fn wide_map<S: BuildHasher + Clone + Default>(keys: u64) -> DashMap<WideKey, WideValue, S> {
    (0..keys).map(|id| (wide_key(id), [body(id), u64::MAX])).collect()
}

#[inline(never)]
pub(crate) fn moka(map: &moka::sync::Cache<u64, u64>, id: u64) -> u64 {
    map.get_with(id, || body(id))
}

pub(crate) fn moka_forever() -> moka::sync::Cache<u64, u64> {
    moka::sync::Cache::builder().build()
}

pub(crate) fn moka_day() -> moka::sync::Cache<u64, u64> {
    moka::sync::Cache::builder().time_to_live(DAY).build()
}

pub(crate) fn moka_text_day() -> moka::sync::Cache<String, Arc<str>> {
    moka::sync::Cache::builder().time_to_live(DAY).build()
}

pub(crate) fn moka_async_forever() -> moka::future::Cache<u64, u64> {
    moka::future::Cache::builder().build()
}

pub(crate) fn moka_async_day() -> moka::future::Cache<u64, u64> {
    moka::future::Cache::builder().time_to_live(DAY).build()
}
