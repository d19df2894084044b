//! Other processes: this very test program, told by its environment what to do.

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) const JOB: &str = "IDEMPOTENTLY_TX_FAULTS_JOB";
/// What the lines begin with that are not the test harness's own.
pub(crate) const MARK: &str = "@";

/// A process that can be killed by whoever has this.
#[derive(Clone, Default)]
pub(crate) struct Victim(Arc<Mutex<Option<Child>>>);

impl Victim {
    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts it with that job; what it says.
    pub(crate) fn start(&self, job: &str) -> Said {
        // Until it is known nobody can want to kill it.
        let mut place = self.child();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["worker::worker", "--exact", "--nocapture"])
            .env(JOB, job)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        *place = Some(child);
        Said(lines)
    }

    /// Kills it; it does nothing any more when this returns.
    pub(crate) fn kill(&self) {
        if let Some(child) = self.child().as_mut() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Whether it ended well.
    pub(crate) fn ended(&self) -> bool {
        self.child().take().unwrap().wait().unwrap().success()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        if Arc::strong_count(&self.0) == 1 {
            self.kill();
        }
    }
}

/// What a process says, until it ends.
pub(crate) struct Said(Lines<BufReader<ChildStdout>>);

impl Iterator for Said {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        loop {
            let line = self.0.next()?.ok()?;
            // The harness's own words may stand before it in the same line.
            if let Some((_, said)) = line.split_once(MARK) {
                return Some(said.to_owned());
            }
        }
    }
}
