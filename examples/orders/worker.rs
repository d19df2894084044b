//! A worker: places the orders that it is given, several at a time, and may be killed at any moment.

use std::error::Error;
use std::sync::Arc;

use idempotently::backend::sqlite::sqlx::{Database, Pool};
use idempotently::{How, Observed, observe_async, transaction};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::chain;
use crate::pipe::{Delivery, Reply, Told, listen, tell};
use crate::place::{OrderError, place};
use crate::tables::{Errand, Tables, with_database};

pub(crate) fn work(store: &str) -> Result<(), Box<dyn Error>> {
    Runtime::new()?.block_on(with_database(store, Serve))
}

struct Serve;

impl Errand for Serve {
    type Done = ();

    async fn run<DB: Database<Connection: Tables>>(self, pool: &Pool<DB>) -> Result<(), Box<dyn Error>> {
        let mut deliveries = listen();
        let mut tasks = JoinSet::new();
        while let Some(delivery) = deliveries.recv().await {
            tasks.spawn(answer(pool.clone(), delivery));
            while tasks.try_join_next().is_some() {}
        }
        tasks.join_all().await;
        Ok(())
    }
}

async fn answer<DB: Database<Connection: Tables>>(pool: Pool<DB>, Delivery { number, order }: Delivery) {
    let order = Arc::new(order);
    let placed = transaction(&pool, move |tx| {
        let order = order.clone();
        Box::pin(async move { place(tx, &order).await })
    });
    let Observed { value, how, .. } = observe_async(placed).await;
    let reply = match value {
        Ok(receipt) => Reply::Placed(receipt),
        Err(OrderError::SoldOut) => Reply::SoldOut,
        Err(error) => Reply::Failed(chain(&error)),
    };
    // Where nobody listens any more, the order is placed all the same.
    let _ = tell(&Told::Answered { delivery: number, reply, replayed: how == How::Replayed });
}
