//! Commands: shown before they run, with nothing to read, at the root of the repository.

use std::fmt;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Why a task stopped, in words for whoever ran it.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// One command, not yet run.
#[derive(Debug)]
pub(crate) struct Step {
    command: Command,
    shown: String,
}

/// `cargo` with these arguments; the same cargo that runs this program.
pub(crate) fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Step {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    step(Command::new(program), "cargo", arguments)
}

/// Another program with these arguments.
pub(crate) fn program<'a>(name: &str, arguments: impl IntoIterator<Item = &'a str>) -> Step {
    step(Command::new(name), name, arguments)
}

fn step<'a>(mut command: Command, name: &str, arguments: impl IntoIterator<Item = &'a str>) -> Step {
    command.current_dir(root()).stdin(Stdio::null());
    let mut shown = name.to_owned();
    for argument in arguments {
        command.arg(argument);
        shown.push(' ');
        shown.push_str(argument);
    }
    Step { command, shown }
}

impl Step {
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self.shown = format!("{name}='{value}' {}", self.shown);
        self
    }

    /// Runs it to its end; its output goes where ours goes.
    pub(crate) fn run(mut self) -> Result<(), Failure> {
        say(&format!("\n$ {}", self.shown));
        let began = Instant::now();
        let status = self.command.status().map_err(|error| self.not_started(&error))?;
        say(&format!("  {}", took(began.elapsed())));
        if status.success() {
            return Ok(());
        }
        Err(Failure::new(format!("`{}` failed ({status})", self.shown)))
    }

    /// Runs it to its end and gives what it printed.
    pub(crate) fn read(mut self) -> Result<String, Failure> {
        say(&format!("\n$ {}", self.shown));
        let output = self.command.stderr(Stdio::inherit()).output().map_err(|error| self.not_started(&error))?;
        if !output.status.success() {
            return Err(Failure::new(format!("`{}` failed ({})", self.shown, output.status)));
        }
        String::from_utf8(output.stdout)
            .map_err(|_| Failure::new(format!("`{}` printed something that is not UTF-8", self.shown)))
    }

    /// Whether it is there and ends well; nothing is shown.
    pub(crate) fn works(mut self) -> bool {
        let quiet = self.command.stdout(Stdio::null()).stderr(Stdio::null());
        quiet.status().is_ok_and(|status| status.success())
    }

    fn not_started(&self, error: &std::io::Error) -> Failure {
        Failure::new(format!("`{}` could not be started: {error}", self.shown))
    }
}

/// How long a step took, to the second.
fn took(span: Duration) -> String {
    let seconds = span.as_secs();
    format!("took {} min {:02} s", seconds / 60, seconds % 60)
}

/// The folder of the workspace.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// One line to whoever is watching, in order with what the commands print.
pub(crate) fn say(line: &str) {
    // A closed pipe must not end the checks half way.
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::took;
    use std::time::Duration;

    #[test]
    fn a_step_tells_its_minutes() {
        assert_eq!(took(Duration::from_millis(999)), "took 0 min 00 s");
        assert_eq!(took(Duration::from_secs(61)), "took 1 min 01 s");
        assert_eq!(took(Duration::from_secs(3661)), "took 61 min 01 s");
    }
}
