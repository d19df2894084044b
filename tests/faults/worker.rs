//! Another process: this very test program, told by its environment to make one call.

use futures_lite::future::{block_on, poll_once};
use idempotently::{Error, Execution, OnInterruption, Operation, SharedStore, connect, current};
use std::io::{BufRead as _, BufReader, Write as _};
use std::pin::pin;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Long enough for a busy machine to renew it, short enough to be waited for.
const LEASE: Duration = Duration::from_millis(1_500);

pub(crate) static RETRIED: Operation = Operation::new("faults.retry").interrupted(OnInterruption::Retry).lease(LEASE);
pub(crate) static FAILED: Operation = Operation::new("faults.fail").interrupted(OnInterruption::Fail).lease(LEASE);

/// Its lease is not renewed while its statements are counted.
static COUNTED: Operation =
    Operation::new("faults.counted").interrupted(OnInterruption::Retry).lease(Duration::from_mins(2));

/// How long something may take that is not about time.
const PATIENCE: Duration = Duration::from_secs(30);

const JOB: &str = "IDEMPOTENTLY_FAULTS_JOB";
/// What the lines begin with that are not the test harness's own.
const MARK: &str = "@";

/// Does what the environment says; without it, this is no worker.
#[test]
fn worker() {
    let Ok(job) = std::env::var(JOB) else { return };
    let words: Vec<&str> = job.split('\n').collect();
    let [url, what, key, value] = words.as_slice() else { panic!("not a job: {job}") };
    let store = connect(url).unwrap();
    match *what {
        "retry" => tell_answer(&call(&RETRIED, &store, key, value, true)),
        "fail" => tell_answer(&call(&FAILED, &store, key, value, true)),
        "notice" => tell_answer(&notice(&store, key, value)),
        "give up" => give_up(&store, key, value),
        "crowd" => crowd(&store, key, value),
        "joined crowd" => joined_crowd(&store, key, value),
        other => panic!("not a job: {other}"),
    }
}

fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{MARK}{line}").and_then(|()| out.flush()).unwrap();
}

fn tell_answer(answer: &Result<String, Error>) {
    match answer {
        Ok(value) => tell(&format!("answer {value}")),
        Err(error) => tell(&format!("error {:?}", error.kind())),
    }
}

/// How long a body takes that a crowd waits for: nothing tells when the last of the crowd has come to wait, and whoever
/// comes later asks the store for itself.
const LONG_ENOUGH: Duration = Duration::from_millis(400);

/// How many callers a crowd has.
pub(crate) const CALLERS: usize = 100;

fn tell_begin() -> Execution {
    let execution = current().unwrap();
    tell(&format!("began {} {}", execution.token(), execution.attempt()));
    execution
}

fn wait_to_go() {
    std::io::stdin().lock().read_line(&mut String::new()).unwrap();
}

fn call(operation: &Operation, store: &SharedStore, key: &str, value: &str, waits: bool) -> Result<String, Error> {
    operation.call(key).store(store).try_run(|| {
        tell_begin();
        if waits {
            wait_to_go();
        } else {
            thread::sleep(LONG_ENOUGH);
        }
        Ok(value.to_owned())
    })
}

/// A body that goes on until it is told that somebody else has its key.
fn notice(store: &SharedStore, key: &str, value: &str) -> Result<String, Error> {
    RETRIED.call(key).store(store).try_run(|| {
        let execution = tell_begin();
        let begin = Instant::now();
        while execution.check().is_ok() && begin.elapsed() < PATIENCE {
            // It is told by the renewal, which comes when it comes.
            thread::sleep(Duration::from_millis(10));
        }
        tell(if execution.check().is_ok() { "not told" } else { "lost" });
        Ok(value.to_owned())
    })
}

/// A body that fails, after which its key would be free.
fn give_up(store: &SharedStore, key: &str, value: &str) {
    let failed = RETRIED.call(key).store(store).try_run(|| -> Result<String, Box<dyn std::error::Error>> {
        tell_begin();
        wait_to_go();
        Err(value.into())
    });
    tell(&format!("failed {}", failed.unwrap_err()));
}

fn crowd(store: &SharedStore, key: &str, value: &str) {
    let start = Arc::new(Barrier::new(CALLERS));
    let caller = |_| {
        let (start, store, key, value) = (start.clone(), store.clone(), key.to_owned(), value.to_owned());
        thread::spawn(move || {
            start.wait();
            call(&RETRIED, &store, &key, &value, false)
        })
    };
    let callers: Vec<_> = (0..CALLERS).map(caller).collect();
    for caller in callers {
        tell_answer(&caller.join().unwrap());
    }
}

/// The same, but no body ends before every caller has asked or joined one that has, and the process lives on until it is
/// told to end: it tells the other processes of the outcome after its callers have it.
fn joined_crowd(store: &SharedStore, key: &str, value: &str) {
    let (may_end, joined) = (Arc::new(Notify::new()), Arc::new(Barrier::new(CALLERS + 1)));
    let caller = |_| {
        let (may_end, joined) = (may_end.clone(), joined.clone());
        let (store, key, value) = (store.clone(), key.to_owned(), value.to_owned());
        thread::spawn(move || {
            let body = || async {
                tell_begin();
                may_end.notified().await;
                Ok::<_, Error>(value)
            };
            let mut call = pin!(COUNTED.call(&key).store(&store).try_run_async(body));
            let answered = block_on(poll_once(&mut call));
            joined.wait();
            answered.unwrap_or_else(|| block_on(call))
        })
    };
    let callers: Vec<_> = (0..CALLERS).map(caller).collect();
    joined.wait();
    tell("joined");
    wait_to_go();
    may_end.notify_one();
    for caller in callers {
        tell_answer(&caller.join().unwrap());
    }
    wait_to_go();
}

/// A process that makes one call.
pub(crate) struct Worker {
    child: Child,
    input: ChildStdin,
    lines: BufReader<ChildStdout>,
}

impl Worker {
    pub(crate) fn start(url: &str, what: &str, key: &str, value: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["worker::worker", "--exact", "--nocapture"])
            .env(JOB, [url, what, key, value].join("\n"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, input, lines: BufReader::new(output) }
    }

    /// What it says next; nothing where it has ended.
    pub(crate) fn hear(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            // The harness's own words may stand before it in the same line.
            if let Some((_, said)) = line.trim_end().split_once(MARK) {
                return Some(said.to_owned());
            }
        }
    }

    /// The token and the attempt of the body, which must be what it does next.
    #[track_caller]
    pub(crate) fn begins(&mut self) -> (u64, u32) {
        let said = self.hear().expect("the worker ended");
        let mut numbers = said.strip_prefix("began ").unwrap_or_else(|| panic!("{said}")).split(' ');
        let mut number = || numbers.next().unwrap();
        (number().parse().unwrap(), number().parse().unwrap())
    }

    /// Lets the body end.
    pub(crate) fn go(&mut self) {
        self.input.write_all(b"go\n").and_then(|()| self.input.flush()).unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
