//! Exactly once, whatever dies when: processes are killed at every statement, servers crash and answers are lost while
//! orders are placed, and in the end every key has one effect and every reply that was given says so.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail where it stands")]

mod checker;
mod crash;
#[path = "../transactions/failure.rs"]
mod failure;
mod orders;
mod postgres;
mod process;
mod random;
mod sqlite;
mod sweep;
mod trap;
mod wire;
mod worker;
