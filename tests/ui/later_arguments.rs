use idempotently::idempotent;

#[idempotent(key = n, durable, scope = "n", interrupted = fail)]
fn durable(n: u8) -> Result<u8, idempotently::Error> {
    Ok(n)
}

#[idempotent(key = n, store = &store, lease = "30s", max_run = "15m", scope = "n")]
fn store(n: u8, store: u8) -> Result<u8, idempotently::Error> {
    Ok(n + store)
}

#[idempotent(key = n, transaction = tx)]
async fn transaction(n: u8, tx: &mut u8) -> Result<u8, idempotently::Error> {
    Ok(n + *tx)
}

fn main() {}
