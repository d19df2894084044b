//! How a file is opened.

use crate::store::StoreError;
use std::path::PathBuf;
use std::time::Duration;

/// What a commit waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Synchronous {
    /// For the disk. What was answered is still there after a power failure.
    #[default]
    Full,
    /// For the operating system, which is several times faster. Whatever happens to the process, nothing is lost; when
    /// the **machine** fails (power, kernel), the last commits may be gone: claims and outcomes that were answered
    /// already, so that a body runs again whose outcome a caller has seen.
    Normal,
}

/// How a file is opened.
///
/// ```
/// use idempotently::backend::sqlite::{SqliteOptions, SqliteStore, Synchronous};
/// use std::time::Duration;
///
/// # let folder = std::env::temp_dir().join(format!("idempotently-options-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// let options = SqliteOptions::new().synchronous(Synchronous::Normal).busy_timeout(Duration::from_secs(1));
/// let store = SqliteStore::open_with(folder.join("records.db"), &options)?;
/// # drop(store);
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), idempotently::store::StoreError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteOptions {
    pub(super) synchronous: Synchronous,
    pub(super) busy_timeout: Duration,
}

impl SqliteOptions {
    /// Every commit waits for the disk, and nobody waits longer than five seconds for another process's transaction.
    #[must_use]
    pub const fn new() -> Self {
        Self { synchronous: Synchronous::Full, busy_timeout: Duration::from_secs(5) }
    }

    /// What a commit waits for.
    #[must_use]
    pub const fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.synchronous = synchronous;
        self
    }

    /// How long a request waits for a transaction of another process before it fails; at most 24 days.
    #[must_use]
    pub fn busy_timeout(mut self, longest: Duration) -> Self {
        // SQLite counts milliseconds in 32 bits.
        self.busy_timeout = longest.min(Duration::from_hours(24 * 24));
        self
    }
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// Where the records are to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    Memory,
    File(PathBuf),
}

impl Target {
    /// A path, or the name that SQLite has for a database in memory.
    pub(super) fn from_path(path: PathBuf) -> Self {
        if path.as_os_str() == ":memory:" { Self::Memory } else { Self::File(path) }
    }
}

/// What a URL asks for.
pub(super) fn parse(url: &str) -> Result<(Target, SqliteOptions), StoreError> {
    let rest = url.strip_prefix("sqlite:").ok_or(StoreError::new("an SQLite URL begins with `sqlite:`").permanent())?;
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut options = SqliteOptions::new();
    for option in query.split('&').filter(|option| !option.is_empty()) {
        options = match option {
            "synchronous=full" => options.synchronous(Synchronous::Full),
            "synchronous=normal" => options.synchronous(Synchronous::Normal),
            "mode=rwc" => options,
            _ => {
                return Err(StoreError::new(
                    "the SQLite URL has an option other than `synchronous=full`, `synchronous=normal` and `mode=rwc`",
                )
                .permanent());
            }
        };
    }
    Ok((Target::from_path(decode(path)?.into()), options))
}

/// A path in which `%20` is a space.
fn decode(path: &str) -> Result<String, StoreError> {
    let wrong = || {
        StoreError::new(
            "the path in the SQLite URL has a `%` without two hexadecimal digits; write `%25` for a percent sign",
        )
        .permanent()
    };
    let mut bytes = Vec::with_capacity(path.len());
    let mut left = path.as_bytes();
    while let Some((&byte, after)) = left.split_first() {
        left = after;
        bytes.push(match (byte, after) {
            (b'%', [high, low, after @ ..]) => {
                left = after;
                digit(*high).zip(digit(*low)).map(|(high, low)| high << 4 | low).ok_or_else(wrong)?
            }
            (b'%', _) => return Err(wrong()),
            _ => byte,
        });
    }
    String::from_utf8(bytes)
        .map_err(|error| StoreError::caused("the path in the SQLite URL is not UTF-8", error).permanent())
}

fn digit(character: u8) -> Option<u8> {
    char::from(character).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
