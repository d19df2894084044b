//! `detached` on everything that is asynchronous and owns its arguments.

#![deny(warnings)]
#![forbid(unsafe_code)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use idempotently::idempotent;

#[idempotent(key = name, detached)]
async fn function(name: String, with: Arc<str>) -> usize {
    std::future::ready(name.len() + with.len()).await
}

#[idempotent(key = name, detached)]
fn opaque(name: &'static str) -> impl Future<Output = usize> + Send {
    async move { name.len() }
}

#[idempotent(key = id, detached, in_flight = reject)]
async fn generic<T>(id: u64, value: T) -> Result<T, idempotently::Error>
where
    T: Clone + Send + Sync + 'static,
{
    std::future::ready(id).await;
    Ok(value)
}

trait Charge {
    fn charge<'async_trait>(
        self: Arc<Self>,
        id: u64,
    ) -> Pin<Box<dyn Future<Output = Result<u64, String>> + Send + 'async_trait>>
    where
        Self: 'async_trait;
}

struct Gateway(u64);

impl Charge for Gateway {
    // What the attribute `async_trait` makes of an `async fn`.
    #[idempotent(key = (self.0, id), detached)]
    fn charge<'async_trait>(
        self: Arc<Self>,
        id: u64,
    ) -> Pin<Box<dyn Future<Output = Result<u64, String>> + Send + 'async_trait>>
    where
        Self: 'async_trait,
    {
        Box::pin(async move {
            let outcome: Result<u64, String> = { Ok(self.0 + id) };
            outcome
        })
    }
}

fn main() {
    drop(function("a".to_owned(), "b".into()));
    drop(opaque("a"));
    drop(generic(1, 2));
    drop(Arc::new(Gateway(1)).charge(1));
}
