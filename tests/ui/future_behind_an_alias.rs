use std::future::Future;
use std::pin::Pin;

use idempotently::idempotent;

type Answer = Pin<Box<dyn Future<Output = u8> + Send>>;

#[idempotent(key = n)]
fn hidden(n: u8) -> Answer {
    Box::pin(async move { n })
}

fn main() {}
