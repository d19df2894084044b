use idempotently::backend::postgres::sqlx::PgConnection;
use idempotently::{Error, idempotent};

#[idempotent(key = n, transaction = tx, scope = "a")]
async fn no_connection(tx: &mut Vec<u8>, n: u8) -> Result<u8, Error> {
    Ok(n)
}

type Reply = Option<u8>;

#[idempotent(key = n, transaction = tx, scope = "c")]
async fn no_result(tx: &mut PgConnection, n: u8) -> Reply {
    Some(n)
}

fn main() {}
