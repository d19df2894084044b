//! A worker: takes messages from the queue until there are none, and tells on its standard output what it does.

use std::error::Error;
use std::fmt;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use idempotently::{ErrorKind, Observed, connect, idempotent, install, observe};

use crate::arguments::Place;
use crate::mail::{Mail, Sent};
use crate::outbox::Handover;
use crate::queue::{Message, Queue};
use crate::report::{End, Step};

/// How mails are called in the store.
pub(crate) const SCOPE: &str = "mail.send";

/// How long to wait for a message where all are with other workers.
const PAUSE: Duration = Duration::from_millis(20);

/// Where mails go.
struct MailServer<'a> {
    address: SocketAddr,
    worker: &'a str,
}

/// Sends a mail. However often it is called for one `mail.id`, by whichever worker: the mail leaves once. After a worker
/// was killed in here nobody knows whether its mail has left, and nobody sends it again (`interrupted = fail`) until
/// somebody has looked.
#[idempotent(
    key = mail.id,
    fingerprint = (mail.to, mail.subject),
    durable,
    scope = SCOPE,
    interrupted = fail,
    lease = "3s",
)]
fn send(server: &MailServer<'_>, mail: &Mail) -> Result<Sent, SendError> {
    // Nothing has left yet: this may be tried again.
    let stream = TcpStream::connect(server.address).map_err(SendError::Unreachable)?;
    // From here on it may have. A panic leaves the record as interrupted as a crash does.
    Ok(server.hand_over(&stream, mail).unwrap_or_else(|error| panic!("the mail server went away: {error}")))
}

impl MailServer<'_> {
    fn hand_over(&self, mut stream: &TcpStream, mail: &Mail) -> io::Result<Sent> {
        let mut line = serde_json::to_vec(&Handover { worker: self.worker.to_owned(), mail: mail.clone() })?;
        line.push(b'\n');
        stream.write_all(&line)?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        Ok(serde_json::from_str(&answer)?)
    }
}

#[derive(Debug)]
enum SendError {
    Unreachable(io::Error),
    NotRun(idempotently::Error),
}

impl From<idempotently::Error> for SendError {
    fn from(error: idempotently::Error) -> Self {
        Self::NotRun(error)
    }
}

impl Error for SendError {}

impl fmt::Display for SendError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(out, "the mail server cannot be reached: {error}"),
            Self::NotRun(error) => error.fmt(out),
        }
    }
}

pub(crate) fn work(place: &Place) -> Result<(), Box<dyn Error>> {
    install(connect(&place.store)?)?;
    let queue = Queue::at(&place.queue)?;
    let server = MailServer { address: place.server, worker: &place.name };
    while !queue.is_done()? {
        match queue.receive()? {
            Some(message) => handle(&queue, &server, &message)?,
            // A real queue lets its clients wait.
            None => thread::sleep(PAUSE),
        }
    }
    Ok(())
}

fn handle(queue: &Queue, server: &MailServer<'_>, message: &Message) -> io::Result<()> {
    tell(&Step::Delivered)?;
    let Observed { value, how, .. } = observe(|| send(server, &message.mail));
    let end = match value {
        Ok(_) => {
            queue.acknowledge(message)?;
            End::of(how)
        }
        Err(SendError::NotRun(error)) if error.kind() == ErrorKind::Interrupted => {
            queue.put_aside(message)?;
            End::Interrupted
        }
        Err(error) => {
            // Not acknowledged, so that it is delivered again.
            let _ = writeln!(io::stderr(), "{}: {error}", message.mail.id);
            End::Failed
        }
    };
    tell(&Step::Ended(end))
}

/// Nobody who listens is an end, too.
fn tell(step: &Step) -> io::Result<()> {
    writeln!(io::stdout(), "{}", serde_json::to_string(step)?)
}
