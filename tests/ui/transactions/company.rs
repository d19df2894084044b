use idempotently::backend::postgres::sqlx::{PgConnection, PgPool, Postgres, Transaction};
use idempotently::{Error, idempotent};

#[idempotent(key = n, transaction = tx)]
async fn no_scope(tx: &mut PgConnection, n: u8) -> Result<u8, Error> {
    let _ = tx;
    Ok(n)
}

#[idempotent(
    key = n,
    transaction = tx,
    scope = "a",
    durable,
    interrupted = retry,
    max_run = "1h",
    on_failure = share,
    detached,
    capacity = 5,
    handle = PLACE
)]
async fn with_others(tx: &mut PgConnection, n: u8) -> Result<u8, Error> {
    let _ = tx;
    Ok(n)
}

#[idempotent(key = n, transaction = tx, scope = "b")]
fn blocking(tx: &mut PgConnection, n: u8) -> Result<u8, Error> {
    let _ = tx;
    Ok(n)
}

#[idempotent(key = n, transaction = connection, scope = "c")]
async fn unknown(tx: &mut PgConnection, n: u8) -> Result<u8, Error> {
    let _ = tx;
    Ok(n)
}

#[idempotent(key = n, transaction = tx, scope = "d")]
async fn pool(tx: &PgPool, n: u8) -> Result<u8, Error> {
    let _ = tx;
    Ok(n)
}

#[idempotent(key = n, transaction = tx, scope = "e")]
async fn owned(tx: Transaction<'_, Postgres>, n: u8) -> Result<u8, Error> {
    let _ = tx;
    Ok(n)
}

#[idempotent(key = n, transaction = tx, scope = "f")]
async fn infallible(tx: &mut PgConnection, n: u8) -> u8 {
    let _ = tx;
    n
}

struct Work<'c> {
    tx: Transaction<'c, Postgres>,
}

impl Work<'_> {
    #[idempotent(key = n, transaction = self.tx, scope = "g")]
    async fn shared(&self, n: u8) -> Result<u8, Error> {
        Ok(n)
    }
}

fn main() {}
