use idempotently::{SharedStore, idempotent};

#[idempotent(key = n, durable, scope = "payments.charge")]
fn what_becomes_of_interrupted_work(n: u8) -> Result<u8, idempotently::Error> {
    Ok(n)
}

#[idempotent(key = n, store = store, interrupted = fail)]
fn scope(n: u8, store: &SharedStore) -> Result<u8, idempotently::Error> {
    Ok(n)
}

#[idempotent(key = n, durable, scope = "payments.charge", interrupted = fail)]
fn result(n: u8) -> u8 {
    n
}

#[idempotent(key = n, durable, scope = payments.charge, interrupted = retry(0), lease = 30, max_run = "15 minutes")]
fn values(n: u8) -> Result<u8, idempotently::Error> {
    Ok(n)
}

#[idempotent(key = n, store = "sqlite:records.db", scope = "payments.charge", interrupted = maybe)]
fn shapes(n: u8) -> Result<u8, idempotently::Error> {
    Ok(n)
}

fn main() {}
