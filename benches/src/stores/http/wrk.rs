//! What `wrk`, which others wrote, says of the same two servers.

use super::super::caller::Random;
use super::super::{Effort, Work, must};
use super::{BARE, LAYER, connections, name_of};
use crate::measure::{Contender, Turn, compete};
use crate::table::{Budget, Table};
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

/// What makes the requests.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/stores/http/wrk.lua");

/// What stands above tables that lack those of `wrk`.
pub fn without_wrk() -> &'static str {
    if is_there() { "" } else { "wrk is missing, and so are its tables: apt-get install wrk\n" }
}

fn is_there() -> bool {
    Command::new("wrk").arg("--version").output().is_ok()
}

/// Both servers by `wrk`, where it is there.
pub(super) fn measure(title: &str, (bare, layered): (SocketAddr, SocketAddr), effort: &Effort) -> Option<Table> {
    if !is_there() {
        return None;
    }
    let mut table = Table::of_rates(&format!("HTTP on {title}: requests a second, by wrk"));
    // Its shortest turn is a second: one of them shows that it works.
    let most = if effort.rounds == 1 { 1 } else { usize::MAX };
    for work in Work::ALL {
        for connections in connections(effort).take(most) {
            let what = (work, connections);
            let contenders = vec![
                Contender::timed(BARE, |_| run(bare, what, effort)),
                Contender::timed(LAYER, |_| run(layered, what, effort)),
            ];
            let results = compete(contenders, effort.pgbench_rounds, Turn::Calls(1));
            table.outpace(&name_of(what), &results, (LAYER, BARE), Budget::Open);
        }
    }
    Some(table)
}

/// How much time there is for each request.
fn run(address: SocketAddr, (work, connections): (Work, u64), effort: &Effort) -> Duration {
    // The known keys begin with zeros.
    let series = format!("1{:07x}", Random::new().next() & 0x0fff_ffff);
    let known = if work == Work::Replay { effort.keys } else { 0 };
    let output = Command::new("wrk")
        .args(["--threads", "1", "--connections", &connections.to_string()])
        .args(["--duration", "1s", "--script", SCRIPT, &format!("http://{address}/orders"), "--"])
        .args([series, known.to_string()])
        .output();
    let output = must("no wrk", output);
    let told = String::from_utf8_lossy(&output.stdout);
    let is_whole = !told.contains("Non-2xx") && !told.contains("Socket errors");
    let rate = told.lines().find_map(|line| line.strip_prefix("Requests/sec:")).map(|rate| rate.trim().parse::<f64>());
    match rate {
        Some(Ok(rate)) if is_whole && rate > 0.0 => Duration::from_secs_f64(1.0 / rate),
        _ => panic!("not understood: {output:?}"),
    }
}
