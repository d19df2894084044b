//! The mail provider: a folder with a file for each mail that has left. It takes a mail once for each reference.

use std::fs;
use std::io;
use std::path::PathBuf;

pub(crate) struct Provider(PathBuf);

impl Provider {
    pub(crate) fn at(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(folder.join("desk"))?;
        Ok(Self(folder))
    }

    /// Takes a mail, unless it has one with this reference; whether it left now.
    pub(crate) fn send(&self, reference: &str, number: i64, to: &str) -> io::Result<bool> {
        let draft = self.0.join("desk").join(reference);
        // Somebody was killed over it.
        let _ = fs::remove_file(&draft);
        fs::write(&draft, format!("{number} to {to}\n"))?;
        // Whole or not at all, and never over another.
        let linked = fs::hard_link(&draft, self.0.join(reference));
        fs::remove_file(&draft)?;
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            linked => linked.map(|()| true),
        }
    }

    /// The numbers of the orders whose mails have left.
    pub(crate) fn numbers(&self) -> io::Result<Vec<i64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                let text = fs::read_to_string(entry.path())?;
                let number = text.split(' ').next().and_then(|number| number.parse().ok());
                numbers.push(number.ok_or(io::ErrorKind::InvalidData)?);
            }
        }
        Ok(numbers)
    }
}
