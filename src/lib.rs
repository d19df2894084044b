#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(hidden)]
pub use idempotent_core::__private;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub use idempotent_core::testing;
pub use idempotent_core::{
    Call, Error, ErrorKind, Execution, How, InFlight, Missing, ObserveAsync, Observed, Operation, Retention, current,
    key, observe, observe_async,
};
#[cfg(feature = "macros")]
#[cfg_attr(docsrs, doc(cfg(feature = "macros")))]
pub use idempotent_macros::{ToKey, idempotent};
