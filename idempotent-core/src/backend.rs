//! The stores.

#[cfg(any(feature = "postgres", feature = "redis"))]
mod crowd;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "redis"))]
mod forked;
#[cfg(any(feature = "postgres", feature = "sqlx-sqlite"))]
pub(crate) mod marker;
pub mod memory;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "redis"))]
mod oneshot;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod remote;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "redis"))]
mod waker;
