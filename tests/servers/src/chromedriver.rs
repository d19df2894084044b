//! Chromium, driven by its `WebDriver` server.

use crate::ServerError;
use crate::folder::Folder;
use crate::process::{find, version};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// Runs a program until its own input is closed, which it is when whoever started it is gone; then ends every process of
/// its session: a `WebDriver` server that is killed leaves its browsers behind.
const KEEPER: &str = r#"
"$@" &
read -r _
while :; do
    left=
    for stat in /proc/[0-9]*/stat; do
        { read -r line < "$stat"; } 2> /dev/null || continue
        pid=${line%% *}
        set -- ${line##*) }
        if [ "$4" = "$$" ] && [ "$pid" != "$$" ] && [ "$1" != Z ]; then
            kill -s KILL "$pid" 2> /dev/null && left=1
        fi
    done
    [ "$left" ] || exit 0
done"#;

/// How long it may take to be ready.
const PATIENCE: Duration = Duration::from_mins(1);

/// What Chromium needs to run anywhere, also as root, and to speak with nobody but the page.
pub const CHROMIUM_FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];

/// A private `WebDriver` server for Chromium.
#[derive(Debug)]
pub struct Chromedriver {
    keeper: Child,
    /// What its browsers write down.
    folder: Folder,
    port: u16,
}

impl Chromedriver {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When `chromium` or `chromedriver` is missing (the error says what to type) or does not answer.
    pub fn start() -> Result<Self, ServerError> {
        find("chromium")?;
        let folder = Folder::new("chromium")?;
        let mut keeper = Command::new(find("setsid")?)
            .args(["sh", "-c", KEEPER, "sh"])
            .arg(find("chromedriver")?)
            .arg("--port=0")
            // Chromium writes there.
            .env("TMPDIR", folder.path())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| ServerError::because("chromedriver cannot be started", error))?;
        let stdout = keeper.stdout.take();
        let mut driver = Self { keeper, folder, port: 0 };
        let (port, told) = channel();
        thread::spawn(move || {
            // Read to its end, or it would wait for a reader.
            for line in stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines()).map_while(Result::ok) {
                let number = line.split_once("started successfully on port ").map(|(_, number)| number);
                if let Some(number) = number.and_then(|number| number.trim_end_matches('.').parse().ok()) {
                    let _ = port.send(number);
                }
            }
        });
        driver.port = told.recv_timeout(PATIENCE).map_err(|_| ServerError::new("chromedriver does not answer"))?;
        Ok(driver)
    }

    /// One server for all tests of this process; it ends with the process, and its browsers with it.
    ///
    /// # Panics
    /// When it cannot be started.
    #[expect(clippy::panic, reason = "a test fails by panicking")]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Chromedriver> = OnceLock::new();
        SHARED.get_or_init(|| Self::start().unwrap_or_else(|error| panic!("{error}")))
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A folder for what browsers write down, gone with the server.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The version that is installed.
    ///
    /// # Errors
    /// When `chromium` or `chromedriver` is missing.
    pub fn version() -> Result<String, ServerError> {
        find("chromium")?;
        version(&find("chromedriver")?)
    }
}

impl Drop for Chromedriver {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}
