//! Where the shop's database is, and where the mail provider keeps its mails.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::arguments::Options;
use crate::tables;

pub(crate) struct Home {
    store: String,
    mails: PathBuf,
    /// For what nobody wants to keep.
    _folder: Option<Folder>,
}

impl Home {
    pub(crate) fn find(options: &Options) -> Result<Self, String> {
        let mails = options.mails.clone();
        match &options.store {
            None => {
                let folder = Folder::new().map_err(|error| format!("a temporary folder: {error}"))?;
                let mails = mails.unwrap_or_else(|| folder.0.join("mails"));
                let store = format!("sqlite:{}", folder.0.join("shop.db").display());
                Ok(Self { store, mails, _folder: Some(folder) })
            }
            Some(store) => {
                let beside = tables::file(store).map(|file| format!("{file}.mails").into());
                let mails = mails.or(beside).ok_or("with this store, say with --mails where the mails are")?;
                Ok(Self { store: store.clone(), mails, _folder: None })
            }
        }
    }

    pub(crate) fn store(&self) -> &str {
        &self.store
    }

    pub(crate) fn mails(&self) -> &Path {
        &self.mails
    }
}

/// A temporary folder, which goes with its owner.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("idempotently-orders-{}", std::process::id()));
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
