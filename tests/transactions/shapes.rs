//! Every shape of function that has a transaction, called, and its future spawned.

use crate::support::{Failure, database, effect, effects};
use idempotently::backend::postgres::sqlx::{
    Connection as _, Executor, PgConnection, PgPool, Postgres, Transaction, query,
};
use idempotently::{idempotent, transaction};
use std::pin::Pin;

async fn any<'c>(executor: impl Executor<'c, Database = Postgres>, id: i64) -> Result<(), Failure> {
    query("INSERT INTO effects (id) VALUES ($1)").bind(id).execute(executor).await?;
    Ok(())
}

/// Uses its transaction in every way that a body without the attribute could.
#[idempotent(key = id, transaction = tx, scope = "tests.shapes.connection")]
async fn connection(tx: &mut PgConnection, id: i64, lines: Vec<i64>) -> Result<i64, Failure> {
    if lines.is_empty() {
        return Err(Failure::Declined);
    }
    effect(tx, id).await?;
    for line in lines {
        effect(&mut *tx, line).await?;
    }
    let mut point = tx.begin().await?;
    effect(&mut point, 1000).await?;
    point.commit().await?;
    {
        let mut point = tx.begin().await?;
        effect(&mut point, 2000).await?;
    }
    any(&mut *tx, 3000).await?;
    any(tx, 3002).await?;
    Ok(id)
}

#[idempotent(key = id, transaction = tx, scope = "tests.shapes.transaction")]
async fn whole(tx: &mut Transaction<'_, Postgres>, id: i64) -> Result<i64, Failure> {
    effect(tx, id).await?;
    any(&mut **tx, id).await?;
    let mut point = tx.begin().await?;
    effect(&mut point, id).await?;
    point.commit().await?;
    Ok(id)
}

#[idempotent(key = id, transaction = tx, scope = "tests.shapes.named")]
#[expect(clippy::needless_lifetimes, reason = "it is there to be named")]
async fn named<'c>(tx: &'c mut PgConnection, id: i64) -> Result<i64, Failure> {
    any(tx, id).await?;
    Ok(id)
}

fn passed(tx: &mut PgConnection) -> &mut PgConnection {
    tx
}

#[idempotent(key = id, transaction = tx, scope = "tests.shapes.mutable")]
async fn mutable(mut tx: &mut PgConnection, id: i64) -> Result<i64, Failure> {
    tx = passed(tx);
    effect(tx, id).await?;
    Ok(id)
}

#[idempotent(key = id, transaction = tx, scope = "tests.shapes.generic")]
async fn generic<C>(tx: &mut C, id: i64) -> Result<i64, Failure>
where
    C: transaction::Connection,
    for<'c> &'c mut C: Executor<'c, Database = Postgres>,
{
    any(&mut *tx, id).await?;
    Ok(id)
}

#[idempotent(key = id, transaction = tx, scope = "tests.shapes.boxed")]
fn boxed(tx: &mut PgConnection, id: i64) -> Pin<Box<dyn Future<Output = Result<i64, Failure>> + Send + '_>> {
    if id < 0 {
        return Box::pin(async { Err(Failure::Declined) });
    }
    Box::pin(async move {
        any(tx, id).await?;
        Ok(id)
    })
}

#[idempotent(key = id, transaction = tx, scope = "tests.shapes.by_hand")]
fn by_hand(tx: &mut PgConnection, id: i64) -> impl Future<Output = Result<i64, Failure>> + Send {
    async move {
        any(tx, id).await?;
        Ok(id)
    }
}

struct Shop {
    name: String,
}

impl Shop {
    #[idempotent(key = (&self.name, &order.0), transaction = tx, scope = "tests.shapes.method", fingerprint = order.1)]
    async fn sell(&self, tx: &mut PgConnection, order: (i64, String)) -> Result<String, Failure> {
        any(tx, order.0).await?;
        let text = order.1;
        Ok(text + &self.name)
    }
}

trait Sells {
    fn buy(&self, tx: &mut PgConnection, id: i64) -> impl Future<Output = Result<i64, Failure>> + Send;
}

