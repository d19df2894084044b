use std::borrow::Cow;
use std::rc::Rc;

use idempotently::idempotent;

struct Bank;

#[idempotent(key = n, detached)]
fn without_async(n: u8) -> u8 {
    n
}

#[idempotent(key = (name, note), detached)]
async fn borrowed_arguments(name: &str, note: Cow<'_, str>) -> usize {
    name.len() + note.len()
}

impl Bank {
    #[idempotent(key = n, detached)]
    async fn borrowed_receiver(&self, n: u8) -> u8 {
        n
    }
}

#[idempotent(key = n, detached)]
async fn not_send(n: u8) -> u8 {
    let shared = Rc::new(n);
    std::future::ready(()).await;
    *shared
}

fn main() {}
