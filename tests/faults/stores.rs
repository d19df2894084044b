//! Where the stores of the tests are.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// Records that several processes can share.
pub(crate) trait Shareable {
    fn url(&self) -> String;
}

/// A key that no other test has, in this run or an earlier one.
pub(crate) fn fresh_key() -> String {
    static KEYS: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", std::process::id(), KEYS.fetch_add(1, Ordering::Relaxed))
}

/// One file in a folder of its own, which goes with the test.
pub(crate) struct Sqlite(PathBuf);

impl Sqlite {
    pub(crate) fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("idempotently-faults-{}", fresh_key()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Shareable for Sqlite {
    fn url(&self) -> String {
        format!("sqlite:{}?synchronous=normal", self.0.join("records.db").display())
    }
}

/// Records on a server.
#[cfg(any(feature = "postgres", feature = "redis"))]
pub(crate) trait Remote {
    fn port(&self) -> u16;
    /// Where it is for those that take another way, which begins at this port.
    fn url_by(&self, port: u16) -> String;
}

#[cfg(any(feature = "postgres", feature = "redis"))]
fn by(url: &str, own: u16, port: u16) -> String {
    url.replace(&format!(":{own}"), &format!(":{port}"))
}

#[cfg(feature = "postgres")]
pub(crate) struct Postgres;

#[cfg(feature = "postgres")]
impl Shareable for Postgres {
    fn url(&self) -> String {
        idempotent_servers::Postgres::shared().url()
    }
}

#[cfg(feature = "postgres")]
impl Remote for Postgres {
    fn port(&self) -> u16 {
        idempotent_servers::Postgres::shared().port()
    }

    fn url_by(&self, port: u16) -> String {
        by(&self.url(), self.port(), port)
    }
}

#[cfg(feature = "redis")]
pub(crate) struct Redis;

#[cfg(feature = "redis")]
impl Shareable for Redis {
    fn url(&self) -> String {
        idempotent_servers::Redis::shared().url()
    }
}

#[cfg(feature = "redis")]
impl Remote for Redis {
    fn port(&self) -> u16 {
        idempotent_servers::Redis::shared().port()
    }

    fn url_by(&self, port: u16) -> String {
        by(&self.url(), self.port(), port)
    }
}
