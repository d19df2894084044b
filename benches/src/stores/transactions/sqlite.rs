//! SQLite, by a pool that writes with one connection: more of them only wait for the file.

use super::{By, FIND, Failure, INSERT, SCHEMA, orders};
use crate::stores::caller::Peer;
use crate::stores::folder::Folder;
use crate::stores::{Effort, must, runtime};
use crate::table::Table;
use idempotently::backend::sqlite::sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use idempotently::backend::sqlite::sqlx::{SqliteConnection, SqlitePool, query, raw_sql};
use idempotently::backend::sqlite::{SqliteOptions, SqliteStore, Synchronous};
use idempotently::{OnInterruption, Operation, SharedStore};

orders!("bench.orders.sqlite", SqlitePool, SqliteConnection, "BEGIN IMMEDIATE");

pub(super) fn measure(effort: &Effort) -> Vec<Table> {
    let runtime = runtime();
    let levels = [
        ("NORMAL", SqliteSynchronous::Normal, Synchronous::Normal),
        ("FULL", SqliteSynchronous::Full, Synchronous::Full),
    ];
    let measured = levels.map(|(name, of_pool, of_store)| {
        let folder = Folder::new();
        let path = folder.path().join("orders.db");
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(of_pool);
        let pool =
            must("not opened", runtime.block_on(SqlitePoolOptions::new().max_connections(1).connect_with(options)));
        let store = SqliteStore::open_with(&path, &SqliteOptions::new().synchronous(of_store));
        let store = SharedStore::new(must("not opened", store));
        let peer = |by| Orders { by, pool: pool.clone(), store: store.clone(), keys: effort.keys };
        must("no tables", runtime.block_on(peer(By::Caller).set_up()));
        let long = Effort { turn: effort.turn * 2, ..*effort };
        super::measure(&format!("SQLite, synchronous = {name}"), &runtime, peer, &long)
    });
    measured.into()
}
