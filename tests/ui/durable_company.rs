use idempotently::{SharedStore, idempotent};

#[idempotent(key = n, durable, store = store, scope = "payments.charge", interrupted = fail)]
fn two_stores(n: u8, store: &SharedStore) -> Result<u8, idempotently::Error> {
    Ok(n)
}

#[idempotent(key = n, interrupted = fail, lease = "30s", max_run = "15m")]
fn no_store(n: u8) -> u8 {
    n
}

#[idempotent(key = n, durable, scope = "payments.charge", interrupted = fail, lease = "1m", max_run = "30s")]
fn longer_lease(n: u8) -> Result<u8, idempotently::Error> {
    Ok(n)
}

#[idempotent(key = n, durable, scope = "payments.charge", interrupted = fail, detached)]
fn task(n: u8) -> Result<u8, idempotently::Error> {
    Ok(n)
}

#[idempotent(key = n, store = store, scope = "payments.charge", interrupted = fail, detached)]
async fn borrowed(n: u8, store: &SharedStore) -> Result<u8, idempotently::Error> {
    Ok(n)
}

#[idempotent(key = n, durable, scope = "payments.charge", interrupted = fail, capacity = 5, handle = CHARGE)]
fn records_of_this_process(n: u8) -> Result<u8, idempotently::Error> {
    Ok(n)
}

fn main() {}
