//! Where the answers and the ledger are.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use idempotently::backend::sqlite::SqliteStore;
use idempotently::{SharedStore, connect};

use crate::arguments::Options;

/// Where both are unless somebody says otherwise; `cargo clean` forgets them.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/shop");

pub(crate) struct Home {
    records: Records,
    ledger: PathBuf,
}

enum Records {
    Url(String),
    File(PathBuf),
}

impl Home {
    pub(crate) fn find(options: &Options) -> Result<Self, Box<dyn Error>> {
        if let Some(url) = &options.store {
            let ledger = options.ledger.clone().or_else(|| beside(url));
            let ledger = ledger.ok_or("with this store, say with --ledger where the charges are to be written")?;
            return Ok(Self { records: Records::Url(url.clone()), ledger });
        }
        let folder = || fs::create_dir_all(FOLDER).and_then(|()| fs::canonicalize(FOLDER));
        let records = folder().map_err(|error| format!("{FOLDER}: {error}"))?.join("records.db");
        let ledger = options.ledger.clone().unwrap_or_else(|| records.with_extension("db.ledger"));
        Ok(Self { records: Records::File(records), ledger })
    }

    pub(crate) fn store(&self) -> Result<SharedStore, Box<dyn Error>> {
        Ok(match &self.records {
            Records::Url(url) => connect(url)?,
            Records::File(file) => SharedStore::new(SqliteStore::open(file)?),
        })
    }

    /// Where the answers are, in words; the rest of a URL may hold a password.
    pub(crate) fn records(&self) -> String {
        match &self.records {
            Records::File(file) => file.display().to_string(),
            Records::Url(url) if url.starts_with("sqlite:") => url.clone(),
            Records::Url(url) => url.split(':').next().unwrap_or_default().to_owned(),
        }
    }

    pub(crate) fn ledger(&self) -> &Path {
        &self.ledger
    }
}

/// The name of the SQLite file with something at its end, where the URL names one in plain letters.
fn beside(url: &str) -> Option<PathBuf> {
    let file = url.strip_prefix("sqlite:").filter(|&file| file != ":memory:")?;
    let file = file.strip_prefix("//").unwrap_or(file);
    let file = file.split_once('?').map_or(file, |(file, _)| file);
    (!file.contains('%')).then(|| format!("{file}.ledger").into())
}
