//! A lane: one connection, and what queued while its last statement ran goes out as one statement.

use super::doubt::{Doubts, Last, ServerClock};
use super::fault::{Fault, Remedy, remedy};
use super::job::{self, Job, Kind, MOST, Queued, Ticket};
use super::verbs::{self, Changed};
use super::watch::Watch;
use crate::backend::oneshot::{Receiver, channel};
use crate::store::{Claim, Claimed, Hold, Place, StoreError};
use crate::underway::UNTAKEN;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, WeakUnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

/// How long a server that did not let the library in is left alone, at first and at most.
const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);

/// How long a statement may take that comes late to its turn.
const AT_LEAST: Duration = Duration::from_millis(500);

/// How long a statement may take for which no caller waits.
const LONGEST_BATCH: Duration = Duration::from_millis(3500);

/// How long giving back may take what claims were granted of which nobody heard: others wait behind it.
const ASIDE: Duration = Duration::from_secs(2);

/// How long that is tried after nobody is left who could ask for anything else.
const AFTERWARDS: Duration = Duration::from_mins(1);

/// The callers' end. What was asked is done though the last one is dropped.
#[derive(Clone)]
pub(super) struct Lane {
    jobs: UnboundedSender<Queued>,
}

impl Lane {
    /// A lane, and its other end, which is to be run on the library's own runtime.
    pub(super) fn new(options: Arc<PgConnectOptions>, watch: Arc<Watch>, news: News) -> (Self, Runner) {
        let (jobs, asked) = unbounded_channel();
        let runner = Runner {
            asked,
            backlog: VecDeque::new(),
            connection: None,
            door: Door { options, pause: FIRST, not_before: None },
            clock: ServerClock::default(),
            sent: None,
            doubts: Doubts::new(),
            failure: None,
            over: None,
            watch,
            news,
        };
        (Self { jobs }, runner)
    }

    /// Queues a request, now; the answer may be waited for or not.
    pub(super) fn ask<T>(&self, job: impl FnOnce(Ticket<T>) -> Job) -> Receiver<T> {
        let (sender, receiver) = channel();
        self.queue(job(Ticket::new(sender)));
        receiver
    }

    pub(super) fn claim(&self, claim: Claim) -> Claiming<'_> {
        let place = claim.place.clone();
        Claiming { lane: self, place, answer: self.ask(|ticket| Job::Claim(claim, ticket)), is_answered: false }
    }

    fn queue(&self, job: Job) {
        // Where the lane has ended, the job is dropped, and with it the place for its answer: that tells the caller.
        let _ = self.jobs.send(Queued::new(job));
    }
}

/// A claim that was queued. Dropped with a grant that it did not hand out, it gives the key back.
pub(super) struct Claiming<'a> {
    lane: &'a Lane,
    place: Place,
    answer: Receiver<Claimed>,
    is_answered: bool,
}

impl Future for Claiming<'_> {
    type Output = Result<Claimed, StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = Pin::new(&mut self.answer).poll(cx);
        self.is_answered = answer.is_ready();
        answer
    }
}

impl Drop for Claiming<'_> {
    fn drop(&mut self) {
        match self.answer.close() {
            Some(Ok(Claimed::Granted { token, .. })) => {
                self.lane.queue(Job::give_back(Hold { place: self.place.clone(), token }));
            }
            // Until the lane gets there, a key may have to be given back.
            None if !self.is_answered => self.lane.queue(Job::Leave(UNTAKEN.begin())),
            _ => {}
        }
    }
}

/// Where a lane says what changed, for the other processes.
pub(super) struct News {
    told: WeakUnboundedSender<u64>,
    /// Keeps those at work who tell, until this lane is through.
    _open: Option<UnboundedSender<u64>>,
}

impl News {
    pub(super) fn new(told: &UnboundedSender<u64>) -> Self {
        Self { told: told.downgrade(), _open: Some(told.clone()) }
    }

    /// For the lane that those who tell use themselves: it must not wait for them, as they for it.
    pub(super) fn of_the_teller(told: &UnboundedSender<u64>) -> Self {
        Self { told: told.downgrade(), _open: None }
    }

    fn tell(&self, changed: &Changed) {
        let Some(told) = self.told.upgrade() else { return };
        for number in changed {
            // Whoever is not told looks by itself, a little later.
            let _ = told.send(*number);
        }
    }
}

/// The server's end of a lane.
pub(super) struct Runner {
    asked: UnboundedReceiver<Queued>,
    /// What has had no turn yet, or is to be tried again.
    backlog: VecDeque<Queued>,
    /// Kept from statement to statement; taken out while one runs, so that one that is given up takes it along.
    connection: Option<PgConnection>,
    door: Door,
    clock: ServerClock,
    /// Until when the claims may be carried out that were sent last.
    sent: Option<Last>,
    doubts: Doubts,
    /// Why the last statement came to nothing, until one is answered.
    failure: Option<StoreError>,
    /// Since when nobody is left who could ask.
    over: Option<Instant>,
    watch: Arc<Watch>,
    news: News,
}

