use std::future::Future;
use std::pin::Pin;

use idempotently::{SharedStore, idempotent};
use serde::{Deserialize, Serialize};

#[derive(Clone)]
struct Receipt;

#[derive(Clone, Deserialize, Serialize)]
struct Refusal;

impl From<idempotently::Error> for Refusal {
    fn from(_: idempotently::Error) -> Self {
        Self
    }
}

#[derive(Debug)]
struct Unrelated;

#[idempotent(key = n, durable, scope = "types.outcome", interrupted = fail)]
fn outcome(n: u8) -> Result<Receipt, Refusal> {
    drop(n.to_string());
    Ok(Receipt)
}

#[idempotent(key = n, durable, scope = "types.outcome_async", interrupted = fail)]
async fn outcome_async(n: u8) -> Result<Receipt, Refusal> {
    drop(n.to_string());
    Ok(Receipt)
}

#[idempotent(key = n, durable, scope = "types.outcome_boxed", interrupted = fail)]
fn outcome_boxed(n: u8) -> Pin<Box<dyn Future<Output = Result<Receipt, Refusal>>>> {
    drop(n.to_string());
    Box::pin(async { Ok(Receipt) })
}

#[idempotent(key = n, durable, scope = "types.error", interrupted = fail, keep = all)]
fn kept_error(n: u8) -> Result<u8, idempotently::Error> {
    Ok(n)
}

#[idempotent(key = n, durable, scope = "types.unrelated", interrupted = fail)]
fn unrelated_error(n: u8) -> Result<u8, Unrelated> {
    Ok(n)
}

#[idempotent(key = n, store = store, scope = "types.owned_store", interrupted = fail)]
fn owned_store(n: u8, store: SharedStore) -> Result<u8, Refusal> {
    Ok(n)
}

#[idempotent(key = n, store = &path, scope = "types.other_store", interrupted = fail)]
fn other_store(n: u8, path: String) -> Result<u8, Refusal> {
    Ok(n)
}

fn main() {}
