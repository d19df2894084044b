use std::future::Future;
use std::pin::Pin;

use idempotently::idempotent;

struct Bank {
    id: u64,
}

#[idempotent(key = id)]
fn borrowed_key(id: &str) -> Pin<Box<dyn Future<Output = u8> + Send>> {
    Box::pin(async { 1 })
}

#[idempotent(key = (1,))]
fn owned_in_the_body(id: &str) -> Pin<Box<dyn Future<Output = usize> + 'static>> {
    let id = id.to_owned();
    Box::pin(async move { id.len() })
}

impl Bank {
    #[idempotent(key = self.id)]
    fn borrowed_receiver(&self) -> Pin<Box<dyn Future<Output = u8> + Send>> {
        Box::pin(async { 1 })
    }
}

#[idempotent(key = id)]
fn another_lifetime<'a>(id: &'a str, _unused: &str) -> Pin<Box<dyn Future<Output = u8> + Send + 'a>> {
    Box::pin(async { 1 })
}

fn main() {}
