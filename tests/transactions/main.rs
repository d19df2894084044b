//! The record inside the caller's own transaction, against real databases.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail where it stands")]

mod counting;
mod failure;
mod guard;
mod isolation;
mod lanes;
mod lost;
mod modes;
mod observed;
mod owned;
mod shapes;
mod sqlite;
mod support;
mod waiting;
