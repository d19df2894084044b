//! Programs: where they are, and children that end with this process.

use crate::ServerError;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// What to type where a server is missing, or what starts and equips one.
const INSTALL: &str = "apt-get install --yes --no-install-recommends redis-server postgresql openssl util-linux \
    chromium chromium-driver curl nodejs python3-venv";

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a program is: on the path, or where Debian puts the servers of PostgreSQL.
///
/// # Errors
/// When it is not there; the error says what to type.
pub fn find(program: &str) -> Result<PathBuf, ServerError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = debian.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    std::env::split_paths(&path)
        .chain(folders)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .ok_or_else(|| ServerError::new(format!("`{program}` is missing; type: {INSTALL}")))
}

/// Runs a program to its end, which must be a good one.
pub(crate) fn run(refused: &str, command: &mut Command) -> Result<(), ServerError> {
    let output = command.output().map_err(|error| ServerError::because(refused, error))?;
    if output.status.success() {
        return Ok(());
    }
    Err(ServerError::because(refused, String::from_utf8_lossy(&output.stderr)))
}

/// What a program says of its version: the first word that begins with a digit.
pub(crate) fn version(program: &Path) -> Result<String, ServerError> {
    let output = Command::new(program).arg("--version").output();
    let output = output.map_err(|error| ServerError::because("a server does not tell its version", error))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let is_number = |word: &&str| word.starts_with(|first: char| first.is_ascii_digit());
    let words = text.split_whitespace().map(|word| word.trim_start_matches("v="));
    words.into_iter().find(is_number).map(str::to_owned).ok_or_else(|| ServerError::new(text.clone()))
}

/// How often a port is looked for that another process does not take at the same moment.
const TRIES: usize = 5;

/// Starts a server on a free port.
pub(crate) fn on_a_free_port(
    start: impl Fn(u16) -> Result<Process, ServerError>,
) -> Result<(u16, Process), ServerError> {
    let mut refused = ServerError::new("there is no free port");
    for _ in 0..TRIES {
        let port = free_port()?;
        match start(port) {
            Ok(process) => return Ok((port, process)),
            Err(error) if error.to_string().contains("in use") => refused = error,
            Err(error) => return Err(error),
        }
    }
    Err(refused)
}

/// A port that was free a moment ago, and is none of those that the kernel gives to clients: one of them could take it
/// while its server is away. The one ten thousand above, which the node of a cluster needs, is free as well.
fn free_port() -> Result<u16, ServerError> {
    let random = RandomState::new();
    let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    (0..1_000)
        .filter_map(|n: u32| u16::try_from(10_000 + random.hash_one(n) % 12_000).ok())
        .find(|&port| free(port) && free(port + 10_000))
        .ok_or_else(|| ServerError::new("there is no free port"))
}

/// A command for a program that gets a signal when this process ends, however it ends.
pub(crate) fn tied(program: &Path, signal: &str) -> Result<Command, ServerError> {
    let mut command = Command::new(find("setpriv")?);
    command.args(["--pdeathsig", signal]).arg("--").arg(program);
    Ok(command)
}

/// Starts children from a thread that lasts as long as this process: the kernel ties a child to the thread that started
/// it, and a test's own thread ends with its test.
fn spawn(command: Command) -> Result<Child, ServerError> {
    type Order = (Command, Sender<io::Result<Child>>);
    static ORDERS: OnceLock<Sender<Order>> = OnceLock::new();
    let orders = ORDERS.get_or_init(|| {
        let (orders, taken) = channel::<Order>();
        thread::spawn(move || {
            for (mut command, answer) in taken {
                let _ = answer.send(command.spawn());
            }
        });
        orders
    });
    let (answer, answered) = channel();
    let gone = |_| io::Error::other("the thread that starts servers has ended");
    let sent = orders.send((command, answer)).map_err(|_| io::Error::other("the thread that starts servers has ended"));
    let child = sent.and_then(|()| answered.recv().map_err(gone)?);
    child.map_err(|error| ServerError::because("a server cannot be started", error))
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(mut command: Command) -> Result<Self, ServerError> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        spawn(command).map(Self)
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Waits until it is ready, which it says itself: whoever answers on its port may be somebody else. An early end is
    /// an error, with what the log says.
    pub(crate) fn wait_until_ready(&mut self, log: &Path, is_ready: impl Fn(u32) -> bool) -> Result<(), ServerError> {
        let start = Instant::now();
        while !is_ready(self.id()) {
            let ended = self.0.try_wait().ok().flatten();
            if ended.is_some() || start.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(log).unwrap_or_default();
                return Err(ServerError::new(format!("a server does not answer ({ended:?}):\n{log}")));
            }
            // There is no event to wait for: the server belongs to itself.
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) -> io::Result<()> {
        let pid = self.0.id().to_string();
        Command::new("kill").args(["-s", name, &pid]).status().map(drop)
    }

    /// Ends it at once and waits for its end.
    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    pub(crate) fn wait(&mut self) {
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
