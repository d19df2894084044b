#![cfg_attr(feature = "macros", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "macros"),
    doc = "Functions that are safe to call again; the feature `macros` has the attribute."
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

// Pages, not code: they are there for who reads the documentation, and for the tests of their examples.
#[cfg(all(feature = "macros", any(doc, doctest)))]
pub mod backends;
#[cfg(all(feature = "macros", any(doc, doctest)))]
pub mod expansion;
#[cfg(all(feature = "macros", any(doc, doctest)))]
pub mod guarantees;
#[cfg(all(feature = "macros", any(doc, doctest)))]
pub mod observability;
#[cfg(all(feature = "macros", any(doc, doctest)))]
pub mod over_http;

#[doc(hidden)]
pub use idempotent_core::__private;
#[cfg(feature = "contract")]
#[cfg_attr(docsrs, doc(cfg(feature = "contract")))]
pub use idempotent_core::contract;
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub use idempotent_core::http;
pub use idempotent_core::key::{ToFingerprint, ToKey};
#[cfg(feature = "durable")]
#[cfg_attr(docsrs, doc(cfg(feature = "durable")))]
pub use idempotent_core::shutdown::blocking;
#[cfg(any(feature = "durable", feature = "tokio"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "durable", feature = "tokio"))))]
pub use idempotent_core::shutdown::{Shutdown, shutdown};
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub use idempotent_core::testing;
#[cfg(any(feature = "postgres", feature = "sqlx-sqlite"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "postgres", feature = "sqlx-sqlite"))))]
pub use idempotent_core::transaction;
pub use idempotent_core::{
    Call, Error, ErrorKind, Execution, How, InFlight, Missing, ObserveAsync, Observed, Operation, Retention, current,
    key, observe, observe_async,
};
#[cfg(feature = "durable")]
#[cfg_attr(docsrs, doc(cfg(feature = "durable")))]
pub use idempotent_core::{
    DurableCall, OnInterruption, Records, SharedStore, backend, connect, install, record, store,
};
#[cfg(feature = "macros")]
#[cfg_attr(docsrs, doc(cfg(feature = "macros")))]
pub use idempotent_macros::{ToKey, idempotent};