impl Sells for Shop {
    #[idempotent(key = id, transaction = tx, scope = "tests.shapes.trait")]
    async fn buy(&self, tx: &mut PgConnection, id: i64) -> Result<i64, Failure> {
        any(tx, id).await?;
        Ok(id)
    }
}

#[async_trait::async_trait]
trait Pays: Send + Sync {
    async fn pay(&self, tx: &mut PgConnection, id: i64) -> Result<i64, Failure>;
}

#[async_trait::async_trait]
impl Pays for Shop {
    #[idempotent(key = id, transaction = tx, scope = "tests.shapes.async_trait")]
    async fn pay(&self, tx: &mut PgConnection, id: i64) -> Result<i64, Failure> {
        any(tx, id).await?;
        Ok(id)
    }
}

struct Work<'c> {
    tx: Transaction<'c, Postgres>,
    done: usize,
}

impl Work<'_> {
    #[idempotent(key = id, transaction = self.tx, scope = "tests.shapes.field")]
    async fn add(&mut self, id: i64) -> Result<i64, Failure> {
        self.done += 1;
        effect(&mut self.tx, id).await?;
        self.other(id).await?;
        Ok(id)
    }

    async fn other(&mut self, id: i64) -> Result<(), Failure> {
        any(&mut *self.tx, id).await
    }
}

struct Lent<'c> {
    inner: Inner<'c>,
}

struct Inner<'c> {
    tx: &'c mut PgConnection,
}

impl Lent<'_> {
    #[idempotent(key = id, transaction = self.inner.tx, scope = "tests.shapes.lent")]
    async fn add(&mut self, id: i64) -> Result<i64, Failure> {
        any(&mut *self.inner.tx, id).await?;
        Ok(id)
    }
}

async fn all(pool: &PgPool, id: i64) -> Result<(), Failure> {
    let mut tx = pool.begin().await?;
    let shop = Shop { name: "corner".into() };
    assert_eq!(connection(&mut tx, id, vec![id + 1]).await?, id);
    assert_eq!(whole(&mut tx, id).await?, id);
    assert_eq!(named(&mut tx, id).await?, id);
    assert_eq!(mutable(&mut tx, id).await?, id);
    assert_eq!(generic(&mut *tx, id).await?, id);
    assert_eq!(boxed(&mut tx, id).await?, id);
    assert_eq!(by_hand(&mut tx, id).await?, id);
    assert_eq!(shop.sell(&mut tx, (id, "to ".into())).await?, "to corner");
    assert_eq!(shop.buy(&mut tx, id).await?, id);
    assert_eq!(shop.pay(&mut tx, id).await?, id);
    assert_eq!(Lent { inner: Inner { tx: &mut tx } }.add(id).await?, id);
    let mut work = Work { tx, done: 0 };
    assert_eq!(work.add(id).await?, id);
    assert_eq!(work.add(id).await?, id);
    assert!(work.done <= 1);
    work.tx.commit().await?;
    Ok(())
}

/// Through generic code, which knows only that the future may go to another thread.
async fn spawned<F: Future<Output: Send> + Send + 'static>(future: F) -> F::Output {
    tokio::spawn(future).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_has_its_effect_once_and_may_be_spawned() {
    let pool = database(2).await;
    for _ in 0..2 {
        let pool = pool.clone();
        spawned(async move { all(&pool, 7).await }).await.unwrap();
    }
    // Once for each shape, twice more for the whole transaction, and once more for the field.
    assert_eq!(effects(&pool, 7).await, 12 + 2 + 1);
    assert_eq!((effects(&pool, 1000).await, effects(&pool, 2000).await, effects(&pool, 3002).await), (1, 0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_leaves_the_body_early_is_its_outcome() {
    let pool = database(1).await;
    let mut tx = pool.begin().await.unwrap();
    assert!(matches!(connection(&mut tx, 7, vec![]).await, Err(Failure::Declined)));
    assert!(matches!(boxed(&mut tx, -1).await, Err(Failure::Declined)));
}
