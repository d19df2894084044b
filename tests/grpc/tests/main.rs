//! HTTP/2 and gRPC: the layer between tonic's own client and server, and below them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod cut;
mod refusals;
mod server;
mod stack;
mod unary;
