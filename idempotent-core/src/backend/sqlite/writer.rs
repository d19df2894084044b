//! The one thread that writes the file: what queued while it wrote goes into its next transaction. A caller who is alone
//! writes itself, which saves the way to the thread and back.

use super::desk::Desk;
use super::fault::{Fault, explain, is_busy};
use super::job::{Job, Ticket};
use super::ledger::Ledger;
use crate::backend::forked::Opener;
use crate::backend::oneshot::{Receiver, channel};
use crate::store::{Answer, Claim, Claimed, Hold, Place, StoreError};
use std::collections::VecDeque;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The most requests in one transaction: more make it no cheaper, and everybody's answer later.
pub(super) const MOST: usize = 32;

/// How long it is left alone after a failure, where something has to be tried again.
const PAUSE: Duration = Duration::from_millis(100);

/// The callers' end. Dropped, it waits until everything that was asked is written.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Asked>>,
    pub(super) desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
    opener: Opener,
}

impl Writer {
    pub(super) fn start(desk: Desk) -> Result<Self, StoreError> {
        let (jobs, asked) = mpsc::channel();
        let desk = Arc::new(desk);
        let scribe = Scribe { asked, backlog: VecDeque::new(), failing: false, closing: false, desk: desk.clone() };
        let thread =
            thread::Builder::new().name("idempotently-write".into()).spawn(|| scribe.run()).map_err(|error| {
                StoreError::caused("the thread that writes the SQLite file could not be started", error)
            })?;
        Ok(Self { jobs: Some(jobs), desk, thread: Some(thread), opener: Opener::this() })
    }

    /// Does a request on the caller's own thread, with so many bytes to write. Nothing where it has to be queued, also
    /// because it failed: the thread has patience.
    pub(super) fn at_once<T>(
        &self,
        bytes: usize,
        verb: impl FnOnce(&mut Ledger<'_>) -> Result<T, Fault>,
    ) -> Option<Result<T, StoreError>> {
        self.desk.at_once(bytes, verb)
    }

    /// Queues a request, now; the answer may be waited for or not.
    pub(super) fn ask<T>(&self, job: impl FnOnce(Ticket<T>) -> Job) -> Receiver<T> {
        let (sender, receiver) = channel();
        self.queue(job(Ticket::new(sender)));
        receiver
    }

    pub(super) fn claim(&self, claim: Claim) -> Claiming<'_> {
        let place = claim.place.clone();
        Claiming { writer: self, place, answer: self.ask(|ticket| Job::Claim(claim, ticket)) }
    }

    fn queue(&self, job: Job) {
        self.desk.came();
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(Asked::now(job)).is_ok());
        if !sent {
            // The thread has ended. The job is dropped, and with it the place for its answer: that tells the caller.
            self.desk.finished(1);
        }
    }

    /// Whether all that was asked so far is in the file.
    pub(super) fn is_idle(&self) -> bool {
        self.desk.is_idle()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        // In a forked child there is no thread to wait for.
        if !self.opener.is_this() {
            return;
        }
        // A waker that runs on the thread itself may drop the last handle; it cannot wait for itself.
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != thread::current().id()) {
            // A panic was reported where it happened.
            let _ = thread.join();
        }
    }
}

/// A claim that was queued. Dropped with a grant that it did not hand out, it gives the key back.
pub(super) struct Claiming<'a> {
    writer: &'a Writer,
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
            self.writer.queue(Job::give_back(Hold { place: self.place.clone(), token }));
        }
    }
}

/// A request, and since when it waits.
struct Asked {
    job: Job,
    since: Instant,
}

impl Asked {
    fn now(job: Job) -> Self {
        Self { job, since: Instant::now() }
    }
}

/// The thread's end.
struct Scribe {
    asked: mpsc::Receiver<Asked>,
    /// What is to be written next: keys to give back, what could not be written, and what waited behind it.
    backlog: VecDeque<Asked>,
    failing: bool,
    closing: bool,
    desk: Arc<Desk>,
}

/// Why nothing of a transaction was written.
enum Unwritten {
    /// It did not begin, because another process has the file.
    Busy(StoreError),
    /// It did not begin, which is nobody's fault: trying each by itself would not help.
    NotBegun(StoreError),
    /// It ended in the middle, perhaps for one of many.
    Ended(StoreError),
}

const PANICKED: &str =
    "the thread that writes the SQLite file met a bug of the library, and wrote nothing of this request";

impl Scribe {
    fn run(mut self) {
        while let Some(batch) = self.gather() {
            self.write(batch);
        }
    }

