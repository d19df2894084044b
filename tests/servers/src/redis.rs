//! Redis servers, single and in a cluster; or what speaks as they do.

use crate::ServerError;
use crate::authority::{Authority, text};
use crate::clock::SteppedClock;
use crate::folder::Folder;
use crate::process::{Process, find, on_a_free_port, tied, version};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

/// The variable of the environment that names the program to start instead of the `redis-server` on the path.
pub const REDIS_PROGRAM: &str = "IDEMPOTENT_REDIS_PROGRAM";

/// A private Redis server: `redis-server`, or the program that [`REDIS_PROGRAM`] names.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    folder: Folder,
    port: u16,
    way: Way,
    arguments: Vec<String>,
    environment: Vec<(&'static str, PathBuf)>,
}

/// How clients come to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Plain,
    Encrypted,
}

impl Redis {
    /// Starts one without persistence.
    ///
    /// # Errors
    /// When its program is missing (the error says what to type) or does not answer.
    pub fn start() -> Result<Self, ServerError> {
        Self::with_arguments(&["--save", "", "--appendonly", "no"])
    }

    /// Starts one with arguments of its own.
    ///
    /// # Errors
    /// Those of [`start`](Self::start).
    pub fn with_arguments(arguments: &[&str]) -> Result<Self, ServerError> {
        Self::begin(Way::Plain, owned(arguments), Vec::new())
    }

    /// Starts one with arguments of its own, by a clock that can be stepped.
    ///
    /// # Errors
    /// Those of [`start`](Self::start).
    pub fn with_clock(arguments: &[&str], clock: &SteppedClock) -> Result<Self, ServerError> {
        Self::begin(Way::Plain, owned(arguments), clock.environment().into())
    }

    /// Starts one without persistence, to which all connections are encrypted.
    ///
    /// # Errors
    /// Those of [`start`](Self::start), and when the program was built without encryption.
    pub fn encrypted(by: &Authority) -> Result<Self, ServerError> {
        let [certificate, key] = by.of_the_server().map(|file| text(&file));
        let open = ["--save", "", "--appendonly", "no", "--port", "0", "--tls-auth-clients", "no"];
        let named = ["--tls-cert-file", &certificate, "--tls-key-file", &key];
        let authority = text(&by.certificate());
        let arguments = open.into_iter().chain(named).chain(["--tls-ca-cert-file", &authority]);
        Self::begin(Way::Encrypted, arguments.map(str::to_owned).collect(), Vec::new())
    }

    fn begin(way: Way, arguments: Vec<String>, environment: Vec<(&'static str, PathBuf)>) -> Result<Self, ServerError> {
        let folder = Folder::new("redis")?;
        let (port, process) = on_a_free_port(|port| launch(&folder, port, way, &arguments, &environment))?;
        Ok(Self { process, folder, port, way, arguments, environment })
    }

    /// One server for all tests of this process; it ends with the process.
    ///
    /// # Panics
    /// When it cannot be started.
    #[expect(clippy::panic, reason = "a test fails by panicking")]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Redis> = OnceLock::new();
        SHARED.get_or_init(|| Self::start().unwrap_or_else(|error| panic!("{error}")))
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.way == Way::Encrypted { "rediss" } else { "redis" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The version that is started.
    ///
    /// # Errors
    /// When its program is missing.
    pub fn version() -> Result<String, ServerError> {
        Self::version_of(&program()?)
    }

    /// The version of another program.
    ///
    /// # Errors
    /// When it does not tell.
    pub fn version_of(program: &Path) -> Result<String, ServerError> {
        version(program)
    }

    /// Ends it at once, as a crash does; what it has not written is lost.
    pub fn stop(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same port and folder.
    ///
    /// # Errors
    /// Those of [`start`](Self::start).
    pub fn start_again(&mut self) -> Result<(), ServerError> {
        self.process = launch(&self.folder, self.port, self.way, &self.arguments, &self.environment)?;
        Ok(())
    }
}

fn program() -> Result<PathBuf, ServerError> {
    std::env::var_os(REDIS_PROGRAM).map_or_else(|| find("redis-server"), |program| Ok(program.into()))
}

fn owned(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|&argument| argument.to_owned()).collect()
}

fn launch(
    folder: &Folder,
    port: u16,
    way: Way,
    arguments: &[String],
    environment: &[(&'static str, PathBuf)],
) -> Result<Process, ServerError> {
    let log = folder.path().join("log");
    let before = std::fs::read(&log).map_or(0, |log| log.len());
    let mut command = tied(&program()?, "KILL")?;
    let listens = if way == Way::Encrypted { "--tls-port" } else { "--port" };
    command.args(["--bind", "127.0.0.1", listens, &port.to_string()]).arg("--dir").arg(folder.path());
    command.arg("--logfile").arg(&log).args(arguments).envs(environment.iter().cloned());
    let mut process = Process::start(command)?;
    process.wait_until_ready(&log, |_| {
        let log = std::fs::read(&log).unwrap_or_default();
        log.get(before..).is_some_and(|log| String::from_utf8_lossy(log).contains("Ready to accept connections"))
    })?;
    Ok(process)
}

/// Three private Redis servers that are a cluster without replicas.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts it, and waits until it has all slots.
    ///
    /// # Errors
    /// When `redis-server` or `redis-cli` is missing, or the cluster does not come about.
    pub fn start() -> Result<Self, ServerError> {
        let arguments = ["--save", "", "--appendonly", "no", "--cluster-enabled", "yes"];
        let nodes: Vec<Redis> = (0..3).map(|_| Redis::with_arguments(&arguments)).collect::<Result<_, _>>()?;
        let addresses: Vec<String> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        let cli = find("redis-cli")?;
        let created = Command::new(&cli)
            .args(["--cluster", "create"])
            .args(&addresses)
            .args(["--cluster-replicas", "0", "--cluster-yes"])
            .output()
            .map_err(|error| ServerError::because("the cluster cannot be made", error))?;
        if !created.status.success() {
            return Err(ServerError::new(String::from_utf8_lossy(&created.stdout)));
        }
        for node in &nodes {
            wait_for_slots(&cli, node.port)?;
        }
        Ok(Self { nodes })
    }

    /// Where its nodes are.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Redis::url).collect()
    }
}

fn wait_for_slots(cli: &Path, port: u16) -> Result<(), ServerError> {
    for _ in 0..1_000 {
        let info = Command::new(cli).args(["-p", &port.to_string(), "cluster", "info"]).output();
        if info.is_ok_and(|info| String::from_utf8_lossy(&info.stdout).contains("cluster_state:ok")) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Err(ServerError::new("the cluster does not get all of its slots"))
}
