//! The runtime behind [`idempotently`](https://docs.rs/idempotently): use that crate.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "durable")]
pub mod backend;
#[cfg(feature = "durable")]
mod blocking;
mod clock;
#[cfg(feature = "durable")]
mod codec;
mod context;
#[cfg(feature = "contract")]
pub mod contract;
mod engine;
mod error;
mod flight;
#[cfg(test)]
mod golden;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "durable")]
mod installed;
pub mod key;
#[cfg(feature = "durable")]
mod lease;
mod observe;
mod operation;
mod outcome;
mod policy;
#[cfg(feature = "durable")]
mod random;
#[cfg(feature = "testing")]
mod realm;
#[cfg(feature = "durable")]
pub mod record;
#[cfg(feature = "durable")]
mod records;
mod report;
mod scopes;
#[cfg(any(feature = "durable", feature = "serde"))]
mod serializer;
#[cfg(any(feature = "durable", feature = "tokio"))]
pub mod shutdown;
#[cfg(feature = "testing")]
mod span;
#[cfg(feature = "durable")]
pub mod store;
mod sync;
mod table;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(any(feature = "postgres", feature = "sqlx-sqlite"))]
pub mod transaction;
#[cfg(any(feature = "durable", feature = "tokio"))]
mod underway;

#[doc(hidden)]
#[path = "__private.rs"]
pub mod __private;

pub use context::{Execution, current};
pub use error::{Error, ErrorKind};
#[cfg(feature = "durable")]
pub use installed::{connect, install};
#[cfg(feature = "durable")]
pub use lease::SharedStore;
pub use observe::{How, ObserveAsync, Observed, observe, observe_async};
#[cfg(feature = "durable")]
pub use operation::DurableCall;
pub use operation::{Call, Operation};
#[cfg(feature = "durable")]
pub use policy::OnInterruption;
pub use policy::{InFlight, Missing, Retention};
#[cfg(feature = "durable")]
pub use records::Records;
#[cfg(any(feature = "postgres", feature = "sqlx-sqlite"))]
pub use transaction::transaction;
