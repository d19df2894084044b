//! The HTTP layer on each store: beside axum without it, and beside the store asked by its verbs.

mod client;
mod wrk;

pub use wrk::without_wrk;

use self::client::Client;
use super::caller::contender;
use super::folder::Folder;
use super::ours::Ours;
use super::{Case, Effort, Work, must, postgres, runtime};
use crate::measure::{Results, Turn, compete, exact};
use crate::table::{Budget, Table};
use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::response::IntoResponse;
use axum::routing::post;
use idempotent_servers::{Postgres, Redis};
use idempotently::backend::memory::MemoryStore;
use idempotently::backend::postgres::PostgresStore;
use idempotently::backend::redis::RedisStore;
use idempotently::backend::sqlite::SqliteStore;
use idempotently::http::{Caller, IdempotencyLayer};
use idempotently::store::Store;
use idempotently::{InFlight, SharedStore};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// The layer on all stores.
pub const HTTP: [Case; 4] =
    [("memory", on_memory), ("sqlite", on_sqlite), ("redis", on_redis), ("postgres", on_postgres)];

const BARE: &str = "axum";
const LAYER: &str = "with the layer";
const STORE: &str = "the store alone";

/// A request that does something may wait for its store, and as long again, and no longer.
const BUDGET: Budget = Budget::AtMost(2.0);

/// The most connections at once.
const MOST_CONNECTIONS: u64 = 64;

fn on_memory(effort: &Effort) -> Vec<Table> {
    // Nothing is ever purged: at the rate of its verbs alone it would fill the machine's memory.
    let alone = Effort { turn: effort.turn / 10, ..*effort };
    // It is there for tests, and costs less than any task: it shows what the layer itself takes.
    measure("memory", &runtime(), &MemoryStore::new(), (effort, &alone), Budget::Open)
}

fn on_sqlite(effort: &Effort) -> Vec<Table> {
    let folder = Folder::new();
    let store = must("not opened", SqliteStore::open(folder.path().join("records.db")));
    measure("SQLite, synchronous = FULL", &runtime(), &store, (effort, effort), BUDGET)
}

fn on_redis(effort: &Effort) -> Vec<Table> {
    let server = must("no server", Redis::start());
    let store = must("not connected", RedisStore::connect(&server.url()));
    measure("Redis, nothing on disk", &runtime(), &store, (effort, effort), BUDGET)
}

fn on_postgres(effort: &Effort) -> Vec<Table> {
    let server = must("no server", Postgres::with_settings(&postgres::SETTINGS));
    let store = must("not connected", PostgresStore::connect(&server.url()));
    measure("PostgreSQL, every commit on disk", &runtime(), &store, (effort, effort), BUDGET)
}

/// Lets the three take turns; `efforts` are those of the servers and of the store alone.
fn measure<S>(
    title: &str,
    runtime: &Runtime,
    store: &S,
    (effort, alone): (&Effort, &Effort),
    budget: Budget,
) -> Vec<Table>
where
    S: Store + Clone,
{
    let shared = SharedStore::new(store.clone());
    // Who asks for an outcome that another one is being told waits for that one: with as few known keys as there are here
    // some would be refused otherwise.
    let builder = IdempotencyLayer::builder(Caller::header("authorization")).in_flight(InFlight::Wait);
    let layer = builder.required().store(&shared).build();
    let bare = serve(runtime, shop());
    let layered = serve(runtime, shop().layer(layer));
    let verbs = Ours::new(runtime, store.clone(), alone);
    let (to_bare, to_layer) = (Client::new(bare, false, effort), Client::new(layered, true, effort));
    to_layer.order_all_known();

    let mut rates = Table::of_rates(&format!("HTTP on {title}: requests a second"));
    let columns = ["what", "axum µs", "layer µs", "store µs", "added in times of store", "p10–p90", "budget", ""];
    let mut latencies = Table::new(format!("HTTP on {title}: latency that the layer adds"), columns);
    for work in Work::ALL {
        for connections in connections(effort) {
            let what = (work, connections);
            let contenders = vec![
                to_bare.contender(BARE, what),
                to_layer.contender(LAYER, what),
                contender(STORE, runtime, &verbs, what, alone),
            ];
            let results = compete(contenders, effort.rounds, Turn::Calls(1));
            let row = name_of(what);
            rates.outpace(&row, &results, (LAYER, BARE), Budget::Open);
            let budget = if work == Work::Fresh { budget } else { Budget::Open };
            latencies.row(added(row, connections, &results, budget));
        }
    }
    let mut tables = vec![rates, latencies];
    tables.extend(wrk::measure(title, (bare, layered), effort));
    tables
}

fn connections(effort: &Effort) -> impl Iterator<Item = u64> {
    effort.callers.iter().copied().filter(|connections| *connections <= MOST_CONNECTIONS)
}

fn name_of((work, connections): (Work, u64)) -> String {
    let plural = if connections == 1 { "" } else { "s" };
    match work {
        Work::Replay => format!("replay, {connections} connection{plural}"),
        Work::Fresh => format!("first, {connections} connection{plural}"),
    }
}

/// A row of latencies: where each caller waits for its answer, the mean one is what there are callers by the rate.
fn added(row: String, connections: u64, results: &Results, budget: Budget) -> [String; 8] {
    let micros = |name| format!("{:.1}", results.nanos(name) * exact(connections) / 1e3);
    let ratio = results.added(LAYER, BARE, STORE);
    [
        row,
        micros(BARE),
        micros(LAYER),
        micros(STORE),
        format!("{:.2}", ratio.median),
        format!("{:.2}–{:.2}", ratio.low, ratio.high),
        budget.to_string(),
        budget.verdict(ratio.median).to_owned(),
    ]
}

/// With its head, what is recorded has about as many bytes as what the store alone records.
const ANSWER: &str = "{\"order\":1,\"product\":\"lift\",\"cents\":1299,\"currency\":\"EUR\",\"paid\":true}";

fn shop() -> Router {
    Router::new().route("/orders", post(order))
}

async fn order(body: Bytes) -> impl IntoResponse {
    let status = if body.is_empty() { StatusCode::BAD_REQUEST } else { StatusCode::CREATED };
    (status, [(CONTENT_TYPE, "application/json"), (LOCATION, "/orders/1")], ANSWER)
}

/// Where it listens, for as long as the runtime lives.
fn serve(runtime: &Runtime, router: Router) -> SocketAddr {
    let listener = must("no port", runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))));
    let address = must("no port", listener.local_addr());
    runtime.spawn(async move { must("it ended", axum::serve(listener, router).await) });
    address
}