/// The way into the server.
struct Door {
    options: Arc<PgConnectOptions>,
    pause: Duration,
    not_before: Option<Instant>,
}

impl Door {
    async fn connect(&mut self) -> Result<PgConnection, Fault> {
        if let Some(moment) = self.not_before {
            sleep_until(moment).await;
        }
        let connected = self.options.connect().await;
        if connected.is_ok() {
            (self.not_before, self.pause) = (None, FIRST);
        } else {
            self.not_before = Some(Instant::now() + self.pause);
            self.pause = (self.pause * 2).min(LONGEST);
        }
        connected.map_err(Fault::Unconnected)
    }
}

impl Runner {
    /// Begins with a connection that is open already.
    pub(super) fn on(mut self, connection: PgConnection) -> Self {
        self.connection = Some(connection);
        self
    }

    /// Serves until nobody is left who could ask, and nothing that was asked.
    pub(super) async fn run(mut self) {
        let mut fresh = Vec::with_capacity(MOST);
        while self.has_work(&mut fresh).await {
            self.backlog.extend(fresh.drain(..));
            self.receive();
            if self.connection.is_some() && self.doubts.are_due() {
                self.give_back().await;
            }
            self.refuse_overdue();
            let batch = job::gather(&mut self.backlog);
            if !batch.is_empty() {
                self.serve(batch).await;
            }
        }
    }

    /// Takes what was asked meanwhile, as far as one statement can have it. What no caller waits for does not count, so that
    /// it keeps no caller's request out of sight.
    fn receive(&mut self) {
        let mut heard = self.backlog.iter().filter(|queued| !queued.job.is_unheard()).count();
        while heard < MOST
            && let Ok(queued) = self.asked.try_recv()
        {
            heard += usize::from(!queued.job.is_unheard());
            self.backlog.push_back(queued);
        }
    }

    /// Refuses the requests whose time is over before their turn, with the reason why the last statement failed.
    fn refuse_overdue(&mut self) {
        let now = Instant::now();
        let mut any = true;
        while any {
            let (overdue, rest): (VecDeque<_>, VecDeque<_>) =
                std::mem::take(&mut self.backlog).into_iter().partition(|queued| queued.is_overdue(now));
            self.backlog = rest;
            any = !overdue.is_empty();
            let why = self.failure.clone().unwrap_or_else(|| Fault::Silent.into());
            for queued in overdue {
                queued.refuse(&why);
            }
            // Those behind them may be as late.
            self.receive();
        }
    }

