use std::future::Future;

use idempotently::idempotent;

#[idempotent(key = n, in_flight = reject)]
fn number(n: u8) -> u8 {
    n
}

#[idempotent(key = n, in_flight = wait("10s"))]
fn nothing(n: u8) {
    drop(n.to_string());
}

#[idempotent(key = n, missing = reject)]
async fn option(n: Option<u8>) -> Option<u8> {
    n
}

#[idempotent(key = n, fingerprint = m)]
fn tuple(n: u8, m: u8) -> (u8, u8) {
    (n, m)
}

#[idempotent(key = n, capacity = 10)]
fn future(n: u8) -> impl Future<Output = u8> {
    async move { n }
}

#[derive(Clone)]
struct Receipt;

#[idempotent(key = n, capacity = 10)]
fn own_type(n: u8) -> Receipt {
    drop(n.to_string());
    Receipt
}

fn main() {}
