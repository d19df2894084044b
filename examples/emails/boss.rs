//! Starts the workers, kills one, starts another in its place, and settles what was interrupted.

use std::error::Error;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use idempotently::{Records, Retention, connect};

use crate::arguments::Options;
use crate::folder::Folder;
use crate::mail::{Sent, welcomes};
use crate::outbox::{Fate, Outbox};
use crate::queue::Queue;
use crate::report::{Report, Step};
use crate::worker::SCOPE;

/// The worker that is killed, if one is.
const VICTIM: &str = "worker-1";

/// What the boss waits for.
enum Event {
    Told(Step),
    Ended(&'static str),
    /// The victim has to die.
    Kill,
}

struct Crew<'a> {
    queue: &'a Queue,
    outbox: &'a Outbox,
    store: &'a str,
    at_work: Vec<(&'static str, Child)>,
    sender: Sender<Event>,
    events: Receiver<Event>,
}

pub(crate) fn run(options: &Options) -> Result<Report, Box<dyn Error>> {
    let folder = Folder::new()?;
    let url = options.store.clone().unwrap_or_else(|| sqlite_url(&folder.path().join("records.db")));
    let store = connect(&url)?;
    let queue = Queue::at(folder.path().join("queue"))?;
    let mails = welcomes(options.mails);
    let mut report = Report::new(mails.len(), queue.fill(&mails)?);

    let (sender, events) = channel();
    let death = sender.clone();
    let told = move || drop(death.send(Event::Kill));
    let fate = Fate { kill: options.kill, worker: VICTIM, mail: (mails.len() / 6).max(1), told };
    let outbox = Outbox::start(folder.path().join("outbox"), fate)?;

    let mut crew = Crew { queue: &queue, outbox: &outbox, store: &url, at_work: Vec::new(), sender, events };
    crew.hire(VICTIM)?;
    crew.hire("worker-2")?;
    crew.work(&mut report)?;
    if settle(&queue, &outbox, &Records::of(&store), &mut report)? {
        crew.hire("worker-4")?;
        crew.work(&mut report)?;
    }
    report.count(&mails, &outbox.mails()?);
    Ok(report)
}

/// What an operator does: looks what became of the mails of which nobody knows it, and says so. Whether there were any.
fn settle(queue: &Queue, outbox: &Outbox, records: &Records, report: &mut Report) -> Result<bool, Box<dyn Error>> {
    let left = outbox.mails()?;
    let aside = queue.aside()?;
    let any = !aside.is_empty();
    for (mail, put_back) in aside {
        if let Some(left) = left.iter().find(|left| left.mail.id == mail.id) {
            let sent = Sent { number: left.number };
            // A mail may have been put aside twice; it is settled once.
            report.had_left += usize::from(records.resolve(SCOPE, &mail.id, &sent, Retention::Forever)?);
        } else {
            report.had_not += usize::from(records.forget(SCOPE, &mail.id)?);
        }
        put_back()?;
    }
    Ok(any)
}

impl Crew<'_> {
    /// Starts this program as a worker, and listens to it.
    fn hire(&mut self, name: &'static str) -> io::Result<()> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["worker", name])
            .arg(self.queue.path())
            .args([&self.outbox.address().to_string(), self.store])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let (sender, stdout) = (self.sender.clone(), child.stdout.take());
        thread::spawn(move || {
            let lines = stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines().map_while(Result::ok));
            for step in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
                let _ = sender.send(Event::Told(step));
            }
            let _ = sender.send(Event::Ended(name));
        });
        self.at_work.push((name, child));
        Ok(())
    }

    /// Waits until everybody has ended.
    fn work(&mut self, report: &mut Report) -> Result<(), Box<dyn Error>> {
        while !self.at_work.is_empty() {
            match self.events.recv()? {
                Event::Told(step) => report.tell(&step),
                Event::Kill => {
                    for (_, child) in self.at_work.iter_mut().filter(|(name, _)| *name == VICTIM) {
                        child.kill()?;
                        report.killed += 1;
                    }
                    self.hire("worker-3")?;
                }
                Event::Ended(name) => {
                    for (_, mut child) in self.at_work.extract_if(.., |(worker, _)| *worker == name) {
                        child.wait()?;
                    }
                }
            }
        }
        if self.queue.is_done()? { Ok(()) } else { Err("no worker is left, and the queue is not empty".into()) }
    }
}

/// In a URL some letters of a path are not themselves.
fn sqlite_url(path: &Path) -> String {
    format!("sqlite:{}", path.display()).replace('%', "%25").replace('?', "%3F")
}
