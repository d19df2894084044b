//! The store against real files.
#![expect(clippy::expect_used, reason = "a test may fail where it stands")]

mod adopting;
mod alone;
mod histories;
mod opening;
mod surviving;
mod verbs;
mod waiting;
mod writing;

use super::{SqliteOptions, SqliteStore, Synchronous};
use crate::clock::{ManualClock, WallClock};
use crate::record::{OnInterruption, Owner};
use crate::store::{Claim, Claimed, CompleteRequest, Hold, Place, Recorded, Store};
use futures_lite::future::block_on;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const LEASE: Duration = Duration::from_secs(30);

/// A folder that is gone after the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("idempotently-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("records.db")
    }

    /// A store that does not wait for the disk: no test cuts the power.
    fn open(&self) -> SqliteStore {
        SqliteStore::open_with(self.file(), &quick()).expect("a store")
    }

    fn open_with_clock(&self, clock: &Arc<ManualClock>) -> SqliteStore {
        let path = self.file();
        let path = path.to_str().expect("a path in UTF-8");
        SqliteStore::with_clock(path, &quick(), WallClock::manual(clock.clone())).expect("a store")
    }

    /// The file without the library.
    fn bare(&self) -> Connection {
        bare(&self.file())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn bare(file: &Path) -> Connection {
    let connection = Connection::open(file).expect("the file opens");
    connection.busy_timeout(Duration::from_secs(5)).expect("a time limit");
    connection
}

fn quick() -> SqliteOptions {
    SqliteOptions::new().synchronous(Synchronous::Normal)
}

fn place(key: &str) -> Place {
    Place { scope: "tests".into(), key: key.into() }
}

fn claim(key: &str, owner: u8) -> Claim {
    Claim::new(place(key), Owner([owner; 16]), LEASE, OnInterruption::Retry)
}

fn granted(store: &SqliteStore, claim: Claim) -> Hold {
    let place = claim.place.clone();
    match block_on(store.claim(claim)) {
        Ok(Claimed::Granted { token, .. }) => Hold { place, token },
        other => panic!("not granted but {other:?}"),
    }
}

fn complete(store: &SqliteStore, hold: &Hold, outcome: &[u8]) -> Recorded {
    block_on(store.complete(CompleteRequest::new(hold.clone(), outcome.to_vec()))).expect("an answer")
}

fn completed(outcome: &[u8]) -> Claimed {
    Claimed::Completed { outcome: outcome.to_vec() }
}

fn soon(what: &str, mut happens: impl FnMut() -> bool) {
    let since = Instant::now();
    while !happens() {
        assert!(since.elapsed() < Duration::from_secs(10), "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}
