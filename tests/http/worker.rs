//! A server in a process of its own: this very test program, told by its environment what to do.

use crate::client::Ask;
use crate::shop::{Shop, Till, layer, memory, routes};
use axum::routing::post;
use idempotently::{SharedStore, connect};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const JOB: &str = "IDEMPOTENTLY_HTTP_JOB";
/// What the lines begin with that are not the test harness's own.
const MARK: &str = "@";

/// Does what the environment says; without it, this is no worker.
#[tokio::test]
async fn worker() {
    let Ok(job) = std::env::var(JOB) else { return };
    let (what, file) = job.split_once('\n').unwrap();
    match what {
        "serve" => serve(file).await,
        "shut down" => shut_down().await,
        "uploads" => crate::limits::uploads().await,
        #[cfg(feature = "tracing")]
        "log" => crate::isolation::look_at_the_log().await,
        other => panic!("not a job: {other}"),
    }
}

async fn serve(file: &str) {
    let store = connect(&format!("sqlite:{file}")).unwrap();
    let till = Arc::new(Till::default());
    let entered = till.clone();
    let layer = layer(&store).lease(Duration::from_secs(2)).build();
    let router = routes().layer(layer).with_state(till.clone()).route(
        "/entered",
        post(async move || {
            entered.entered().await;
            "entered"
        }),
    );
    let shop = Shop::serve(till, router).await;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{MARK}{}", shop.address).and_then(|()| out.flush()).unwrap();
    drop(out);
    // Whoever started it is gone when this ends.
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().lock().read_line(&mut String::new())).await;
}

/// It has a process of its own since what goes on is counted for the whole process.
async fn shut_down() {
    let shop = Shop::with(layer(&memory())).await;
    let ask = Ask::post("/slow").by("alice").key("k").body("it");
    let gone = ask.open(shop.address).await;
    shop.till.entered().await;
    drop(gone);
    let left = idempotently::shutdown(Duration::from_millis(10)).await;
    assert_eq!((left.bodies, shop.sold()), (1, 0), "it says what is left");
    shop.till.go(1);
    assert!(idempotently::shutdown(Duration::from_secs(30)).await.is_complete());
    assert_eq!(shop.sold(), 1);
    assert!(shop.send(&ask).await.is_replayed());
}

/// A file of records that goes with its owner.
pub(crate) struct Ledger(PathBuf);

impl Ledger {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("idempotently-http-{}-{}.db", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self(std::env::temp_dir().join(name))
    }

    /// Another way to it, as another process has.
    pub(crate) fn open(&self) -> SharedStore {
        connect(&format!("sqlite:{}", self.0.display())).unwrap()
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", self.0.display()));
        }
    }
}

/// A process, killed when it is dropped, with a file that goes with it.
pub(crate) struct Worker {
    child: Mutex<Child>,
    out: Mutex<BufReader<ChildStdout>>,
    pub(crate) ledger: Ledger,
}

impl Worker {
    pub(crate) fn start(what: &str) -> Self {
        let ledger = Ledger::new();
        // Some jobs have more connections than a process may open by default.
        let mut child = Command::new("sh")
            .args(["-c", "ulimit -n 8192 2>/dev/null; exec \"$0\" worker::worker --exact --nocapture"])
            .arg(std::env::current_exe().unwrap())
            .env(JOB, format!("{what}\n{}", ledger.0.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = Mutex::new(BufReader::new(child.stdout.take().unwrap()));
        Self { child: Mutex::new(child), out, ledger }
    }

    /// Where it listens, once it does.
    pub(crate) fn address(&self) -> SocketAddr {
        let mut out = self.out.lock().unwrap();
        loop {
            let mut line = String::new();
            assert!(out.read_line(&mut line).unwrap() > 0, "it ended before it listened");
            // The harness does not end its own line before the test writes.
            if let Some((_, address)) = line.split_once(MARK) {
                return address.trim().parse().unwrap();
            }
        }
    }

    pub(crate) fn kill(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
    }

    pub(crate) fn ends_well(&self) {
        assert!(self.child.lock().unwrap().wait().unwrap().success());
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
    }
}
