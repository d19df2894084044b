//! The example `shop` as a running program, and its ledger.
//!
//! `cargo build --examples` builds it; here it is only built where it is missing.

#![expect(clippy::expect_used, reason = "a test may fail where it stands")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use idempotent_servers::find;
use rusqlite::{Connection, OpenFlags};

/// The program.
static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    // This test is `<profile>/deps/…`; the examples are beside `deps`.
    let this = std::env::current_exe().expect("the path of this test");
    let program = this.ancestors().nth(2).expect("the folder of the profile").join("examples/shop");
    if !program.exists() {
        let cargo = std::env::var_os("CARGO").expect("tests are run by cargo");
        let build = ["build", "--package", "idempotent-examples", "--example", "shop"];
        let built = Command::new(cargo).args(build).current_dir(env!("CARGO_MANIFEST_DIR")).status();
        assert!(built.expect("cargo runs").success(), "the shop is not built");
    }
    program
});

/// The charges of an order, each as often as it was asked for: those with a reference are written down once.
const ASKED: &str = "
    WITH RECURSIVE times (number, left) AS (
        SELECT number, asked FROM charges WHERE shop = ? AND purchase = ?
        UNION ALL SELECT number, left - 1 FROM times WHERE left > 1
    )
    SELECT cents FROM times JOIN charges USING (number) ORDER BY number";

/// A running shop with an SQLite store and a ledger of its own. It ends with this value, and both go with it.
#[derive(Debug)]
pub struct Shop {
    child: Child,
    url: String,
    /// Open as long as the shop is.
    told: BufReader<ChildStdout>,
    folder: Folder,
}

impl Shop {
    /// Opens one on a free port.
    ///
    /// # Panics
    /// When it does not open.
    #[must_use]
    pub fn open() -> Self {
        let folder = Folder::new();
        let (child, url, told) = start(&folder.0, "0");
        Self { child, url, told, folder }
    }

    /// Where it is, with a slash at its end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Closes it as somebody at its keyboard does.
    ///
    /// # Panics
    /// When it cannot be closed.
    pub fn close(&mut self) -> ExitStatus {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", "INT", &id]).status();
        assert!(sent.expect("`kill` runs").success(), "the shop has ended by itself");
        self.child.wait().expect("a child")
    }

    /// Ends it where it stands.
    ///
    /// # Panics
    /// When it cannot be ended.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child");
        self.child.wait().expect("a child");
    }

    /// Opens it again where it was, with the store and the ledger that it had.
    ///
    /// # Panics
    /// When it does not open.
    pub fn open_again(&mut self) {
        let port = self.url.trim_end_matches('/').rsplit(':').next().unwrap_or_default().to_owned();
        (self.child, self.url, self.told) = start(&self.folder.0, &port);
    }

    /// What was charged for an order, read from the file in which the shop writes it down: in cents, for each time that
    /// the handler asked for it.
    ///
    /// # Panics
    /// When there is no ledger.
    #[must_use]
    pub fn charges(&self, shop: &str, order: &str) -> Vec<i64> {
        self.cents(ASKED, shop, order)
    }

    /// The money that was taken for an order. A charge with a reference may be asked for again.
    ///
    /// # Panics
    /// When there is no ledger.
    #[must_use]
    pub fn taken(&self, shop: &str, order: &str) -> i64 {
        self.cents("SELECT cents FROM charges WHERE shop = ? AND purchase = ?", shop, order).iter().sum()
    }

    fn cents(&self, query: &str, shop: &str, order: &str) -> Vec<i64> {
        let file = self.folder.0.join("records.db.ledger");
        let ledger = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the ledger");
        let mut charges = ledger.prepare(query).expect("a ledger with charges");
        let charges = charges.query_map([shop, order], |row| row.get(0)).expect("charges");
        charges.collect::<Result<_, _>>().expect("charges")
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the program, and waits until it says where it is.
fn start(folder: &Path, port: &str) -> (Child, String, BufReader<ChildStdout>) {
    let store = format!("sqlite:{}", folder.join("records.db").display());
    let mut child = Command::new(find("setpriv").expect("a program that ends with this test"))
        .args(["--pdeathsig", "KILL", "--"])
        .arg(&*PROGRAM)
        .args(["--port", port, "--store", &store])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the shop starts");
    let mut line = String::new();
    let mut told = BufReader::new(child.stdout.take().expect("a pipe"));
    told.read_line(&mut line).expect("the shop says where it is");
    let url = line.split_whitespace().find(|word| word.starts_with("http://"));
    let url = url.unwrap_or_else(|| panic!("the shop does not say where it is: {line:?}")).to_owned();
    (child, url, told)
}

/// A folder that goes with its owner.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("idempotently-shop-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
