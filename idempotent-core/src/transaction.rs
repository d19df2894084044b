//! Exactly once: the record of a call inside the transaction that has its effect.
//!
//! `#[idempotent(transaction = tx, …)]` writes the record through the function's own connection, so that the effect and
//! its record are committed together or not at all. [`transaction`](crate::transaction()) does the same for a program that
//! leaves begin and commit to the library.
//!
//! ```no_run
//! use idempotently::backend::postgres::sqlx::{self, PgConnection, PgPool};
//! use idempotently::idempotent;
//!
//! type Reply<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
//!
//! #[idempotent(key = order, transaction = tx, scope = "shop.place")]
//! async fn place(tx: &mut PgConnection, order: i64) -> Reply<i64> {
//!     sqlx::query("INSERT INTO orders (id) VALUES ($1)").bind(order).execute(&mut *tx).await?;
//!     Ok(order)
//! }
//!
//! # async fn run(pool: &PgPool) -> Reply<()> {
//! idempotently::transaction::set_up(&mut *pool.acquire().await?).await?; // once, when the program starts
//!
//! // The caller owns begin and commit …
//! let mut tx = pool.begin().await?;
//! let number = place(&mut tx, 7).await?;
//! tx.commit().await?;
//!
//! // … or the library does, and begins again where the database says so.
//! let same: Reply<i64> = idempotently::transaction(pool, |tx| Box::pin(place(tx, 7))).await;
//! assert_eq!(same?, number);
//! # Ok(()) }
//! ```
//!
//! # What holds
//!
//! * The record is a row that is made before the body runs. Whoever else wants the key waits until that transaction ends,
//!   and then gets its outcome or runs.
//! * A call that did not complete keeps its transaction from being committed: after an `Err`, a panic or a dropped future
//!   it can only be rolled back, whole or to a savepoint that was set before the call. So is a connection outside a
//!   transaction refused, before the body runs.
//! * The record is written last, and counts: where the body swallowed an error of the database, the call fails.
//! * Above READ COMMITTED, and where two transactions take keys in opposite orders, one of them gets
//!   [`Contended`](crate::ErrorKind::Contended): it is to be rolled back and begun again. SERIALIZABLE may also end one of
//!   two that have nothing in common.
//! * A transaction holds a lock of the server's for each key that it executes: some thousands with PostgreSQL's default
//!   of `max_locks_per_transaction`. What runs for many keys is better done in several transactions.
//! * Effects outside the database are not covered: write what is to be sent into a table, in the same transaction, and
//!   send it from there.

mod body;
mod cause;
mod connection;
mod ledger;
mod owned;
mod running;

#[doc(hidden)]
pub use body::Body;
pub use cause::{ByError, ByReference, Causes};
pub(crate) use connection::Verbs;
#[doc(hidden)]
pub use connection::lent;
pub use connection::{Connection, set_up};
pub(crate) use owned::TRANSACTIONS;
pub use owned::transaction;
#[doc(hidden)]
pub use running::{Begun, Running};
pub(crate) use running::{Errand, begin};
