//! A temporary folder that goes with its owner.

use crate::ServerError;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Waits until whoever started it is gone or has closed its input, and takes the folder away. A server that is being
/// killed at that moment may write into it once more.
const TIDY: &str =
    r#"trap "" HUP INT QUIT TERM; read -r _; for _ in 1 2 3 4 5; do rm -rf "$1" && exit; sleep 0.2; done"#;

/// A folder that is taken away when this is dropped, and also when this process is killed or never drops it.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    tidy: Child,
}

impl Folder {
    pub(crate) fn new(what: &str) -> Result<Self, ServerError> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("idempotent-{what}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        let refused = |error| ServerError::because("the server's folder cannot be made", error);
        std::fs::create_dir_all(&path).map_err(refused)?;
        // Nothing of ours may stay open in it, or whoever reads our output would wait for it.
        let tidy = Command::new("sh")
            .args(["-c", TIDY, "sh"])
            .arg(&path)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(refused)?;
        Ok(Self { path, tidy })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(self.tidy.stdin.take());
        let _ = self.tidy.wait();
    }
}
