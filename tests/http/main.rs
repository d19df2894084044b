//! The layer as clients see it, over real sockets: `case_NN` are those that servers of this header are known to differ
//! on.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod answers;
mod bare;
mod client;
mod crowds;
mod framework;
mod isolation;
mod keys;
mod lifecycle;
mod limits;
#[cfg(feature = "tracing")]
mod log;
mod outcomes;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod servers;
mod shop;
mod store;
mod worker;
