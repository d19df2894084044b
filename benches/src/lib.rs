//! Measurements of `idempotently` beside its peers. What is measured, and how to repeat it: `docs/performance.md`.

pub mod cases;
pub mod compile;
pub mod measure;
pub mod options;
#[cfg(feature = "stores")]
pub mod stores;
mod subjects;
pub mod table;
