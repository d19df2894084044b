//! PostgreSQL, beside `pgbench` and a pool of `sqlx` with the same statements, on a server that writes through to the disk.

mod pgbench;
mod pool;
// The statements themselves, so that they cannot differ.
#[path = "../../../idempotent-core/src/backend/postgres/sql.rs"]
#[expect(dead_code, unused_imports, reason = "some of it is not measured")]
mod sql;

use self::pgbench::Pgbench;
use self::pool::Pool;
use super::caller::contender;
use super::ours::Ours;
use super::{Effort, Work, crowd, must, runtime};
use crate::measure::{Contender, Turn, compete};
use crate::table::{Budget, Table};
use idempotent_servers::Postgres;
use idempotently::SharedStore;
use idempotently::backend::postgres::PostgresStore;

const OURS: &str = "PostgresStore";
const PGBENCH: &str = "pgbench";
const POOL: &str = "sqlx pool of 16";

pub(super) const SETTINGS: [(&str, &str); 4] =
    [("fsync", "on"), ("synchronous_commit", "on"), ("full_page_writes", "on"), ("max_connections", "400")];

pub(super) fn measure(effort: &Effort) -> Vec<Table> {
    let runtime = runtime();
    let server = must("no server", Postgres::with_settings(&SETTINGS));
    let open = || must("not connected", PostgresStore::connect(&server.url()));
    let ours = Ours::new(&runtime, open(), effort);
    let pool = Pool::connect(&runtime, &server.url(), ours.known.clone());
    let pgbench = Pgbench::new(&server.url(), effort);
    // A turn of ours is as long as what of a turn of `pgbench` counts would be at its shortest.
    let long = Effort { turn: effort.turn * 4, ..*effort };
    let mut table = Table::of_rates("PostgreSQL, every commit on disk");
    for work in Work::ALL {
        for &callers in effort.callers {
            let what = (work, callers);
            let contenders = vec![
                contender(OURS, &runtime, &ours, what, &long),
                Contender::timed(PGBENCH, |_| pgbench.run(work, callers)),
                contender(POOL, &runtime, &pool, what, &long),
            ];
            let results = compete(contenders, effort.pgbench_rounds, Turn::Calls(1));
            let beside_pgbench = if callers >= 16 { 1.0 } else { 0.8 };
            let row = work.by(callers);
            table.outpace(&row, &results, (OURS, PGBENCH), Budget::AtLeast(beside_pgbench));
            let beside_pool = if callers >= 64 { Budget::AtLeast(3.0) } else { Budget::Open };
            table.outpace(&row, &results, (OURS, POOL), beside_pool);
        }
    }
    let stores = [SharedStore::new(open()), SharedStore::new(open())];
    vec![table, crowd::measure("PostgreSQL", &runtime, &stores, effort)]
}
