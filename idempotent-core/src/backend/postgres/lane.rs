//! A lane: one connection, and what queued while its last statement ran goes out as one statement.

use super::fault::{Fault, Remedy, remedy};
use super::job::{self, Job, MOST, Queued, Ticket};
use super::verbs::{self, Changed};
use super::watch::Watch;
use crate::backend::oneshot::{Receiver, channel};
use crate::store::{Claim, Claimed, Hold, Place, StoreError};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, WeakUnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep_until, timeout_at};

/// How long a server that did not let the library in is left alone, at first and at most.
const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);

/// How long a statement may take that comes late to its turn.
const AT_LEAST: Duration = Duration::from_millis(500);

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
            options,
            pause: FIRST,
            not_before: None,
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
        Claiming { lane: self, place, answer: self.ask(|ticket| Job::Claim(claim, ticket)) }
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
}

impl Future for Claiming<'_> {
    type Output = Result<Claimed, StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer).poll(cx)
    }
}

impl Drop for Claiming<'_> {
    fn drop(&mut self) {
        if let Some(Ok(Claimed::Granted { token, .. })) = self.answer.close() {
            self.lane.queue(Job::give_back(Hold { place: self.place.clone(), token }));
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
    options: Arc<PgConnectOptions>,
    pause: Duration,
    not_before: Option<Instant>,
    watch: Arc<Watch>,
    news: News,
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
        loop {
            if self.backlog.is_empty() && self.asked.recv_many(&mut fresh, MOST).await == 0 {
                return;
            }
            while self.backlog.len() + fresh.len() < MOST
                && let Ok(queued) = self.asked.try_recv()
            {
                fresh.push(queued);
            }
            self.backlog.extend(fresh.drain(..));
            let batch = job::gather(&mut self.backlog);
            if !batch.is_empty() {
                self.serve(batch).await;
            }
        }
    }

    async fn serve(&mut self, mut batch: Vec<Queued>) {
        let least = Instant::now() + AT_LEAST;
        let limit = batch.iter().map(Queued::until).min().unwrap_or(least).max(least);
        match timeout_at(limit, self.attempt(&mut batch)).await {
            Ok(Ok(changed)) => self.settle(batch, &changed),
            Ok(Err(fault)) => self.fail(batch, fault),
            Err(_) => self.fail(batch, Fault::Silent),
        }
    }

    async fn attempt(&mut self, batch: &mut [Queued]) -> Result<Changed, Fault> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let ran = verbs::run(&mut connection, batch).await;
        if ran.as_ref().err().map(remedy) != Some(Remedy::Reconnect) {
            self.connection = Some(connection);
        }
        ran.map_err(Fault::Sent)
    }

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

    fn settle(&mut self, batch: Vec<Queued>, changed: &Changed) {
        self.backlog.extend(batch.into_iter().filter_map(Queued::settle));
        if !changed.is_empty() {
            self.watch.announce(changed);
            self.news.tell(changed);
        }
    }

    fn fail(&mut self, batch: Vec<Queued>, fault: Fault) {
        let (remedy, doubtful) = (fault.remedy(), fault.is_doubtful());
        let why = StoreError::from(fault);
        let again: Vec<Queued> = match remedy {
            Remedy::Singly if batch.len() > 1 => batch.into_iter().map(Queued::alone).collect(),
            Remedy::Singly | Remedy::Never => {
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
