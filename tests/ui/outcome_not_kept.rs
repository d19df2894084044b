use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;

use idempotently::idempotent;

struct Receipt;

#[idempotent(key = n)]
fn not_clone(n: u8) -> Receipt {
    drop(n.to_string());
    Receipt
}

#[idempotent(key = n)]
async fn not_clone_async(n: u8) -> Receipt {
    drop(n.to_string());
    Receipt
}

#[idempotent(key = n)]
fn not_clone_in_ok(n: u8) -> Result<Receipt, String> {
    drop(n.to_string());
    Ok(Receipt)
}

#[idempotent(key = n)]
fn not_clone_in_a_future(n: u8) -> impl Future<Output = Receipt> {
    async move {
        drop(n.to_string());
        Receipt
    }
}

#[idempotent(key = n)]
fn not_send(n: u8) -> Rc<u8> {
    Rc::new(n)
}

#[idempotent(key = n)]
fn not_sync(n: u8) -> Option<Cell<u8>> {
    Some(Cell::new(n))
}

#[idempotent(key = n, keep = all)]
fn error_not_clone(n: u8) -> Result<u8, std::io::Error> {
    Ok(n)
}

#[idempotent(key = n, on_failure = share)]
fn shared_error_not_clone(n: u8) -> Result<u8, std::io::Error> {
    Ok(n)
}

fn main() {}
