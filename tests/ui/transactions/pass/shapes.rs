//! Every shape of function that may have a transaction, without a lint of its own.
#![deny(warnings, clippy::pedantic)]

use idempotently::backend::postgres::sqlx::{Connection as _, Executor, PgConnection, Postgres, Transaction, query};
use idempotently::backend::sqlite::sqlx::{Sqlite, SqliteConnection};
use idempotently::{idempotent, transaction};
use std::pin::Pin;

type Reply<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

async fn insert<'c>(executor: impl Executor<'c, Database = Postgres>, id: i64) -> Reply<()> {
    query("INSERT INTO orders VALUES ($1)").bind(id).execute(executor).await?;
    Ok(())
}

#[idempotent(key = id, transaction = tx, scope = "a")]
async fn connection(tx: &mut PgConnection, id: i64) -> Reply<i64> {
    if id < 0 {
        return Err("negative".into());
    }
    insert(&mut *tx, id).await?;
    let mut point = tx.begin().await?;
    insert(&mut *point, id).await?;
    point.commit().await?;
    insert(tx, id).await?;
    Ok(id)
}

#[idempotent(key = id, transaction = tx, scope = "b", in_flight = wait("1s"), lease = "5s", fingerprint = cents)]
async fn whole(tx: &mut Transaction<'_, Postgres>, id: i64, cents: i64) -> Reply<i64> {
    insert(&mut **tx, cents).await?;
    Ok(id)
}

#[idempotent(key = id, missing = run, transaction = tx, scope = "c", in_flight = reject, retention = "1h")]
async fn sqlite(tx: &mut SqliteConnection, id: Option<i64>) -> Reply<Option<i64>> {
    query("SELECT 1").execute(tx).await?;
    Ok(id)
}

#[idempotent(key = id, transaction = tx, scope = "d", keep = ok)]
async fn sqlite_whole(tx: &mut Transaction<'_, Sqlite>, id: i64) -> Reply<i64> {
    query("SELECT 1").execute(&mut **tx).await?;
    Ok(id)
}

#[idempotent(key = id, transaction = tx, scope = "e")]
async fn generic<C>(tx: &mut C, id: i64) -> Reply<i64>
where
    C: transaction::Connection,
    for<'c> &'c mut C: Executor<'c, Database = Postgres>,
{
    insert(tx, id).await?;
    Ok(id)
}

#[idempotent(key = id, transaction = tx, scope = "f")]
fn boxed(tx: &mut PgConnection, id: i64) -> Pin<Box<dyn Future<Output = Reply<i64>> + Send + '_>> {
    Box::pin(async move {
        insert(tx, id).await?;
        Ok(id)
    })
}

struct Work<'c> {
    tx: Transaction<'c, Postgres>,
    done: usize,
}

impl Work<'_> {
    #[idempotent(key = id, transaction = self.tx, scope = "g")]
    async fn add(&mut self, id: i64) -> Reply<i64> {
        self.done += 1;
        insert(&mut *self.tx, id).await?;
        Ok(id)
    }
}

trait Sells {
    fn sell(&self, tx: &mut PgConnection, id: i64) -> impl Future<Output = Reply<i64>> + Send;
}

impl Sells for u8 {
    #[idempotent(key = (self, id), transaction = tx, scope = "h")]
    async fn sell(&self, tx: &mut PgConnection, id: i64) -> Reply<i64> {
        insert(tx, id + i64::from(*self)).await?;
        Ok(id)
    }
}

fn is_send<T: Send>(value: T) -> T {
    value
}

async fn all(connection_of: &mut PgConnection, file: &mut SqliteConnection) -> Reply<()> {
    let mut tx = connection_of.begin().await?;
    is_send(connection(&mut tx, 1)).await?;
    is_send(whole(&mut tx, 1, 2)).await?;
    is_send(generic(&mut *tx, 1)).await?;
    is_send(boxed(&mut tx, 1)).await?;
    is_send(1.sell(&mut tx, 1)).await?;
    let mut work = Work { tx, done: 0 };
    is_send(work.add(1)).await?;
    work.tx.commit().await?;
    let mut tx = file.begin().await?;
    is_send(sqlite(&mut tx, Some(1))).await?;
    is_send(sqlite_whole(&mut tx, 1)).await?;
    tx.commit().await?;
    Ok(())
}

fn main() {
    let _ = all;
}
