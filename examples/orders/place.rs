//! The one function that must not sell twice.

use std::error::Error;
use std::fmt;

use idempotently::backend::sqlite::sqlx;
use idempotently::{current, idempotent};
use serde::{Deserialize, Serialize};

use crate::requests::Order;
use crate::tables::Tables;

/// What orders are called in the records.
pub(crate) const SCOPE: &str = "shop.order";

/// Places an order: its row, its lines, what is taken from stock, and the mail that is to be sent, together with the record
/// of the call. However often it is called for one `order.id`, and whoever is killed at whichever statement: the database
/// has all of it once, or nothing, and everybody gets the same receipt.
///
/// Where an article is sold out, the `Err` takes back what was done before it, and nothing is recorded.
#[idempotent(
    key = order.id,
    fingerprint = (order.customer, order.lines),
    transaction = tx,
    scope = SCOPE,
    retention = forever,
)]
#[expect(clippy::expect_used, reason = "this is the inside")]
pub(crate) async fn place<C: Tables>(tx: &mut C, order: &Order) -> Result<Receipt, OrderError> {
    let number = tx.add_order(&order.id, &order.customer).await?;
    // They are in the order of their names, so that two orders never wait for each other.
    for line in &order.lines {
        if !tx.take(&line.article, line.count).await? {
            return Err(OrderError::SoldOut);
        }
        tx.add_line(number, &line.article, line.count).await?;
    }
    let reference = current().expect("inside of the execution").downstream_key("mail");
    tx.add_mail(&reference, number, &order.customer).await?;
    Ok(Receipt { number })
}

/// What every duplicate gets, too. Another execution would have another number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) number: i64,
}

/// Why nothing was sold.
#[derive(Debug)]
pub(crate) enum OrderError {
    SoldOut,
    Database(sqlx::Error),
    /// The words of the library.
    NotRun(idempotently::Error),
}

impl From<sqlx::Error> for OrderError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<idempotently::Error> for OrderError {
    fn from(error: idempotently::Error) -> Self {
        Self::NotRun(error)
    }
}

impl fmt::Display for OrderError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::SoldOut => "sold out",
            Self::Database(_) => "the database failed",
            Self::NotRun(_) => "the order was not placed",
        })
    }
}

/// The library looks through the causes for one that says to begin the transaction again.
impl Error for OrderError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::SoldOut => None,
            Self::Database(error) => Some(error),
            Self::NotRun(error) => Some(error),
        }
    }
}
