use idempotently::idempotent;

#[idempotent(key = n, durable, scope = "payments.charge", interrupted = fail)]
fn installed(n: u8) -> Result<u8, idempotently::Error> {
    Ok(n)
}

#[idempotent(key = n, store = &store, scope = "payments.refund", interrupted = retry)]
fn given(n: u8, store: u8) -> Result<u8, idempotently::Error> {
    Ok(n + store)
}

fn main() {}
