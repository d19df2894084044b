//! PostgreSQL servers.

use crate::ServerError;
use crate::authority::{Authority, text};
use crate::folder::Folder;
use crate::process::{Process, find, on_a_free_port, run, tied, version};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The name of the user that the server knows; nobody needs a password.
const USER: &str = "tester";

/// What makes a server fast that has nothing to lose.
const FAST: [(&str, &str); 3] = [("fsync", "off"), ("synchronous_commit", "off"), ("full_page_writes", "off")];

/// Where a folder has the database.
const DATA: &str = "data";

/// A private PostgreSQL server.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    folder: Folder,
    port: u16,
    settings: Vec<(String, String)>,
}

impl Postgres {
    /// Starts one that writes nothing through to the disk.
    ///
    /// # Errors
    /// When the server is missing (the error says what to type) or does not answer.
    pub fn start() -> Result<Self, ServerError> {
        Self::with_settings(&FAST)
    }

    /// Starts one with settings of its own and no others.
    ///
    /// # Errors
    /// Those of [`start`](Self::start).
    pub fn with_settings(settings: &[(&str, &str)]) -> Result<Self, ServerError> {
        let settings = settings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        Self::begin(settings.collect(), &[])
    }

    /// Starts one that clients may encrypt their connections to.
    ///
    /// # Errors
    /// Those of [`start`](Self::start).
    pub fn encrypted(by: &Authority) -> Result<Self, ServerError> {
        let files = by.of_the_server();
        let [certificate, key] = ["ssl_cert_file", "ssl_key_file"];
        let mut settings: Vec<_> = FAST.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        settings.push(("ssl".into(), "on".into()));
        // Beside the database, since the server must be the key's owner.
        for (setting, file) in [certificate, key].into_iter().zip(&files) {
            let name = file.file_name().map_or(file.as_path(), Path::new);
            settings.push((setting.into(), format!("../{}", text(name))));
        }
        Self::begin(settings, &files)
    }

    fn begin(settings: Vec<(String, String)>, files: &[PathBuf]) -> Result<Self, ServerError> {
        let folder = Folder::new("postgres")?;
        if is_root() {
            own(folder.path())?;
        }
        let mut copy = unprivileged(&find("cp")?)?;
        copy.args(["-R", "-p"]).arg(template()?.join(DATA)).arg(folder.path());
        run("a database cannot be copied", &mut copy)?;
        for file in files {
            let copy = folder.path().join(file.file_name().unwrap_or_default());
            std::fs::copy(file, &copy).map_err(|error| ServerError::because("a file cannot be copied", error))?;
            if is_root() {
                own(&copy)?;
            }
        }
        let (port, process) = on_a_free_port(|port| launch(&folder, port, &settings))?;
        Ok(Self { process, folder, port, settings })
    }

    /// One server for all tests of this process; it ends with the process.
    ///
    /// # Panics
    /// When it cannot be started.
    #[expect(clippy::panic, reason = "a test fails by panicking")]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| {
            let settings = [FAST.as_slice(), &[("max_connections", "500")]].concat();
            Self::with_settings(&settings).unwrap_or_else(|error| panic!("{error}"))
        })
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/postgres", self.port)
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its first process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Its folder, which also has the log.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it has written into its log.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The version that is installed.
    ///
    /// # Errors
    /// When the server is missing.
    pub fn version() -> Result<String, ServerError> {
        version(&find("postgres")?)
    }

    /// Ends it as `pg_ctl stop -m immediate` does: without a checkpoint, as in a crash.
    pub fn stop_immediately(&mut self) {
        let _ = self.process.signal("QUIT");
        // It does not hear anything else where it is stopped.
        let _ = self.process.signal("CONT");
        self.process.wait();
    }

    /// Starts it again on the same port and folder.
    ///
    /// # Errors
    /// Those of [`start`](Self::start).
    pub fn start_again(&mut self) -> Result<(), ServerError> {
        self.process = launch(&self.folder, self.port, &self.settings)?;
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its own children end with it, which they do not where it is killed.
        self.stop_immediately();
    }
}

/// The folder with the empty database that every server of this process begins as a copy of.
fn template() -> Result<PathBuf, ServerError> {
    static TEMPLATE: OnceLock<Result<Folder, ServerError>> = OnceLock::new();
    let template = TEMPLATE.get_or_init(|| {
        let folder = Folder::new("postgres")?;
        if is_root() {
            own(folder.path())?;
        }
        let mut command = unprivileged(&find("initdb")?)?;
        command.args(["--username", USER, "--auth", "trust", "--no-sync", "--encoding", "UTF8", "--locale", "C", "-D"]);
        run("a database cannot be made", command.arg(folder.path().join(DATA)).current_dir(folder.path()))?;
        Ok(folder)
    });
    template.as_ref().map(|folder| folder.path().to_owned()).map_err(Clone::clone)
}

fn launch(folder: &Folder, port: u16, settings: &[(String, String)]) -> Result<Process, ServerError> {
    let (data, log) = (folder.path().join(DATA), folder.path().join("log"));
    let mut command = unprivileged(&find("postgres")?)?;
    command.arg("-D").arg(&data).args(["-h", "127.0.0.1", "-p", &port.to_string(), "-k", ""]);
    command.args(["-c", "logging_collector=on", "-c", "log_filename=log", "-c"]);
    command.arg(format!("log_directory={}", folder.path().display())).current_dir(folder.path());
    for (name, value) in settings {
        command.arg("-c").arg(format!("{name}={value}"));
    }
    let mut process = Process::start(command)?;
    let state = data.join("postmaster.pid");
    process.wait_until_ready(&log, |pid| {
        let state = std::fs::read_to_string(&state).unwrap_or_default();
        let mut lines = state.lines().map(str::trim);
        lines.next() == Some(&pid.to_string()) && lines.next_back() == Some("ready")
    })?;
    Ok(process)
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

/// The user that the server is run as where we are root, which it refuses to be.
fn stand_in() -> &'static str {
    let has = |user: &str| Command::new("id").arg(user).output().is_ok_and(|id| id.status.success());
    if has("postgres") { "postgres" } else { "nobody" }
}

/// The number of a user's first group, whose name differs between distributions.
fn group_of(user: &str) -> Result<String, ServerError> {
    let group = Command::new("id").args(["-g", user]).output();
    let group = group.map_err(|error| ServerError::because("the server's group cannot be found", error))?;
    Ok(String::from_utf8_lossy(group.stdout.trim_ascii()).into_owned())
}

fn own(folder: &Path) -> Result<(), ServerError> {
    let owned = Command::new("chown").arg(stand_in()).arg(folder).status();
    match owned {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(ServerError::because("the server's folder cannot be given away", status)),
        Err(error) => Err(ServerError::because("the server's folder cannot be given away", error)),
    }
}

/// A command for a program that is not run as root, and that ends with this process as in a crash: killed, it would
/// leave shared memory behind.
fn unprivileged(program: &Path) -> Result<Command, ServerError> {
    const CRASH: &str = "QUIT";
    if !is_root() {
        return tied(program, CRASH);
    }
    let mut command = Command::new(find("setpriv")?);
    let group = group_of(stand_in())?;
    command.args(["--reuid", stand_in(), "--regid", &group, "--clear-groups", "--pdeathsig", CRASH]);
    command.arg("--").arg(program);
    Ok(command)
}
