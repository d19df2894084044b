//! PostgreSQL, on a server that writes through to the disk.

use super::{By, FIND, Failure, INSERT, SCHEMA, orders};
use crate::stores::caller::Peer;
use crate::stores::postgres::SETTINGS;
use crate::stores::{Effort, must, runtime};
use crate::table::Table;
use idempotent_servers::Postgres;
use idempotently::backend::postgres::PostgresStore;
use idempotently::backend::postgres::sqlx::postgres::PgPoolOptions;
use idempotently::backend::postgres::sqlx::{PgConnection, PgPool, query, raw_sql};
use idempotently::{OnInterruption, Operation, SharedStore};

orders!("bench.orders.postgres", PgPool, PgConnection, "BEGIN");

pub(super) fn measure(effort: &Effort) -> Vec<Table> {
    let runtime = runtime();
    let server = must("no server", Postgres::with_settings(&SETTINGS));
    let pool = runtime.block_on(PgPoolOptions::new().max_connections(16).connect(&server.url()));
    let pool = must("not connected", pool);
    let store = SharedStore::new(must("not connected", PostgresStore::connect(&server.url())));
    let peer = |by| Orders { by, pool: pool.clone(), store: store.clone(), keys: effort.keys };
    must("no tables", runtime.block_on(peer(By::Caller).set_up()));
    let long = Effort { turn: effort.turn * 2, ..*effort };
    vec![super::measure("PostgreSQL, every commit on disk", &runtime, peer, &long)]
}
