use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use idempotently::{Error, idempotent};

#[derive(Clone)]
struct Plain;

struct NotClone;

#[idempotent(key = id)]
async fn not_send(id: u64) -> Result<Rc<u64>, String> {
    Ok(Rc::new(id))
}

#[idempotent(key = id)]
async fn not_sync(id: u64) -> RefCell<u64> {
    RefCell::new(id)
}

#[idempotent(key = id)]
async fn not_clone(id: u64) -> Result<NotClone, Error> {
    let _ = id;
    Ok(NotClone)
}

#[idempotent(key = id, durable, scope = "a", interrupted = fail)]
async fn not_serialized(id: u64) -> Result<Plain, Error> {
    let _ = id;
    Ok(Plain)
}

#[idempotent(key = id, durable, scope = "b", interrupted = fail)]
fn not_serialized_blocking(id: u64) -> Result<Plain, Error> {
    let _ = id;
    Ok(Plain)
}

#[idempotent(key = id)]
fn wrong_output(id: u64) -> impl Future<Output = u64> {
    let _ = id;
    async move { "text" }
}

#[idempotent(key = (id, price))]
fn float_in_a_tuple(id: u64, price: f64) -> u64 {
    let _ = price;
    id
}

#[idempotent(key = (id, tenant))]
fn option_in_a_tuple(id: u64, tenant: Option<&str>) -> u64 {
    let _ = tenant;
    id
}

#[idempotent(key = id, keep = |outcome: u64| outcome > 3)]
fn predicate_by_value(id: u64) -> u64 {
    id
}

type Answer = Pin<Box<dyn Future<Output = u64>>>;

#[idempotent(key = id)]
fn alias_of_a_future(id: u64) -> Answer {
    Box::pin(async move { id })
}

fn main() {}
