//! `PostgresStore` against real servers: what it is opened with, what it sends, and what becomes of faults.

#![cfg(feature = "postgres")]

mod adopting;
mod counting;
#[cfg(feature = "contract")]
mod crowded;
mod faults;
mod late;
mod opening;
mod plans;
mod pooler;
mod proxy;
mod support;
mod waiting;
mod worn;
