use std::io;

use idempotently::idempotent;

#[idempotent(key = id, on_failure = share)]
fn shared(id: u64) -> io::Result<u64> {
    Ok(id)
}

#[idempotent(key = id, keep = all)]
async fn kept(id: u64) -> io::Result<u64> {
    Ok(id)
}

#[idempotent(key = id, keep = |outcome| outcome.is_ok())]
fn kept_by_a_predicate(id: u64) -> io::Result<u64> {
    Ok(id)
}

#[idempotent(key = id, on_failure = share, keep = |outcome| outcome.is_ok())]
async fn shared_by_a_predicate(id: u64) -> io::Result<u64> {
    Ok(id)
}

fn main() {}