    /// What is to be written next; nothing when nobody is left who could ask.
    fn gather(&mut self) -> Option<Vec<Asked>> {
        let rests = self.failing && self.backlog.iter().all(|asked| asked.job.is_unheard());
        let next = match (self.backlog.is_empty(), rests) {
            (true, _) => self.asked.recv().map_err(|_| RecvTimeoutError::Disconnected),
            (false, true) => self.asked.recv_timeout(PAUSE),
            (false, false) => self.asked.recv_timeout(Duration::ZERO),
        };
        match next {
            Ok(job) => self.backlog.push_back(job),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) if self.backlog.is_empty() => return None,
            // What is left is tried once more, and not again: somebody waits for this thread to end.
            Err(RecvTimeoutError::Disconnected) => self.closing = true,
        }
        self.backlog.extend(self.asked.try_iter().take(MOST.saturating_sub(self.backlog.len())));
        Some(self.backlog.drain(..self.backlog.len().min(MOST)).collect())
    }

    /// Writes a batch, or each of it by itself, so that one that cannot be written does not take the others with it.
    fn write(&mut self, mut batch: Vec<Asked>) {
        match self.transact(&mut batch) {
            Ok(changed) => self.settle(batch, &changed),
            Err(Unwritten::Busy(error)) => self.refuse_overdue(batch, &error),
            Err(Unwritten::Ended(_)) if batch.len() > 1 => {
                for asked in batch {
                    self.write(vec![asked]);
                }
            }
            Err(Unwritten::NotBegun(error) | Unwritten::Ended(error)) => self.fail(batch, &error),
        }
    }

    fn transact(&self, batch: &mut [Asked]) -> Result<Vec<Place>, Unwritten> {
        // All callers of the store depend on this thread: one that meets a bug must not end it.
        let transact = AssertUnwindSafe(|| self.try_to_transact(batch));
        catch_unwind(transact).unwrap_or_else(|_| Err(Unwritten::Ended(StoreError::new(PANICKED))))
    }

    fn try_to_transact(&self, batch: &mut [Asked]) -> Result<Vec<Place>, Unwritten> {
        let connection = self.desk.connection();
        let begun = self.desk.begin(&connection, self.time_left(batch));
        let transaction = begun.map_err(|error| {
            let refuse = if is_busy(&error) { Unwritten::Busy } else { Unwritten::NotBegun };
            refuse(explain(error))
        })?;
        let takers = batch.iter().filter(|asked| asked.job.takes_token()).count();
        let run = |ledger: &mut Ledger<'_>| batch.iter_mut().try_for_each(|asked| asked.job.run(ledger));
        let wrote = self.desk.write(transaction, takers, run);
        let ((), changed) = wrote.map_err(|error| Unwritten::Ended(explain(error)))?;
        self.desk.saw(batch.len());
        Ok(changed)
    }

    /// How much longer the first of them may wait for other processes: all of its time where nobody waits for an answer.
    fn time_left(&self, batch: &[Asked]) -> Duration {
        let first = batch.iter().filter(|asked| !asked.job.is_unheard()).map(|asked| asked.since).min();
        self.desk.patience().saturating_sub(first.map_or(Duration::ZERO, |since| since.elapsed()))
    }

    /// While another process has the file: refuses whatever waited for as long as it may, wherever it is in the queue.
    fn refuse_overdue(&mut self, batch: Vec<Asked>, error: &StoreError) {
        self.backlog.extend(self.asked.try_iter());
        let (now, patience) = (Instant::now(), self.desk.patience());
        let is_over = |asked: &Asked| {
            self.closing || asked.job.is_unheard() || now.saturating_duration_since(asked.since) >= patience
        };
        let (over, rest): (Vec<_>, Vec<_>) = batch.into_iter().chain(mem::take(&mut self.backlog)).partition(is_over);
        self.backlog = rest.into();
        self.fail(over, error);
    }

    fn settle(&mut self, batch: Vec<Asked>, changed: &[Place]) {
        self.failing = false;
        let count = batch.len();
        let untaken = self.backlog.len();
        self.backlog.extend(batch.into_iter().filter_map(|asked| asked.job.settle()).map(Asked::now));
        self.desk.finished(count - (self.backlog.len() - untaken));
        self.desk.announce(changed);
    }

    fn fail(&mut self, batch: Vec<Asked>, error: &StoreError) {
        self.failing = true;
        let count = batch.len();
        let failed = batch.into_iter().filter_map(|Asked { job, since }| Some(Asked { job: job.fail(error)?, since }));
        let again: Vec<Asked> = failed.filter(|_| !self.closing).collect();
        self.desk.finished(count - again.len());
        self.backlog.extend(again);
    }
}

impl<T: Send + 'static> Receiver<T> {
    /// As a store's answer.
    pub(super) fn answer<'a>(self) -> Answer<'a, T> {
        Box::pin(self)
    }
}
