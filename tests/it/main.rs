//! What the runtime promises, tried from outside: one binary, a module for each theme.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing where it is not so"
)]

mod support;

mod cancelling;
mod capacity;
mod erring;
mod execution;
mod failing;
mod fingerprints;
mod forgetting;
mod handover;
mod history;
mod keys;
mod observing;
mod races;
mod recursion;
mod redaction;
mod reviewed;
mod scopes;
mod stress;
mod waiting;

#[cfg(feature = "macros")]
mod attribute;
#[cfg(feature = "tokio")]
mod detached;
#[cfg(feature = "testing")]
mod isolation;
#[cfg(feature = "testing")]
mod retention;
