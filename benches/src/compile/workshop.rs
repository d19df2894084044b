//! A temporary folder with a workspace in it, and cargo at work there.

use crate::table::Budget;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Instant, SystemTime};

/// How a crate is built.
#[derive(Clone, Copy)]
pub(super) enum Build {
    Check,
    Debug,
    Release,
}

impl Build {
    pub(super) const ALL: [Self; 3] = [Self::Check, Self::Debug, Self::Release];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Debug => "debug",
            Self::Release => "release",
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Check => "cargo check",
            Self::Debug => "cargo build",
            Self::Release => "cargo build --release",
        }
    }

    /// What ours may add, as a part of what `cached` by key adds.
    pub(super) fn budget(self) -> Budget {
        match self {
            Self::Check => Budget::AtMost(1.0 / 3.0),
            Self::Debug => Budget::AtMost(0.75),
            Self::Release => Budget::AtMost(1.0),
        }
    }
}

/// How long a build took, in seconds.
#[derive(Clone, Copy)]
pub(super) struct Took {
    /// On the clock.
    pub(super) wall: f64,
    /// On the processors, cargo included; nothing where the system does not say.
    pub(super) processor: Option<f64>,
}

/// The folder. It goes away with this.
pub(super) struct Workshop {
    folder: PathBuf,
    members: RefCell<Vec<String>>,
}

impl Workshop {
    pub(super) fn open() -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("idempotent-benches-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        // The versions of this repository, so that nothing has to be looked up.
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock"), folder.join("Cargo.lock"))?;
        Ok(Self { folder, members: RefCell::default() })
    }

    pub(super) fn add(&self, name: &str, manifest: &str, source: &str) -> io::Result<()> {
        let folder = self.folder.join(name);
        fs::create_dir_all(folder.join("src"))?;
        fs::write(folder.join("Cargo.toml"), manifest)?;
        fs::write(folder.join("src/lib.rs"), source)?;
        self.members.borrow_mut().push(name.to_owned());
        Ok(())
    }

    /// Makes a workspace of what was added.
    pub(super) fn close_members(&self) -> io::Result<()> {
        let members = &*self.members.borrow();
        fs::write(self.folder.join("Cargo.toml"), format!("[workspace]\nresolver = \"3\"\nmembers = {members:?}\n"))
    }

    /// As after a change: the crate is to be built again, and what it depends on is not.
    pub(super) fn touch(&self, name: &str) -> io::Result<()> {
        let source = self.folder.join(name).join("src/lib.rs");
        File::options().append(true).open(source)?.set_modified(SystemTime::now())
    }

    /// Builds the crate; how long that took.
    pub(super) fn build(&self, build: Build, name: &str) -> io::Result<Took> {
        let arguments: &[&str] = match build {
            Build::Check => &["check"],
            Build::Debug => &["build"],
            Build::Release => &["build", "--release"],
        };
        let before = processor_seconds_of_children();
        let start = Instant::now();
        self.cargo(arguments.iter().copied().chain(["--quiet", "-p", name]))?;
        let wall = start.elapsed().as_secs_f64();
        let processor = processor_seconds_of_children().zip(before).map(|(after, before)| after - before);
        Ok(Took { wall, processor })
    }

    /// How large the library is that the last such build made.
    pub(super) fn rlib_megabytes(&self, build: Build, name: &str) -> Option<String> {
        let profile = match build {
            Build::Check => return None,
            Build::Debug => "debug",
            Build::Release => "release",
        };
        let file = format!("target/{profile}/lib{}.rlib", name.replace('-', "_"));
        let kilobytes = fs::metadata(self.folder.join(file)).ok()?.len() / 1000;
        Some(format!("{}.{}", kilobytes / 1000, kilobytes % 1000 / 100))
    }

    /// The crates that a crate is made of, itself included.
    pub(super) fn crates_of(&self, name: &str) -> io::Result<BTreeSet<String>> {
        let tree = self.cargo(["tree", "-p", name, "-e", "normal", "--prefix", "none", "--format", "{p}"])?;
        Ok(tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
    }

    /// Runs cargo without the network, and reads what it says.
    fn cargo<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> io::Result<String> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .arg("--offline")
            .args(arguments)
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", self.folder.join("target"))
            .env("CARGO_INCREMENTAL", "0")
            .output()?;
        if !output.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// What the processes that this one has waited for have used, as Linux counts it: in hundredths of a second, the 16th
/// and 17th word of a line whose second is in parentheses.
fn processor_seconds_of_children() -> Option<f64> {
    let line = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, words) = line.rsplit_once(')')?;
    let hundredths = words.split_whitespace().skip(13).take(2).map(|word| word.parse::<f64>().ok());
    Some(hundredths.sum::<Option<f64>>()? / 100.0)
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // What is left over is in the folder for temporary files; there is nobody to tell.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
