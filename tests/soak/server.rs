//! The server in a process of its own, so that nobody else's memory counts: this very test program, told by its
//! environment what to do.

use crate::connection::{Connection, post};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post as posted;
use idempotently::backend::memory::MemoryStore;
use idempotently::http::{Caller, IdempotencyLayer};
use idempotently::store::Standing;
use idempotently::{InFlight, Records, SharedStore, connect};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// For how long an answer is kept.
pub(crate) const RETENTION: Duration = Duration::from_secs(4);
/// How often what is over is purged, as docs/backends.md advises: now and then, from one place.
const PURGE: Duration = Duration::from_millis(500);
/// Marks the failures that are on purpose.
pub(crate) const INJECTED: &str = "x-injected";

const JOB: &str = "IDEMPOTENTLY_SOAK_JOB";
/// What the lines begin with that are not the test harness's own.
const MARK: &str = "@";

/// A running server, ended when it is dropped, and its folder with it.
pub(crate) struct Server {
    child: Child,
    /// Open until the end: the harness says something after a minute.
    _out: Lines<BufReader<ChildStdout>>,
    address: SocketAddr,
    folder: PathBuf,
}

impl Server {
    pub(crate) fn start(store: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("idempotently-soak-{}-{store}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["server::serve", "--exact", "--nocapture"])
            .env(JOB, format!("{store}\n{}", folder.display()))
            // One pool, so that which thread ran when does not matter to how much memory glibc keeps for later.
            .env("MALLOC_ARENA_MAX", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // The harness does not end its own line before the test writes.
        let address = lines.find_map(|line| Some(line.unwrap().split_once(MARK)?.1.parse().unwrap()));
        Self { child, _out: lines, address: address.expect("it ended before it listened"), folder }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.folder.join("ledger")
    }

    /// Waits until nothing is under way and every record has expired and is purged; how many there were in all.
    pub(crate) async fn purge_all(&self) -> usize {
        let reply = Connection::open(self.address).await.ask(&post("/rest", "-", "")).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body.parse().unwrap()
    }

    /// Its memory, in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Does what the environment says; without it, this is no server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve() {
    let Ok(job) = std::env::var(JOB) else { return };
    let (store, folder) = job.split_once('\n').unwrap();
    let folder = PathBuf::from(folder);
    let store = match store {
        "memory" => SharedStore::new(MemoryStore::new()),
        _ => connect(&format!("sqlite:{}", folder.join("records.db").display())).unwrap(),
    };
    let layer = |in_flight| {
        let caller = Caller::header("authorization");
        IdempotencyLayer::builder(caller).required().store(&store).retention(RETENTION).in_flight(in_flight).build()
    };
    let till = Arc::new(Till::new(File::create(folder.join("ledger")).unwrap(), store.clone()));
    let refused = Router::new().route("/orders", posted(order)).layer(layer(InFlight::Reject));
    let joined = Router::new().route("/orders/wait", posted(order)).layer(layer(InFlight::Wait));
    let router = refused.merge(joined).route("/rest", posted(rest)).with_state(till.clone());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(PURGE).await;
            till.purge().await;
        }
    });
    let mut out = std::io::stdout().lock();
    writeln!(out, "{MARK}{address}").and_then(|()| out.flush()).unwrap();
    drop(out);
    // Whoever started it is gone when this ends.
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().lock().read_line(&mut String::new())).await;
}

/// What the handlers share.
struct Till {
    began: Instant,
    ledger: Mutex<File>,
    runs: AtomicU64,
    purged: AtomicUsize,
    store: SharedStore,
}

impl Till {
    fn new(ledger: File, store: SharedStore) -> Self {
        Self {
            began: Instant::now(),
            ledger: Mutex::new(ledger),
            runs: AtomicU64::new(0),
            purged: AtomicUsize::new(0),
            store,
        }
    }

    async fn purge(&self) {
        let records = Records::of(&self.store);
        let purged = tokio::task::spawn_blocking(move || records.purge(usize::MAX).unwrap()).await.unwrap();
        self.purged.fetch_add(purged, Ordering::Relaxed);
    }
}

const FAILURES: [StatusCode; 2] = [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::SERVICE_UNAVAILABLE];

/// Takes its time, fails now and then before it has done anything, and has its effect otherwise.
async fn order(State(till): State<Arc<Till>>, headers: HeaderMap) -> Response {
    let key = headers["idempotency-key"].to_str().unwrap();
    let run = till.runs.fetch_add(1, Ordering::Relaxed);
    if run.is_multiple_of(4) {
        // So that others come while it runs.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    if run % 8 == 3 {
        let header = [(HeaderName::from_static(INJECTED), "true")];
        return (FAILURES[usize::from(run % 16 == 3)], header, "on purpose").into_response();
    }
    let answer = format!("effect {run} {}", "of many words ".repeat(20));
    let line = format!("{} {key} {answer}\n", till.began.elapsed().as_micros());
    till.ledger.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes()).unwrap();
    (StatusCode::CREATED, answer).into_response()
}

/// Answers once nothing is kept any more, with how many records there were in all.
async fn rest(State(till): State<Arc<Till>>) -> String {
    let patience = Instant::now();
    let records = Records::of(&till.store);
    loop {
        let kept = [Standing::Completed, Standing::InFlight]
            .map(|standing| records.list("http", standing, None, 10).unwrap().len());
        if kept == [0, 0] {
            till.purge().await;
            return till.purged.load(Ordering::Relaxed).to_string();
        }
        assert!(patience.elapsed() < Duration::from_mins(1), "there still are records: {kept:?}");
        // No event tells that a record's time is over.
        tokio::time::sleep(PURGE / 5).await;
    }
}
