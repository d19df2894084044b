use std::future::Future;
use std::pin::Pin;

use idempotently::idempotent;

#[idempotent(key = n)]
const fn constant(n: u8) -> u8 {
    n
}

#[idempotent(key = n)]
fn never(n: u8) -> ! {
    panic!("{n}")
}

#[idempotent(key = n)]
async fn future_of_a_future(n: u8) -> impl Future<Output = u8> {
    async move { n }
}

#[idempotent(key = n)]
async fn future_of_a_boxed_future(n: u8) -> Pin<Box<dyn Future<Output = u8>>> {
    Box::pin(async move { n })
}

fn main() {}
