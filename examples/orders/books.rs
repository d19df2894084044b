//! What the database says in the end, asked without the library.

use std::collections::BTreeMap;
use std::error::Error;

use idempotently::backend::sqlite::sqlx::{Database, Pool};

use crate::tables::{Errand, Tables};

pub(crate) struct Books {
    pub(crate) stock: Vec<Shelf>,
    /// The id and the number of each order.
    pub(crate) orders: Vec<(String, i64)>,
    /// How many records of placed orders there are.
    pub(crate) records: i64,
    /// How many mails are still to be sent.
    pub(crate) unsent: usize,
}

/// What there is of an article.
#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) initial: i64,
    pub(crate) remaining: i64,
    pub(crate) ordered: i64,
}

pub(crate) struct Read;

impl Errand for Read {
    type Done = Books;

    async fn run<DB: Database<Connection: Tables>>(self, pool: &Pool<DB>) -> Result<Books, Box<dyn Error>> {
        let mut connection = pool.acquire().await?;
        let mut stock = BTreeMap::<String, Shelf>::new();
        for (article, initial) in connection.pairs("SELECT article, initial FROM stock").await? {
            stock.entry(article).or_default().initial = initial;
        }
        for (article, remaining) in connection.pairs("SELECT article, remaining FROM stock").await? {
            stock.entry(article).or_default().remaining = remaining;
        }
        let ordered = "SELECT article, CAST(sum(count) AS bigint) FROM order_lines GROUP BY article";
        for (article, ordered) in connection.pairs(ordered).await? {
            stock.entry(article).or_default().ordered = ordered;
        }
        let orders = connection.pairs("SELECT id, number FROM orders").await?;
        let records = "SELECT scope, count(*) FROM idempotently_record WHERE scope = 'shop.order' GROUP BY scope";
        let records = connection.pairs(records).await?.first().map_or(0, |&(_, count)| count);
        let unsent = connection.pairs("SELECT reference, number FROM outbox").await?.len();
        Ok(Books { stock: stock.into_values().collect(), orders, records, unsent })
    }
}
