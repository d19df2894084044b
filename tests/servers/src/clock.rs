//! A wall clock that a test steps, for programs that it starts.

use crate::ServerError;
use crate::folder::Folder;
use crate::process::{find, run};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = include_str!("clock.c");

/// The wall clock of the programs that are started with its [`environment`](Self::environment). Their other clocks, and
/// those of all other programs, go on as they are.
#[derive(Debug)]
pub struct SteppedClock {
    folder: Folder,
}

impl SteppedClock {
    /// A clock that is right so far. The compiler for C is the one that `rustc` links with.
    ///
    /// # Errors
    /// When `cc` is missing or refuses the library.
    pub fn new() -> Result<Self, ServerError> {
        let clock = Self { folder: Folder::new("clock")? };
        clock.step_to(0)?;
        let source = clock.folder.path().join("clock.c");
        std::fs::write(&source, SOURCE).map_err(|error| ServerError::because("no file for the clock", error))?;
        let mut compiler = Command::new(find("cc")?);
        run("the clock is not compiled", compiler.args(["-shared", "-fPIC", "-o"]).arg(clock.library()).arg(source))?;
        Ok(clock)
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("clock.so")
    }

    fn offset(&self) -> PathBuf {
        self.folder.path().join("offset")
    }

    /// Sets the clock to the machine's and `micros` more, or less.
    ///
    /// # Errors
    /// When its file cannot be written.
    pub fn step_to(&self, micros: i64) -> Result<(), ServerError> {
        Self::step_of(&self.offset(), micros)
    }

    /// The same for a program that steps its own clock, which is told the file in `STEPPED_CLOCK`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn step_of(file: &Path, micros: i64) -> Result<(), ServerError> {
        let refused = |error| ServerError::because("the clock cannot be stepped", error);
        // The programs have the file in their memory, so it must stay the same one.
        let mut open = std::fs::OpenOptions::new();
        let mut file = open.create(true).truncate(false).write(true).open(file).map_err(refused)?;
        file.write_all(&micros.to_ne_bytes()).map_err(refused)
    }

    /// What a program has to be started with.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, PathBuf); 2] {
        [("LD_PRELOAD", self.library()), ("STEPPED_CLOCK", self.offset())]
    }
}
