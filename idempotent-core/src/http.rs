//! The `Idempotency-Key` header: a [`tower`](https://docs.rs/tower) layer that answers a request that is sent again as it
//! answered the first one.
//!
//! [`IdempotencyLayer`] goes around any service that speaks the types of the crate `http`: axum, hyper, tonic. The page
//! [`over_http`](https://docs.rs/idempotently/latest/idempotently/over_http/) says what clients are promised, which
//! problems they get, and what an attacker does not.
//!
//! ```
//! use idempotently::SharedStore;
//! use idempotently::backend::memory::MemoryStore;
//! use idempotently::http::{Caller, IdempotencyLayer};
//!
//! let store = SharedStore::new(MemoryStore::new());
//! let layer = IdempotencyLayer::builder(Caller::header("authorization")).required().store(&store).build();
//! # let _ = layer;
//! // axum: Router::new().route("/orders", post(order)).layer(layer)
//! ```

mod admission;
mod body;
mod caller;
#[cfg(feature = "axum")]
mod extract;
mod grpc;
mod handler;
mod headers;
mod json;
mod keeping;
mod key;
mod limits;
mod multipart;
mod print;
mod problem;
mod reading;
mod service;
mod settings;
mod stored;

pub use body::{RequestBody, ResponseBody};
pub use caller::Caller;
pub use keeping::Keeping;
pub use key::{IdempotencyKey, InvalidKey};
pub use print::BodyFingerprint;
pub use problem::{Problem, ProblemKind};
pub use service::{Idempotency, IdempotencyLayer, ResponseFuture};
pub use settings::{Builder, HandlerFuture};
