use std::future::Future;

use idempotently::idempotent;

#[idempotent(key = name)]
fn lasting(name: &str) -> impl Future<Output = usize> + Send + 'static {
    let length = name.len();
    async move { length }
}

#[idempotent(key = name)]
fn precise(name: &str) -> impl Future<Output = usize> + use<> {
    let length = name.len();
    async move { length }
}

struct Gateway(u64);

impl Gateway {
    #[idempotent(key = self.0)]
    fn of_self(&self) -> impl Future<Output = u64> + 'static {
        let id = self.0;
        async move { id }
    }
}

fn main() {}
