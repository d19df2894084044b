//! Hands the orders out, kills whoever is at work, hires others, and delivers again what they had not answered.

use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::mem;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::Runtime;

use crate::arguments::Options;
use crate::books::Read;
use crate::home::Home;
use crate::pipe::{Delivery, Reply, Told};
use crate::provider::Provider;
use crate::report::Report;
use crate::requests::{Dice, Order, incoming};
use crate::tables::{Open, with_database};

/// How many orders a worker has at a time.
const AT_A_TIME: usize = 8;

/// Of so many answers, one gets lost, and its order is sent again.
const LOST: u16 = 12;

/// How much may go wrong that nobody was killed for.
const MOST_FAILURES: usize = 1_000;

enum Event {
    Told(usize, Told),
    Ended(usize),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Worker,
    Mailer,
}

struct Colleague {
    number: usize,
    role: Role,
    child: Child,
    /// Closed when there is nothing more to do.
    stdin: Option<ChildStdin>,
    /// What was delivered and not answered.
    carries: HashMap<u64, Order>,
    is_killed: bool,
}

struct Crew<'a> {
    home: &'a Home,
    dice: Dice,
    waiting: VecDeque<Order>,
    /// After how many answers somebody is killed, the next one last.
    kills: Vec<usize>,
    at_work: Vec<Colleague>,
    hired: usize,
    sender: Sender<Event>,
    events: Receiver<Event>,
    report: Report,
}

pub(crate) fn run(options: &Options) -> Result<Report, Box<dyn Error>> {
    let home = Home::find(options)?;
    let provider = Provider::at(home.mails().to_owned())?;
    let runtime = Runtime::new()?;
    runtime.block_on(with_database(home.store(), Open { orders: options.orders }))?;

    let by_the_clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos().into();
    let seed = options.seed.unwrap_or_else(by_the_clock);
    let mut dice = Dice::of(seed);
    let waiting = VecDeque::from(incoming(&mut dice, seed, options.orders));
    let mut kills: Vec<usize> = (0..options.kills).map(|_| 1 + dice.index(options.orders)).collect();
    kills.sort_unstable_by(|one, other| other.cmp(one));

    let report = Report::new(options.orders, waiting.len());
    let (sender, events) = channel();
    let mut crew = Crew { home: &home, dice, waiting, kills, at_work: Vec::new(), hired: 0, sender, events, report };
    crew.work()?;
    let mut report = mem::take(&mut crew.report);
    drop(crew);
    report.check(&runtime.block_on(with_database(home.store(), Read))?, &provider.numbers()?);
    Ok(report)
}

impl Crew<'_> {
    /// Until everything is answered, every mail has left, and everybody has gone.
    fn work(&mut self) -> Result<(), Box<dyn Error>> {
        for role in [Role::Worker, Role::Worker, Role::Mailer] {
            self.hire(role)?;
        }
        while !self.at_work.is_empty() {
            self.hand_out();
            match self.events.recv()? {
                Event::Told(number, told) => self.hear(number, told),
                Event::Ended(number) => self.replace(number)?,
            }
            if self.kills.last().is_some_and(|&answers| self.report.answers() >= answers) {
                self.kill_somebody()?;
            }
            if self.report.failed > MOST_FAILURES {
                return Err("it fails again and again".into());
            }
        }
        Ok(())
    }

    /// Starts this program as somebody else, and listens to it.
    fn hire(&mut self, role: Role) -> io::Result<()> {
        let mut command = Command::new(std::env::current_exe()?);
        match role {
            Role::Worker => command.args(["worker", self.home.store()]),
            Role::Mailer => command.args(["mailer", self.home.store()]).arg(self.home.mails()),
        };
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        self.hired += 1;
        let (number, sender, stdout) = (self.hired, self.sender.clone(), child.stdout.take());
        thread::spawn(move || {
            let lines = stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines().map_while(Result::ok));
            for told in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
                let _ = sender.send(Event::Told(number, told));
            }
            let _ = sender.send(Event::Ended(number));
        });
        let stdin = child.stdin.take();
        self.at_work.push(Colleague { number, role, child, stdin, carries: HashMap::new(), is_killed: false });
        Ok(())
    }

    /// Gives everybody as much as they can carry; and tells them when there is nothing more.
    fn hand_out(&mut self) {
        let Self { at_work, waiting, report, .. } = self;
        for worker in at_work.iter_mut().filter(|one| one.role == Role::Worker && !one.is_killed) {
            while worker.carries.len() < AT_A_TIME
                && let Some(stdin) = &mut worker.stdin
                && let Some(order) = waiting.pop_front()
            {
                report.deliveries += 1;
                let delivery = Delivery { number: report.deliveries, order };
                // Whoever has died takes nothing; that comes back when the end is noticed.
                let _ = serde_json::to_string(&delivery).map(|line| writeln!(stdin, "{line}"));
                worker.carries.insert(delivery.number, delivery.order);
            }
        }
        if waiting.is_empty() && at_work.iter().all(|one| one.carries.is_empty()) {
            let any_worker = at_work.iter().any(|one| one.role == Role::Worker);
            for one in at_work.iter_mut().filter(|one| one.role == Role::Worker || !any_worker) {
                one.stdin = None;
            }
        }
    }

    fn hear(&mut self, number: usize, told: Told) {
        let (delivery, reply, replayed) = match told {
            Told::Mailed { again } => return self.report.mailed(again),
            Told::Answered { delivery, reply, replayed } => (delivery, reply, replayed),
        };
        let worker = self.at_work.iter_mut().find(|one| one.number == number);
        let Some(order) = worker.and_then(|worker| worker.carries.remove(&delivery)) else { return };
        if let Reply::Failed(why) = &reply {
            let _ = writeln!(io::stderr(), "{}: {why}", order.id);
            self.report.failed += 1;
            self.waiting.push_back(order);
            return;
        }
        self.report.answered(&order.id, &reply, replayed);
        if self.dice.below(LOST) == 0 {
            self.report.lost += 1;
            let soon = self.dice.index(20).min(self.waiting.len());
            self.waiting.insert(soon, order);
        }
    }

    /// At some moment from now on, in whatever they are doing.
    fn kill_somebody(&mut self) -> io::Result<()> {
        let mut alive: Vec<_> = self.at_work.iter_mut().filter(|one| !one.is_killed).collect();
        if alive.is_empty() {
            return Ok(());
        }
        let victim = self.dice.index(alive.len());
        thread::sleep(Duration::from_micros(self.dice.below(5_000).into()));
        alive[victim].child.kill()?;
        alive[victim].is_killed = true;
        self.kills.pop();
        self.report.killed += 1;
        Ok(())
    }

    /// Somebody has ended: what is not answered is delivered again, to somebody else.
    fn replace(&mut self, number: usize) -> Result<(), Box<dyn Error>> {
        let Some(place) = self.at_work.iter().position(|one| one.number == number) else { return Ok(()) };
        let Colleague { mut child, role, carries, is_killed, stdin, .. } = self.at_work.swap_remove(place);
        drop(stdin);
        let status = child.wait()?;
        if status.success() {
            return Ok(());
        }
        if !is_killed {
            return Err(format!("somebody ended by itself: {status}").into());
        }
        self.report.cut_off += carries.len();
        self.waiting.extend(carries.into_values());
        Ok(self.hire(role)?)
    }
}

impl Drop for Crew<'_> {
    fn drop(&mut self) {
        for one in &mut self.at_work {
            let _ = one.child.kill();
            let _ = one.child.wait();
        }
    }
}
