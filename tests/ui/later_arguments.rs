use idempotently::idempotent;

#[idempotent(key = n, transaction = tx)]
async fn transaction(n: u8, tx: &mut u8) -> Result<u8, idempotently::Error> {
    Ok(n + *tx)
}

fn main() {}
