//! For programs without an async runtime: the store at the start, and the wait at the end.
//!
//! [`connect`] and [`install`] are the functions of the same names at the root, which block in every program; they are here
//! so that a program has its beginning and its end from one place. Only [`shutdown()`] is another one.
//!
//! ```
//! use idempotently::blocking;
//! use std::time::Duration;
//!
//! let store = blocking::connect("memory:")?;
//! blocking::install(store)?;
//! // … the program …
//! assert!(blocking::shutdown(Duration::from_secs(10)).is_complete());
//! # Ok::<(), idempotently::Error>(())
//! ```

pub use crate::installed::{connect, install};

use super::Shutdown;
use crate::blocking::block_on;
use std::time::Duration;

/// As [`shutdown`](super::shutdown()), blocking the thread.
///
/// Not from inside a runtime with one thread: `detached` bodies could not go on there.
#[must_use = "it says what is left behind"]
pub fn shutdown(limit: Duration) -> Shutdown {
    block_on(super::shutdown(limit))
}
