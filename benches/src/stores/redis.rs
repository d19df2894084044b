//! Redis, beside a client with the same scripts, and beside `redis-benchmark`.

mod bare;

use self::bare::{Bare, digest_of_claim};
use super::caller::contender;
use super::ours::{LEASE, NEVER_LATE, OUTCOME, Ours, RETENTION, SCOPE, micros};
use super::{Effort, Work, crowd, must, runtime};
use crate::measure::{Contender, Turn, compete};
use crate::table::{Budget, Table};
use idempotent_servers::Redis;
use idempotently::SharedStore;
use idempotently::backend::redis::RedisStore;
use idempotently::record::{OnInterruption, Owner};
use idempotently::store::{Claim, Claimed, CompleteRequest, Hold, Place, Store};
use std::process::Command;
use std::time::Duration;
use tokio::runtime::Runtime;

const OURS: &str = "RedisStore";
const BARE: &str = "bare client";
const BENCHMARK: &str = "redis-benchmark";

/// Can be written on a command line.
const PRINTABLE: &[u8; 16] = b"0123456789abcdef";

pub(super) fn measure(effort: &Effort) -> Vec<Table> {
    let runtime = runtime();
    let server = must("no server", Redis::start());
    let open = || must("not connected", RedisStore::connect(&server.url()));
    let ours = Ours::new(&runtime, open(), effort);
    let bare = Bare::connect(&runtime, &server.url(), ours.known.clone());
    prepare_benchmark(&runtime, &open());
    let mut table = Table::of_rates("Redis, nothing on disk");
    for work in Work::ALL {
        for &callers in effort.callers {
            let what = (work, callers);
            let mut contenders =
                vec![contender(OURS, &runtime, &ours, what, effort), contender(BARE, &runtime, &bare, what, effort)];
            if work == Work::Replay {
                contenders.push(Contender::timed(BENCHMARK, |_| benchmark(server.port(), callers, effort)));
            }
            let results = compete(contenders, effort.rounds, Turn::Calls(1));
            let row = work.by(callers);
            table.outpace(&row, &results, (OURS, BARE), Budget::AtLeast(0.8));
            if work == Work::Replay {
                table.outpace(&row, &results, (OURS, BENCHMARK), Budget::Open);
            }
        }
    }
    let stores = [SharedStore::new(open()), SharedStore::new(open())];
    vec![table, crowd::measure("Redis", &runtime, &stores, effort)]
}

/// Records an outcome that can be asked for from a command line.
fn prepare_benchmark(runtime: &Runtime, store: &RedisStore) {
    let place = Place { scope: SCOPE.into(), key: BENCHMARK.into() };
    let claim = Claim::new(place.clone(), Owner(*PRINTABLE), LEASE, OnInterruption::Retry);
    let claimed = must("no claim", runtime.block_on(store.claim(claim.fingerprint(Some(*PRINTABLE)))));
    let Claimed::Granted { token, .. } = claimed else { panic!("a new key is {claimed:?}") };
    let recorded =
        store.complete(CompleteRequest::new(Hold { place, token }, OUTCOME.to_vec()).retention(Some(RETENTION)));
    must("no record", runtime.block_on(recorded));
}

/// How much time there is for each replay that Redis' own benchmark makes: one key, a connection for each caller.
fn benchmark(port: u16, callers: u64, effort: &Effort) -> Duration {
    // Each is some tens of microseconds.
    let requests = u64::try_from(effort.turn.as_micros()).unwrap_or(0) / 40;
    let printable = String::from_utf8_lossy(PRINTABLE);
    let name = format!("idempotently/{SCOPE}/{BENCHMARK}");
    let lease = micros(LEASE).to_string();
    let output = Command::new("redis-benchmark")
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-c", &callers.to_string(), "-n", &requests.to_string()])
        // An answer that is an error ends it.
        .args(["-e", "--csv", "EVALSHA", digest_of_claim(), "1", &name, SCOPE, BENCHMARK])
        .args([&*printable, "1", &*printable, &lease, "-1", "1", &NEVER_LATE.to_string()])
        .output();
    let output = must("no redis-benchmark", output);
    let told = String::from_utf8_lossy(&output.stdout);
    let told = told.lines().find(|line| line.starts_with("\"EVALSHA")).and_then(|line| line.split("\",\"").nth(1));
    let Some(Ok(rate)) = told.map(str::parse::<f64>) else { panic!("not understood: {output:?}") };
    Duration::from_secs_f64(1.0 / rate)
}
