//! A Python of the tests' own, with what `requirements.txt` names. It is made once and kept with what cargo builds.

use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use idempotent_servers::find;

const REQUIREMENTS: &str = include_str!("requirements.txt");

/// A script beside this file, to be run.
pub(crate) fn script(name: &str) -> Command {
    static PYTHON: LazyLock<PathBuf> = LazyLock::new(python);
    let mut command = Command::new(&*PYTHON);
    command.arg(beside(name));
    command
}

/// A file beside this one.
pub(crate) fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

fn python() -> PathBuf {
    let system = find("python3").unwrap_or_else(|error| panic!("{error}"));
    let mut kind = DefaultHasher::new();
    (REQUIREMENTS, system.canonicalize().ok()).hash(&mut kind);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("python-{:016x}", kind.finish()));
    let (python, complete) = (folder.join("bin/python"), folder.join("complete"));
    // Another test may be at it.
    let lock = File::create(folder.with_extension("lock")).expect("a file beside what cargo builds");
    lock.lock().expect("a lock");
    if !complete.exists() {
        run(Command::new(system).args(["-m", "venv", "--clear"]).arg(&folder));
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
        run(Command::new(&python).args(install).arg(beside("requirements.txt")));
        File::create(complete).expect("a file beside what cargo builds");
    }
    python
}

fn run(command: &mut Command) {
    let output = command.output().expect("Python runs");
    let words = [output.stdout, output.stderr].concat();
    let words = String::from_utf8_lossy(&words);
    assert!(output.status.success(), "{command:?} failed; is `python3-venv` installed?\n{words}");
}
