//! The mail server: it sends what it is given, as often as it is given it. Its outbox is a file to which a line is added
//! for every mail.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::mail::{Mail, Sent};

/// When a worker is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kill {
    /// When its mail has left, and it has not heard of it.
    After,
    /// When it has handed its mail over, and the mail has not left.
    Before,
    Never,
}

/// What a worker says to the server: a line of JSON. The answer is one too.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Handover {
    pub(crate) worker: String,
    pub(crate) mail: Mail,
}

/// A mail that has left.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Left {
    pub(crate) number: u64,
    pub(crate) mail: Mail,
}

pub(crate) struct Outbox {
    path: PathBuf,
    address: SocketAddr,
}

/// Which worker dies at which of its mails, and who is told.
pub(crate) struct Fate<F> {
    pub(crate) kill: Kill,
    pub(crate) worker: &'static str,
    pub(crate) mail: usize,
    pub(crate) told: F,
}

struct Server<F> {
    fate: Fate<F>,
    state: Mutex<State>,
}

struct State {
    file: File,
    left: u64,
    /// Of the worker that will die.
    handed_over: usize,
}

impl Outbox {
    /// Starts the server, which ends with the process.
    pub(crate) fn start<F: Fn() + Send + Sync + 'static>(path: PathBuf, fate: Fate<F>) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create_new(true).open(&path)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let server = Arc::new(Server { fate, state: Mutex::new(State { file, left: 0, handed_over: 0 }) });
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                // A connection that breaks is its worker's affair.
                thread::spawn(move || server.serve(stream));
            }
        });
        Ok(Self { path, address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// All mails that have left.
    pub(crate) fn mails(&self) -> io::Result<Vec<Left>> {
        read(&self.path)
    }
}

fn read(path: &Path) -> io::Result<Vec<Left>> {
    let text = std::fs::read_to_string(path)?;
    text.lines().map(|line| serde_json::from_str(line).map_err(io::Error::from)).collect()
}

impl<F: Fn()> Server<F> {
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line)?;
        let Handover { worker, mail } = serde_json::from_str(&line)?;
        // Mail servers take their time.
        thread::sleep(Duration::from_millis(4));
        let kill = self.verdict(&worker);
        if kill == Kill::Before {
            return self.kill(&mut stream);
        }
        let number = self.leave(mail)?;
        if kill == Kill::After {
            return self.kill(&mut stream);
        }
        writeln!(stream, "{}", serde_json::to_string(&Sent { number })?)
    }

    fn verdict(&self, worker: &str) -> Kill {
        if worker != self.fate.worker {
            return Kill::Never;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.handed_over += 1;
        if state.handed_over == self.fate.mail { self.fate.kill } else { Kill::Never }
    }

    fn leave(&self, mail: Mail) -> io::Result<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let number = state.left + 1;
        let mut line = serde_json::to_vec(&Left { number, mail })?;
        line.push(b'\n');
        state.file.write_all(&line)?;
        state.left = number;
        Ok(number)
    }

    /// Lets the worker be killed, and says nothing until it is dead.
    fn kill(&self, stream: &mut TcpStream) -> io::Result<()> {
        (self.fate.told)();
        stream.read(&mut [0]).map(drop)
    }
}
