//! The examples do what they say. What they should come to is worked out here a second time, from their data.

#![expect(clippy::expect_used, reason = "a test may fail where it stands")]

mod checkout;
mod emails;
mod orders;
mod shop;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// The folder of the built examples.
static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
    // This test is `<profile>/deps/examples-…`; a plain `cargo test` has put the examples beside `deps`.
    let this = std::env::current_exe().expect("the path of this test");
    let built = this.ancestors().nth(2).expect("the folder of the profile").join("examples");
    if !["checkout", "elevator", "emails", "orders", "shop"].iter().all(|example| path(&built, example).exists()) {
        let cargo = std::env::var_os("CARGO").expect("tests are run by cargo");
        let build = Command::new(cargo).args(["build", "--examples"]).current_dir(root()).status();
        assert!(build.expect("cargo runs").success(), "`cargo build --examples` failed");
    }
    built
});

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn path(folder: &Path, example: &str) -> PathBuf {
    folder.join(example).with_extension(std::env::consts::EXE_EXTENSION)
}

fn start(example: &str, arguments: &[&str]) -> Child {
    Command::new(path(&BUILT, example))
        .args(arguments)
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the example starts")
}

fn run(example: &str, arguments: &[&str], stdin: &[u8]) -> Output {
    let mut child = start(example, arguments);
    let mut input = child.stdin.take().expect("a pipe");
    thread::scope(|scope| {
        // It may end without reading, or talk before it has read all.
        scope.spawn(move || input.write_all(stdin));
        child.wait_with_output().expect("the example ends")
    })
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// The number in front of a word at the beginning of a line.
fn number(report: &str, word: &str) -> usize {
    let mut lines = report.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = lines.find(|line| line.get(1) == Some(&word));
    line.unwrap_or_else(|| panic!("no line says `{word}`:\n{report}"))[0].parse().expect("a number")
}

/// A folder of its own, which goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("idempotently-examples-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("UTF-8").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn five_presses_bring_one_lift() {
    let output = run("elevator", &[], b"");
    let told = stdout(&output);
    let mut lines: Vec<&str> = told.lines().collect();
    // The five are told in any order.
    lines[2..7].sort_unstable();
    let expected = [
        "Five people press the button on floor 3 at once.",
        "  lift 1 sets off for floor 3",
        "  person 1 is told: lift 1",
        "  person 2 is told: lift 1",
        "  person 3 is told: lift 1",
        "  person 4 is told: lift 1",
        "  person 5 is told: lift 1",
        "Somebody presses on floor 7.",
        "  lift 2 sets off for floor 7",
        "  person 6 is told: lift 2",
        "A child presses on floor 3 again: lift 1 (Replayed).",
    ];
    assert_eq!(lines, expected, "{told}");
    assert_eq!(output.status.code(), Some(0));
}
