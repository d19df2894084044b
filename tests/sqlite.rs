//! What callers see of a store in a SQLite file.

#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use futures_lite::future::block_on;
use idempotently::backend::sqlite::{SqliteOptions, SqliteStore, Synchronous};
use idempotently::{Error, ErrorKind, InFlight, OnInterruption, Operation, SharedStore};
use std::error::Error as StdError;
use std::path::PathBuf;

type Failure = Box<dyn StdError + Send + Sync>;

static AGAIN: Operation =
    Operation::new("tests.sqlite.again").in_flight(InFlight::Reject).interrupted(OnInterruption::Fail);

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("idempotently-sqlite-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_call_that_failed_can_be_made_again_at_once() {
    let folder = Folder::new();
    for (index, synchronous) in [Synchronous::Normal, Synchronous::Full].into_iter().enumerate() {
        let options = SqliteOptions::new().synchronous(synchronous);
        let store = SharedStore::new(SqliteStore::open_with(folder.0.join(format!("{index}.db")), &options).unwrap());
        for key in 0..200_u64 {
            let call = async |fails: bool| {
                let body = async || if fails { Err(Failure::from("it failed")) } else { Ok(key) };
                AGAIN.call(&key).store(&store).try_run_async(body).await
            };
            let (failed, again) = block_on(async { (call(true).await, call(false).await) });
            assert_eq!(failed.unwrap_err().to_string(), "it failed");
            let kind = |error: Failure| error.downcast_ref::<Error>().map(Error::kind);
            assert_eq!(again.map_err(kind), Ok::<_, Option<ErrorKind>>(key));
        }
    }
}
