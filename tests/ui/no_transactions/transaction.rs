use idempotently::idempotent;

#[idempotent(key = n, transaction = tx, scope = "shop.place")]
async fn place(tx: &mut u8, n: u8) -> Result<u8, idempotently::Error> {
    Ok(n + *tx)
}

fn main() {}
