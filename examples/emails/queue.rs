//! A queue in a folder, as queues are: a message that is not acknowledged in time is delivered again, some messages are
//! in it twice, and some acknowledgements get lost.
//!
//! A message is a file: `00007-0.1.ready`, or `00007-0.1.taken-1764320400000` until that moment (in milliseconds of the
//! epoch), or `00007-0.1.aside`. The first part says which mail and which copy, the second how often it was delivered.
//! Renaming is atomic, so of several workers one gets the file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::mail::Mail;

/// How long a worker may have a message before it is delivered to another one.
const VISIBILITY: Duration = Duration::from_secs(2);

pub(crate) struct Queue {
    folder: PathBuf,
}

/// A message that was delivered.
pub(crate) struct Message {
    pub(crate) mail: Mail,
    name: Name,
    file: String,
}

#[derive(Clone, Copy)]
struct Name {
    number: u32,
    copy: u32,
    deliveries: u32,
}

enum State {
    Ready,
    Taken(u128),
    Aside,
}

impl Queue {
    pub(crate) fn at(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// Puts the mails into the queue, every fifth one twice; how many messages there are.
    pub(crate) fn fill(&self, mails: &[Mail]) -> io::Result<usize> {
        let mut messages = 0;
        for (number, mail) in (0_u32..).zip(mails) {
            for copy in 0..if number.is_multiple_of(5) { 2 } else { 1 } {
                let name = Name { number, copy, deliveries: 0 };
                fs::write(self.folder.join(name.file(&State::Ready)), serde_json::to_vec(mail)?)?;
                messages += 1;
            }
        }
        Ok(messages)
    }

    /// The next message, if there is one that nobody has.
    pub(crate) fn receive(&self) -> io::Result<Option<Message>> {
        let now = now();
        for (file, name, state) in self.messages()? {
            if !(matches!(state, State::Ready) || matches!(state, State::Taken(until) if until <= now)) {
                continue;
            }
            let name = Name { deliveries: name.deliveries + 1, ..name };
            let taken = name.file(&State::Taken(now + VISIBILITY.as_millis()));
            if self.rename(&file, &taken)? {
                let mail = serde_json::from_slice(&fs::read(self.folder.join(&taken))?)?;
                return Ok(Some(Message { mail, name, file: taken }));
            }
        }
        Ok(None)
    }

    /// The message is done, unless the queue does not hear of it: as with every fourth one at its first delivery.
    pub(crate) fn acknowledge(&self, message: &Message) -> io::Result<()> {
        let Name { number, copy, deliveries } = message.name;
        if number % 4 == 1 && copy == 0 && deliveries == 1 {
            return Ok(());
        }
        let gone = fs::remove_file(self.folder.join(&message.file));
        // It was delivered to somebody else meanwhile, who will acknowledge it.
        gone.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
    }

    /// The message is for an operator.
    pub(crate) fn put_aside(&self, message: &Message) -> io::Result<()> {
        self.rename(&message.file, &message.name.file(&State::Aside)).map(drop)
    }

    /// Whether no worker has anything to do any more.
    pub(crate) fn is_done(&self) -> io::Result<bool> {
        Ok(self.messages()?.iter().all(|(_, _, state)| matches!(state, State::Aside)))
    }

    /// What is for an operator, each with what puts it back into the queue.
    pub(crate) fn aside(&self) -> io::Result<Vec<(Mail, impl FnOnce() -> io::Result<()>)>> {
        let mut aside = Vec::new();
        for (file, name, state) in self.messages()? {
            if matches!(state, State::Aside) {
                let mail = serde_json::from_slice(&fs::read(self.folder.join(&file))?)?;
                aside.push((mail, move || self.rename(&file, &name.file(&State::Ready)).map(drop)));
            }
        }
        Ok(aside)
    }

    /// Whether it was there under the first name.
    fn rename(&self, from: &str, to: &str) -> io::Result<bool> {
        match fs::rename(self.folder.join(from), self.folder.join(to)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn messages(&self) -> io::Result<Vec<(String, Name, State)>> {
        let mut messages = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let file = entry?.file_name().to_string_lossy().into_owned();
            if let Some((name, state)) = Name::parse(&file) {
                messages.push((file, name, state));
            }
        }
        messages.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        Ok(messages)
    }
}

impl Name {
    fn file(self, state: &State) -> String {
        let Self { number, copy, deliveries } = self;
        let state = match state {
            State::Ready => "ready".to_owned(),
            State::Taken(until) => format!("taken-{until}"),
            State::Aside => "aside".to_owned(),
        };
        format!("{number:05}-{copy}.{deliveries}.{state}")
    }

    fn parse(file: &str) -> Option<(Self, State)> {
        let mut parts = file.splitn(3, '.');
        let (number, copy) = parts.next()?.split_once('-')?;
        let deliveries = parts.next()?.parse().ok()?;
        let state = match parts.next()? {
            "ready" => State::Ready,
            "aside" => State::Aside,
            taken => State::Taken(taken.strip_prefix("taken-")?.parse().ok()?),
        };
        Some((Self { number: number.parse().ok()?, copy: copy.parse().ok()?, deliveries }, state))
    }
}

fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}
