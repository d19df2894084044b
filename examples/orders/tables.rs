//! The shop's tables, and what is said to them. Both databases understand the same statements.

use std::error::Error;

#[cfg(feature = "postgres")]
use idempotently::backend::postgres::sqlx::PgConnection;
use idempotently::backend::sqlite::sqlx::pool::PoolOptions;
use idempotently::backend::sqlite::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use idempotently::backend::sqlite::sqlx::{self, Database, Pool, SqliteConnection, query, query_as, query_scalar};
use idempotently::transaction;

use crate::requests::ARTICLES;

/// `orders.id` is not unique: nothing but the record of the call keeps an order from being there twice.
macro_rules! schema {
    ($number:literal) => {
        concat!(
            "CREATE TABLE IF NOT EXISTS stock (article text PRIMARY KEY, initial bigint NOT NULL,
                remaining bigint NOT NULL CHECK (remaining >= 0));
            CREATE TABLE IF NOT EXISTS orders (number ",
            $number,
            " PRIMARY KEY, id text NOT NULL, customer text NOT NULL);
            CREATE TABLE IF NOT EXISTS order_lines (number bigint NOT NULL REFERENCES orders, article text NOT NULL,
                count bigint NOT NULL, PRIMARY KEY (number, article));
            CREATE TABLE IF NOT EXISTS outbox (reference text PRIMARY KEY, number bigint NOT NULL,
                recipient text NOT NULL);"
        )
    };
}

/// What is done through a connection, in a transaction or not.
pub(crate) trait Tables: transaction::Connection {
    async fn create(&mut self) -> sqlx::Result<()>;
    async fn fill(&mut self, article: &str, initial: i64) -> sqlx::Result<()>;

    fn add_order(&mut self, id: &str, customer: &str) -> impl Future<Output = sqlx::Result<i64>> + Send;
    /// Whether there was enough.
    fn take(&mut self, article: &str, count: i64) -> impl Future<Output = sqlx::Result<bool>> + Send;
    fn add_line(&mut self, number: i64, article: &str, count: i64) -> impl Future<Output = sqlx::Result<()>> + Send;
    fn add_mail(&mut self, reference: &str, number: i64, to: &str) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Reference, order and recipient of some mails.
    async fn mails_to_send(&mut self) -> sqlx::Result<Vec<(String, i64, String)>>;
    async fn forget_mail(&mut self, reference: &str) -> sqlx::Result<()>;

    /// What a statement says that asks for a text and a number.
    async fn pairs(&mut self, sql: &'static str) -> sqlx::Result<Vec<(String, i64)>>;
}

macro_rules! tables {
    ($connection:ty, $number:literal) => {
        impl Tables for $connection {
            async fn create(&mut self) -> sqlx::Result<()> {
                sqlx::raw_sql(schema!($number)).execute(self).await.map(drop)
            }

            async fn fill(&mut self, article: &str, initial: i64) -> sqlx::Result<()> {
                let sql = "INSERT INTO stock (article, initial, remaining) VALUES ($1, $2, $2) ON CONFLICT DO NOTHING";
                query(sql).bind(article).bind(initial).execute(self).await.map(drop)
            }

            async fn add_order(&mut self, id: &str, customer: &str) -> sqlx::Result<i64> {
                let sql = "INSERT INTO orders (id, customer) VALUES ($1, $2) RETURNING number";
                query_scalar(sql).bind(id).bind(customer).fetch_one(self).await
            }

            async fn take(&mut self, article: &str, count: i64) -> sqlx::Result<bool> {
                let sql = "UPDATE stock SET remaining = remaining - $2 WHERE article = $1 AND remaining >= $2";
                Ok(query(sql).bind(article).bind(count).execute(self).await?.rows_affected() == 1)
            }

            async fn add_line(&mut self, number: i64, article: &str, count: i64) -> sqlx::Result<()> {
                let sql = "INSERT INTO order_lines (number, article, count) VALUES ($1, $2, $3)";
                query(sql).bind(number).bind(article).bind(count).execute(self).await.map(drop)
            }

            async fn add_mail(&mut self, reference: &str, number: i64, to: &str) -> sqlx::Result<()> {
                let sql = "INSERT INTO outbox (reference, number, recipient) VALUES ($1, $2, $3)";
                query(sql).bind(reference).bind(number).bind(to).execute(self).await.map(drop)
            }

            async fn mails_to_send(&mut self) -> sqlx::Result<Vec<(String, i64, String)>> {
                query_as("SELECT reference, number, recipient FROM outbox ORDER BY number LIMIT 50")
                    .fetch_all(self)
                    .await
            }

            async fn forget_mail(&mut self, reference: &str) -> sqlx::Result<()> {
                query("DELETE FROM outbox WHERE reference = $1").bind(reference).execute(self).await.map(drop)
            }

            async fn pairs(&mut self, sql: &'static str) -> sqlx::Result<Vec<(String, i64)>> {
                query_as(sql).fetch_all(self).await
            }
        }
    };
}

tables!(SqliteConnection, "integer");
#[cfg(feature = "postgres")]
tables!(PgConnection, "bigint GENERATED ALWAYS AS IDENTITY");

/// Something to be done with the shop's database, whichever it is.
pub(crate) trait Errand {
    type Done;

    async fn run<DB: Database<Connection: Tables>>(self, pool: &Pool<DB>) -> Result<Self::Done, Box<dyn Error>>;
}

/// The file that a URL of SQLite names. What is in memory only one process can see.
pub(crate) fn file(store: &str) -> Option<&str> {
    let url = store.strip_prefix("sqlite:")?;
    Some(url.strip_prefix("//").unwrap_or(url)).filter(|file| !file.is_empty() && *file != ":memory:")
}

/// Connects, and does it.
pub(crate) async fn with_database<E: Errand>(store: &str, errand: E) -> Result<E::Done, Box<dyn Error>> {
    if let Some(file) = file(store) {
        let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
        let options = options.journal_mode(SqliteJournalMode::Wal);
        // It has one writer at a time; more connections would wait for each other.
        errand.run(&PoolOptions::<sqlx::Sqlite>::new().max_connections(4).connect_with(options).await?).await
    } else if store.starts_with("postgres:") || store.starts_with("postgresql:") {
        #[cfg(feature = "postgres")]
        return errand.run(&PoolOptions::<sqlx::Postgres>::new().max_connections(8).connect(store).await?).await;
        #[cfg(not(feature = "postgres"))]
        Err("PostgreSQL needs `--features postgres`".into())
    } else {
        Err("--store is `sqlite:FILE` or `postgres://…`".into())
    }
}

/// Opens the shop: its tables, ours, and what is in stock for so many orders. What is there already stays.
pub(crate) struct Open {
    pub(crate) orders: usize,
}

impl Errand for Open {
    type Done = ();

    async fn run<DB: Database<Connection: Tables>>(self, pool: &Pool<DB>) -> Result<(), Box<dyn Error>> {
        let mut connection = pool.acquire().await?;
        transaction::set_up(&mut *connection).await?;
        connection.create().await?;
        for article in ARTICLES {
            // A little less than will be asked for.
            connection.fill(article, i64::try_from(self.orders / 4)?).await?;
        }
        Ok(())
    }
}
