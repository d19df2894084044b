//! Functions that return a future by hand: what the future yields is kept, never the future.

#![deny(warnings)]
#![forbid(unsafe_code)]

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use idempotently::idempotent;

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

#[idempotent(key = id)]
fn opaque(id: u64) -> impl Future<Output = u64> {
    async move { id + 1 }
}

#[idempotent(key = id)]
fn opaque_and_send(id: u64) -> impl Send + core::future::Future<Output = Result<u64, String>> {
    let next = id + 1;
    async move { Ok(next) }
}

#[idempotent(key = name)]
fn opaque_borrowing(name: &str) -> impl Future<Output = String> + Send + '_ {
    async move { name.to_owned() }
}

#[idempotent(key = id)]
fn boxed(id: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move { id + 1 })
}

#[idempotent(key = id)]
fn boxed_local(id: u64) -> ::std::pin::Pin<::std::boxed::Box<dyn Future<Output = u64>>> {
    Box::pin(async move { id + 1 })
}

#[idempotent(key = name)]
fn boxed_borrowing(name: &str) -> Pin<Box<dyn Future<Output = String> + Send + '_>> {
    Box::pin(async move { name.to_owned() })
}

#[idempotent(key = name)]
fn alias(name: &str) -> BoxFuture<'_, String> {
    Box::pin(async move { name.to_owned() })
}

#[idempotent(key = parse(id)?, fingerprint = id)]
fn failing(id: &str) -> impl Future<Output = Result<u64, Box<dyn std::error::Error + Send + Sync>>> {
    async move { Ok(parse(id)? + 1) }
}

fn parse(id: &str) -> Result<u64, std::num::ParseIntError> {
    id.parse()
}

trait Charge {
    fn charge<'life0, 'async_trait>(
        &'life0 self,
        id: u64,
    ) -> Pin<Box<dyn Future<Output = Result<u64, String>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait;

    fn native(&self, id: u64) -> impl Future<Output = u64> + Send;
}

struct Gateway(u64);

impl Charge for Gateway {
    // What the attribute `async_trait` makes of an `async fn`.
    #[idempotent(key = (self.0, id))]
    fn charge<'life0, 'async_trait>(
        &'life0 self,
        id: u64,
    ) -> Pin<Box<dyn Future<Output = Result<u64, String>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            let this = self;
            let id = id;
            let outcome: Result<u64, String> = { Ok(this.0 + id) };
            outcome
        })
    }

    #[idempotent(key = (self.0, id))]
    fn native(&self, id: u64) -> impl Future<Output = u64> + Send {
        async move { self.0 + id }
    }
}

fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = Box::pin(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("nothing here waits"),
    }
}

fn main() {
    assert_eq!(now(opaque(1)), 2);
    assert_eq!(now(opaque_and_send(1)), Ok(2));
    assert_eq!(now(opaque_borrowing("a")), "a");
    assert_eq!(now(boxed(1)), 2);
    assert_eq!(now(boxed_local(1)), 2);
    assert_eq!(now(boxed_borrowing("a")), "a");
    assert_eq!(now(alias("a")), "a");
    assert_eq!(now(failing("1")).ok(), Some(2));
    assert_eq!(now(Gateway(1).charge(1)), Ok(2));
    assert_eq!(now(Gateway(1).native(1)), 2);
}
