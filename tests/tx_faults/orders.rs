//! What is to happen once: an order with a random name, and one less in stock.

use crate::checker::ITEMS;
use crate::failure::Failure;
use crate::random;
use idempotently::backend::postgres::sqlx::{PgConnection, query};
use idempotently::backend::sqlite::sqlx::SqliteConnection;
use idempotently::idempotent;

pub(crate) const SCOPE: &str = "faults.orders";

/// Fails after its effects where it is to decline.
#[idempotent(key = key, transaction = tx, scope = "faults.orders")]
pub(crate) async fn place(tx: &mut PgConnection, key: i64, declines: bool) -> Result<String, Failure> {
    let id = random::id();
    query("UPDATE stock SET remaining = remaining - 1 WHERE item = $1").bind(key % ITEMS).execute(&mut *tx).await?;
    query("INSERT INTO orders (key, id) VALUES ($1, $2)").bind(key).bind(&id).execute(tx).await?;
    if declines { Err(Failure::Declined) } else { Ok(id) }
}

/// The same in SQLite.
#[idempotent(key = key, transaction = tx, scope = "faults.orders")]
pub(crate) async fn place_in_file(tx: &mut SqliteConnection, key: i64, declines: bool) -> Result<String, Failure> {
    let id = random::id();
    query("UPDATE stock SET remaining = remaining - 1 WHERE item = ?1").bind(key % ITEMS).execute(&mut *tx).await?;
    query("INSERT INTO orders (key, id) VALUES (?1, ?2)").bind(key).bind(&id).execute(tx).await?;
    if declines { Err(Failure::Declined) } else { Ok(id) }
}
