//! Where the records and the bank's books are.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use idempotently::backend::sqlite::SqliteStore;
use idempotently::{SharedStore, connect};

pub(crate) struct Home<'a> {
    records: Records<'a>,
    ledger: PathBuf,
    /// For what nobody wants to keep.
    _folder: Option<Folder>,
}

enum Records<'a> {
    Url(&'a str),
    File(PathBuf),
}

impl<'a> Home<'a> {
    pub(crate) fn find(url: Option<&'a str>, ledger: Option<&Path>) -> Result<Self, String> {
        let folder = || Folder::new().map_err(|error| format!("a temporary folder: {error}"));
        Ok(match (url, ledger) {
            (None, ledger) => {
                let folder = folder()?;
                let records = Records::File(folder.0.join("records.db"));
                let ledger = ledger.map_or_else(|| folder.0.join("ledger"), Path::to_owned);
                Self { records, ledger, _folder: Some(folder) }
            }
            (Some(url), Some(ledger)) => Self { records: Records::Url(url), ledger: ledger.to_owned(), _folder: None },
            (Some(url @ ("memory:" | "sqlite::memory:")), None) => {
                let folder = folder()?;
                Self { records: Records::Url(url), ledger: folder.0.join("ledger"), _folder: Some(folder) }
            }
            (Some(url), None) => {
                let ledger = beside(url).ok_or("with this store, say with --ledger where the bank is to write")?;
                Self { records: Records::Url(url), ledger, _folder: None }
            }
        })
    }

    pub(crate) fn store(&self) -> Result<SharedStore, Box<dyn std::error::Error>> {
        Ok(match &self.records {
            Records::Url(url) => connect(url)?,
            Records::File(file) => SharedStore::new(SqliteStore::open(file)?),
        })
    }

    pub(crate) fn ledger(&self) -> &Path {
        &self.ledger
    }
}

/// The name of the SQLite file with something at its end, where the URL names one in plain letters.
fn beside(url: &str) -> Option<PathBuf> {
    let file = url.strip_prefix("sqlite:")?;
    let file = file.strip_prefix("//").unwrap_or(file);
    let file = file.split_once('?').map_or(file, |(file, _)| file);
    (!file.contains('%')).then(|| format!("{file}.ledger").into())
}

/// A temporary folder, which goes with its owner.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("idempotently-checkout-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays behind harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}
