//! Steps of the machine's wall clock, and what SQLite's leases make of them.

#![cfg(all(feature = "macros", feature = "sqlx-sqlite"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use futures_lite::future::block_on;
use idempotent_servers::SteppedClock;
use idempotently::backend::sqlite::sqlx::{Connection as _, SqliteConnection};
use idempotently::backend::sqlite::{SqliteOptions, SqliteStore, Synchronous};
use idempotently::record::{OnInterruption, Owner};
use idempotently::store::{Claim, Claimed, CompleteRequest, Hold, Place, Recorded, Store};
use idempotently::{Error, ErrorKind, idempotent};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

const LEASE: Duration = Duration::from_secs(30);
const BRIEF: Duration = Duration::from_millis(300);
const HOUR: i64 = 3_600_000_000;
/// How long something may take that is not about time.
const DEADLINE: Duration = Duration::from_mins(1);

/// In the environment of a child: the file with the offset of its clock, which it steps itself.
const OFFSET: &str = "STEPPED_CLOCK";

/// Runs a test of this program in a process whose wall clock can be stepped.
#[track_caller]
fn in_a_child(test: &str) -> bool {
    if std::env::var_os(OFFSET).is_some() {
        return false;
    }
    let clock = SteppedClock::new().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    let ran = child.args([test, "--exact", "--nocapture"]).envs(clock.environment()).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}");
    true
}

/// Steps the clock of this process, and of no other.
fn step_to(micros: i64) {
    let before = SystemTime::now();
    SteppedClock::step_of(&PathBuf::from(std::env::var_os(OFFSET).unwrap()), micros).unwrap();
    let stepped = SystemTime::now().duration_since(before).is_ok_and(|span| span.as_secs() < 60);
    assert!(!stepped, "the clock did not move");
}

/// A file that goes with the test.
struct File(PathBuf);

impl File {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("idempotently-clocks-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.join("records.db")
    }

    fn open(&self) -> SqliteStore {
        SqliteStore::open_with(self.path(), &SqliteOptions::new().synchronous(Synchronous::Normal)).unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn place() -> Place {
    Place { scope: "tests.clocks".into(), key: "7".into() }
}

fn ask(store: &SqliteStore, owner: u8, lease: Duration) -> Claimed {
    block_on(store.claim(Claim::new(place(), Owner([owner; 16]), lease, OnInterruption::Retry))).unwrap()
}

fn hold(store: &SqliteStore, owner: u8, lease: Duration) -> Hold {
    match ask(store, owner, lease) {
        Claimed::Granted { token, .. } => Hold { place: place(), token },
        other => panic!("nobody holds the key, but {other:?}"),
    }
}

#[idempotent(key = id, transaction = tx, scope = "tests.clocks", in_flight = reject)]
async fn in_transaction(tx: &mut SqliteConnection, id: i64) -> Result<i64, Error> {
    panic!("{id} runs in {tx:?} beside a call that is in flight")
}

#[test]
fn a_clock_set_forward_ends_no_lease() {
    if in_a_child("a_clock_set_forward_ends_no_lease") {
        return;
    }
    let file = File::new();
    let (store, other) = (file.open(), file.open());
    let held = hold(&store, 1, LEASE);
    step_to(HOUR);
    let seen = ask(&other, 2, LEASE);
    assert!(matches!(seen, Claimed::InFlight { remaining } if remaining <= LEASE && !remaining.is_zero()), "{seen:?}");
    assert_eq!(block_on(store.renew(vec![held.clone()], LEASE)).unwrap(), [true]);
    step_to(2 * HOUR);
    let seen = ask(&other, 2, LEASE);
    assert!(matches!(seen, Claimed::InFlight { remaining } if remaining <= LEASE && !remaining.is_zero()), "{seen:?}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let refused = runtime.block_on(async {
        let url = format!("sqlite:{}", file.path().display());
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        let mut tx = connection.begin().await.unwrap();
        in_transaction(&mut tx, 7).await
    });
    assert_eq!(refused.map_err(|error| error.kind()), Err(ErrorKind::InFlight), "a transaction judges as a call does");
    assert_eq!(block_on(store.complete(CompleteRequest::new(held, b"paid".to_vec()))).unwrap(), Recorded::Done);
    assert_eq!(ask(&other, 2, LEASE), Claimed::Completed { outcome: b"paid".to_vec() });
}

#[test]
fn a_clock_set_back_prolongs_no_lease() {
    if in_a_child("a_clock_set_back_prolongs_no_lease") {
        return;
    }
    let file = File::new();
    let (store, other) = (file.open(), file.open());
    hold(&store, 1, BRIEF);
    step_to(-HOUR);
    let since = Instant::now();
    loop {
        match ask(&other, 2, LEASE) {
            Claimed::Granted { attempt, .. } => break assert_eq!(attempt, 2),
            Claimed::InFlight { remaining } => assert!(remaining <= BRIEF, "{remaining:?} of {BRIEF:?}"),
            seen => panic!("{seen:?}"),
        }
        assert!(since.elapsed() < DEADLINE, "the lease does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_clock_set_forward_ends_retention() {
    if in_a_child("a_clock_set_forward_ends_retention") {
        return;
    }
    let file = File::new();
    let store = file.open();
    let held = hold(&store, 1, LEASE);
    let retention = Some(Duration::from_mins(30));
    let request = CompleteRequest::new(held, b"paid".to_vec()).retention(retention);
    assert_eq!(block_on(store.complete(request)).unwrap(), Recorded::Done);
    assert_eq!(ask(&store, 2, LEASE), Claimed::Completed { outcome: b"paid".to_vec() });
    step_to(HOUR);
    hold(&store, 2, LEASE);
}
