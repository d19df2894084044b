use std::borrow::Cow;
use std::future::Future;

use idempotently::idempotent;

struct Bank {
    name: String,
}

#[idempotent(key = text)]
fn elided(text: &str) -> &str {
    text
}

#[idempotent(key = text)]
fn named<'a>(text: &'a str) -> Result<Cow<'a, str>, String> {
    Ok(text.into())
}

#[idempotent(key = text)]
async fn in_an_async_fn(text: &str) -> Option<&str> {
    Some(text)
}

#[idempotent(key = text)]
fn in_a_future(text: &str) -> impl Future<Output = &str> {
    async move { text }
}

impl Bank {
    #[idempotent(key = self.name)]
    fn of_self(&self) -> &String {
        &self.name
    }
}

fn main() {}