    /// Until when what begins now may take, so that no caller who waits is told late.
    fn limit<'q>(&'q self, longest: Instant, batch: impl IntoIterator<Item = &'q Queued>) -> Instant {
        let waiting = self.backlog.iter().filter(|queued| !queued.job.is_unheard()).map(Queued::until);
        let first = waiting.chain(batch.into_iter().map(Queued::until)).min();
        first.unwrap_or(longest).min(longest).max(Instant::now() + AT_LEAST)
    }

    /// Waits for something to do; whether there will be.
    async fn has_work(&mut self, fresh: &mut Vec<Queued>) -> bool {
        if !self.backlog.is_empty() {
            return true;
        }
        if self.over.is_none() && self.asks_or_doubts(fresh).await == Some(0) {
            self.over = Some(Instant::now());
        }
        let Some(over) = self.over else { return true };
        if over.elapsed() > AFTERWARDS {
            self.doubts.give_up();
        } else if let Some(next) = self.doubts.next() {
            sleep_until(next).await;
            self.reach().await;
        }
        !self.doubts.is_empty()
    }

    /// Waits for requests, and takes them; or until there is a connection to give back by what nobody heard of.
    async fn asks_or_doubts(&mut self, fresh: &mut Vec<Queued>) -> Option<usize> {
        let Some(next) = self.doubts.next() else { return Some(self.asked.recv_many(fresh, MOST).await) };
        let is_connected = self.connection.is_some();
        let (doubts, door, asked) = (&mut self.doubts, &mut self.door, &mut self.asked);
        let mut asked = pin!(asked.recv_many(fresh, MOST));
        let mut reached = pin!(async {
            sleep_until(next).await;
            if is_connected { None } else { Some(timeout(ASIDE, door.connect()).await) }
        });
        // Whoever asks does not wait for a connection that may never come: one is made in its own time.
        let reached = poll_fn(|cx| match asked.as_mut().poll(cx) {
            Poll::Ready(count) => Poll::Ready(Err(count)),
            Poll::Pending => reached.as_mut().poll(cx).map(Ok),
        });
        match reached.await {
            Err(count) => return Some(count),
            Ok(Some(Ok(Ok(connection)))) => {
                (self.connection, self.clock) = (Some(connection), ServerClock::default());
            }
            Ok(Some(_)) => doubts.postpone(),
            Ok(None) => {}
        }
        None
    }

    /// Connects, for what nobody waits for.
    async fn reach(&mut self) {
        if self.connection.is_some() {
            return;
        }
        match timeout(ASIDE, self.door.connect()).await {
            Ok(Ok(connection)) => (self.connection, self.clock) = (Some(connection), ServerClock::default()),
            _ => self.doubts.postpone(),
        }
    }

    /// Gives back what claims were granted of which nobody heard. It is done on the connection of the claims, so that none
    /// of the same owner is under way meanwhile.
    async fn give_back(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let doubts = self.doubts.take();
        let limit = self.limit(Instant::now() + ASIDE, []);
        let answer = timeout_at(limit, verbs::disclaim(&mut connection, &doubts)).await;
        if answer.as_ref().is_ok_and(|answer| answer.as_ref().err().map(remedy) != Some(Remedy::Reconnect)) {
            self.connection = Some(connection);
        }
        let Ok(Ok((over, changed))) = answer else {
            self.doubts.put_back(doubts);
            return;
        };
        let open = doubts.into_iter().enumerate().filter(|(index, _)| !over.contains(index)).map(|(_, doubt)| doubt);
        self.doubts.keep(open);
        self.tell(&changed);
    }

    async fn serve(&mut self, mut batch: Vec<Queued>) {
        let limit = self.limit(Instant::now() + LONGEST_BATCH, &batch);
        self.sent = None;
        match timeout_at(limit, self.attempt(&mut batch, limit)).await {
            Ok(Ok(changed)) => self.settle(batch, &changed),
            Ok(Err(fault)) => self.fail(batch, fault),
            Err(_) => self.fail(batch, Fault::Silent),
        }
    }

    async fn attempt(&mut self, batch: &mut [Queued], limit: Instant) -> Result<Changed, Fault> {
        let mut connection = if let Some(connection) = self.connection.take() {
            connection
        } else {
            self.clock = ServerClock::default();
            self.door.connect().await?
        };
        let ran = if batch.first().is_some_and(|queued| queued.job.kind() == Kind::Claim) {
            self.claim(&mut connection, batch, limit).await
        } else {
            verbs::run(&mut connection, batch).await
        };
        if ran.as_ref().err().map(remedy) != Some(Remedy::Reconnect) {
            self.connection = Some(connection);
        }
        ran.map_err(Fault::Sent)
    }

    async fn claim(
        &mut self,
        connection: &mut PgConnection,
        batch: &mut [Queued],
        limit: Instant,
    ) -> Result<Changed, sqlx::Error> {
        let moment = if let Some(moment) = self.clock.at(limit) {
            moment
        } else {
            self.clock.hear(verbs::time(connection).await?);
            self.clock.at(limit).unwrap_or_default()
        };
        self.sent = Some(Last { moment, about: limit });
        verbs::claim(connection, batch, moment, &mut self.clock).await
    }

    fn settle(&mut self, batch: Vec<Queued>, changed: &Changed) {
        self.failure = None;
        if !self.doubts.is_empty() {
            for (claim, token) in batch.iter().filter_map(|queued| queued.job.granted()) {
                self.doubts.told(claim, token);
            }
        }
        self.backlog.extend(batch.into_iter().filter_map(Queued::settle));
        self.tell(changed);
    }

    fn tell(&self, changed: &Changed) {
        if !changed.is_empty() {
            self.watch.announce(changed);
            self.news.tell(changed);
        }
    }

    fn fail(&mut self, batch: Vec<Queued>, fault: Fault) {
        if let Some(last) = self.sent.take()
            && fault.leaves_open()
        {
            for claim in batch.iter().filter_map(|queued| verbs::as_claim(&queued.job)) {
                self.doubts.add(claim, last);
            }
        }
        let (remedy, doubtful) = (fault.remedy(), fault.is_doubtful());
        let why = StoreError::from(fault);
        self.failure = Some(why.clone());
        let again: Vec<Queued> = match remedy {
            Remedy::Singly if batch.len() > 1 => batch.into_iter().map(Queued::alone).collect(),
            // The next try waits at the door. Nobody is left who would ask again for what is unheard.
            Remedy::Never => {
                let (unheard, heard): (Vec<_>, Vec<_>) = batch.into_iter().partition(|queued| queued.job.is_unheard());
                for queued in heard {
                    queued.refuse(&why);
                }
                unheard.into_iter().filter_map(|queued| queued.again(doubtful, &why)).collect()
            }
            Remedy::Singly => {
                for queued in batch {
                    queued.refuse(&why);
                }
                return;
            }
            Remedy::Again | Remedy::Reconnect => {
                batch.into_iter().filter_map(|queued| queued.again(doubtful, &why)).collect()
            }
        };
        // They keep their turn.
        for queued in again.into_iter().rev() {
            self.backlog.push_front(queued);
        }
    }
}
