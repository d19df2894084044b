//! The shop's own books. What is charged twice is there twice, unless it comes with a reference: money is taken once for
//! one, as banks do it.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Result, params};
use serde::Serialize;

/// `synchronous = full`: a charge is on the disk before anybody is told of it.
const SCHEMA: &str = "
    PRAGMA journal_mode = wal;
    PRAGMA synchronous = full;
    CREATE TABLE IF NOT EXISTS charges (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        shop TEXT NOT NULL,
        purchase TEXT NOT NULL,
        cents INTEGER NOT NULL,
        reference TEXT UNIQUE,
        -- How often it was charged with this reference.
        asked INTEGER NOT NULL DEFAULT 1,
        at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ'))
    ) STRICT;
    CREATE INDEX IF NOT EXISTS charges_of_a_purchase ON charges (shop, purchase);";

pub(crate) struct Ledger(Mutex<Connection>);

/// A line of the books.
#[derive(Debug, Serialize)]
pub(crate) struct Charge {
    number: i64,
    cents: i64,
    at: String,
}

/// What the books say of an order, and of all orders of that shop.
#[derive(Debug, Serialize)]
pub(crate) struct Statement {
    charges: Vec<Charge>,
    all: Sum,
}

#[derive(Debug, Serialize)]
struct Sum {
    orders: i64,
    charges: i64,
    cents: i64,
}

impl Ledger {
    pub(crate) fn open(file: &Path) -> std::result::Result<Self, String> {
        let open = || {
            let connection = Connection::open(file)?;
            connection.execute_batch(SCHEMA)?;
            Ok(Self(Mutex::new(connection)))
        };
        open().map_err(|error: rusqlite::Error| format!("{}: {error}", file.display()))
    }

    /// Takes the money, and gives the number of the charge.
    pub(crate) fn charge(&self, shop: &str, order: &str, cents: i64, reference: Option<&str>) -> Result<i64> {
        let charge = "INSERT INTO charges (shop, purchase, cents, reference) VALUES (?, ?, ?, ?)
            ON CONFLICT (reference) DO UPDATE SET asked = asked + 1 RETURNING number";
        self.connection().query_row(charge, params![shop, order, cents, reference], |row| row.get(0))
    }

    pub(crate) fn statement(&self, shop: &str, order: &str) -> Result<Statement> {
        let connection = self.connection();
        let charges = connection
            .prepare_cached("SELECT number, cents, at FROM charges WHERE shop = ? AND purchase = ? ORDER BY number")?
            .query_map([shop, order], |row| Ok(Charge { number: row.get(0)?, cents: row.get(1)?, at: row.get(2)? }))?
            .collect::<Result<_>>()?;
        let all = connection
            .prepare_cached(
                "SELECT count(DISTINCT purchase), count(*), ifnull(sum(cents), 0) FROM charges WHERE shop = ?",
            )?
            .query_row([shop], |row| Ok(Sum { orders: row.get(0)?, charges: row.get(1)?, cents: row.get(2)? }))?;
        Ok(Statement { charges, all })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
