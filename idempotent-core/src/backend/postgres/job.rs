//! What is asked of a server, with the place for its answer.

use super::row;
use crate::backend::oneshot::{Sender, channel};
use crate::store::{
    AdoptRequest, Adopted, Claim, Claimed, CompleteRequest, Glimpse, Hold, Place, Recorded, Release, Standing,
    StoreError,
};
use crate::underway::{UNTAKEN, Underway};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The most requests in one statement: more make it no cheaper, and everybody's answer later.
pub(super) const MOST: usize = 32;

/// The most bytes of outcomes in one statement, unless a single one has more.
const HEAVIEST: usize = 1 << 20;

/// How long a request is tried. A caller is told after five seconds at the most, however many were before it: what is under
/// way when its time is over ends within half a second, and what has not begun by then is refused.
const PATIENCE: Duration = Duration::from_millis(3500);

/// How long is tried what nobody waits for: nobody is left who would ask again.
const PATIENCE_UNHEARD: Duration = Duration::from_mins(1);

/// Records of a scope that stand alike, in the order of their keys.
pub(super) struct Page {
    pub(super) scope: Arc<str>,
    pub(super) standing: Standing,
    pub(super) after: Option<Arc<str>>,
    pub(super) limit: usize,
}

/// One request.
pub(super) enum Job {
    Claim(Claim, Ticket<Claimed>),
    Complete(CompleteRequest, Ticket<Recorded>),
    Adopt(AdoptRequest, Ticket<Adopted>),
    Release(Hold, Release, Ticket<bool>),
    Renew(Vec<Hold>, Duration, Ticket<Vec<bool>>),
    Peek(Place, Ticket<Option<Glimpse>>),
    Forget(Place, Ticket<bool>),
    Resolve(Place, Vec<u8>, Option<Duration>, Ticket<bool>),
    List(Page, Ticket<Vec<Glimpse>>),
    Purge(usize, Ticket<usize>),
    /// Tells the other processes.
    Tell(Vec<String>, Ticket<()>),
    /// Nothing but to come after a claim that nobody waits for any more.
    Leave(#[expect(dead_code, reason = "it counts until it is dropped")] Underway),
}

/// What goes into one statement together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Claim,
    Complete,
    Free,
    GiveUp,
    /// This one by itself.
    Alone,
}

impl Job {
    /// A key that is given back, and nobody is told.
    pub(super) fn give_back(hold: Hold) -> Self {
        Self::Release(hold, Release::Free, Ticket { _untaken: Some(UNTAKEN.begin()), ..Ticket::new(channel().0) })
    }

    /// What a claim was granted.
    pub(super) fn granted(&self) -> Option<(&Claim, u64)> {
        match self {
            Self::Claim(claim, Ticket { reply: Some(Ok(Claimed::Granted { token, .. })), .. }) => Some((claim, *token)),
            _ => None,
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Claim(..) => Kind::Claim,
            Self::Complete(..) => Kind::Complete,
            Self::Release(_, Release::Free, _) => Kind::Free,
            Self::Release(_, Release::Interrupt, _) => Kind::GiveUp,
            _ => Kind::Alone,
        }
    }

    fn place(&self) -> Option<&Place> {
        match self {
            Self::Claim(claim, _) => Some(&claim.place),
            Self::Complete(CompleteRequest { hold, .. }, _) | Self::Release(hold, ..) => Some(&hold.place),
            Self::Adopt(AdoptRequest { place, .. }, _)
            | Self::Peek(place, _)
            | Self::Forget(place, _)
            | Self::Resolve(place, ..) => Some(place),
            Self::Renew(..) | Self::List(..) | Self::Purge(..) | Self::Tell(..) | Self::Leave(_) => None,
        }
    }

    fn weight(&self) -> usize {
        if let Self::Complete(request, _) = self { request.outcome.len() } else { 0 }
    }

    /// Whether whoever asked has gone away, and wants nothing done.
    fn is_unwanted(&self) -> bool {
        match self {
            Self::Claim(_, ticket) => ticket.is_abandoned(),
            Self::Peek(_, ticket) => ticket.is_abandoned(),
            Self::List(_, ticket) => ticket.is_abandoned(),
            _ => false,
        }
    }

    /// Whether it is to be done although nobody waits for it.
    pub(super) fn is_unheard(&self) -> bool {
        match self {
            Self::Complete(.., ticket) => ticket.is_abandoned(),
            Self::Adopt(.., ticket) => ticket.is_abandoned(),
            Self::Release(.., ticket) => ticket.is_abandoned(),
            _ => false,
        }
    }

    /// Answers, where there is an answer; what is still to be done, or to be asked again.
    fn settle(self, doubtful: bool) -> Settled {
        match self {
            Self::Claim(claim, ticket) => match ticket.reply {
                None => Settled::Again(Self::Claim(claim, ticket)),
                Some(_) => match ticket.deliver() {
                    Some(Claimed::Granted { token, .. }) => {
                        Settled::Next(Self::give_back(Hold { place: claim.place, token }))
                    }
                    _ => Settled::Done,
                },
            },
            Self::Complete(request, ticket) if ticket.reply.is_none() => {
                Settled::Again(Self::Complete(request, ticket))
            }
            Self::Complete(.., ticket) => done(ticket.deliver()),
            Self::Adopt(request, ticket) if ticket.reply.is_none() => Settled::Again(Self::Adopt(request, ticket)),
            Self::Adopt(.., ticket) => done(ticket.deliver()),
            Self::Release(.., ticket) => done(ticket.deliver()),
            Self::Forget(_, ticket) | Self::Resolve(.., ticket) => done(ticket.doubting(doubtful).deliver()),
            Self::Renew(.., ticket) => done(ticket.deliver()),
            Self::Peek(_, ticket) => done(ticket.deliver()),
            Self::List(_, ticket) => done(ticket.deliver()),
            Self::Purge(_, ticket) => done(ticket.deliver()),
            Self::Tell(_, ticket) => done(ticket.deliver()),
            Self::Leave(_) => Settled::Done,
        }
    }

    fn refuse(self, error: StoreError) {
        match self {
            Self::Claim(_, ticket) => ticket.refuse(error),
            Self::Complete(.., ticket) => ticket.refuse(error),
            Self::Adopt(.., ticket) => ticket.refuse(error),
            Self::Release(.., ticket) | Self::Forget(_, ticket) | Self::Resolve(.., ticket) => ticket.refuse(error),
            Self::Renew(.., ticket) => ticket.refuse(error),
            Self::Peek(_, ticket) => ticket.refuse(error),
            Self::List(_, ticket) => ticket.refuse(error),
            Self::Purge(_, ticket) => ticket.refuse(error),
            Self::Tell(_, ticket) => ticket.refuse(error),
            Self::Leave(_) => {}
        }
    }
}

/// What came of a request.
pub(super) enum Settled {
    Done,
    /// There is something else to do.
    Next(Job),
    /// Another transaction was in the way.
    Again(Job),
}

/// An answer that was handed over, or that nobody took and that leaves nothing to undo.
fn done<T>(_: Option<T>) -> Settled {
    Settled::Done
}

/// Who is to be answered, and with what.
pub(super) struct Ticket<T> {
    sender: Sender<T>,
    reply: Option<Result<T, StoreError>>,
    /// Of a key that a shutdown waits for until it is given back.
    _untaken: Option<Underway>,
}

impl<T> Ticket<T> {
    pub(super) fn new(sender: Sender<T>) -> Self {
        Self { sender, reply: None, _untaken: None }
    }

    /// Keeps what a request came to.
    pub(super) fn fill(&mut self, reply: Result<T, StoreError>) {
        self.reply = Some(reply);
    }

    fn is_abandoned(&self) -> bool {
        self.sender.is_abandoned()
    }

    /// Hands the reply over; gives it back where nobody takes it.
    fn deliver(self) -> Option<T> {
        self.sender.send(self.reply?).err()?.ok()
    }

    fn refuse(self, error: StoreError) {
        // Whoever does not wait for the answer does not want the error either.
        let _ = self.sender.send(Err(error));
    }
}

impl Ticket<bool> {
    /// What was asked twice may have been done the first time, so that a no says nothing.
    fn doubting(mut self, doubtful: bool) -> Self {
        if doubtful && matches!(self.reply, Some(Ok(false))) {
            self.fill(Err(StoreError::new(
                "the connection to the PostgreSQL server was lost, and whether this was done is not known; look at the \
                 record",
            )));
        }
        self
    }
}

/// A request that waits for its turn.
pub(super) struct Queued {
    pub(super) job: Job,
    since: Instant,
    /// It is not to share a statement: one that it shared came to nothing.
    alone: bool,
    /// It may have been done, though nobody heard.
    doubtful: bool,
}

impl Queued {
    pub(super) fn new(job: Job) -> Self {
        Self { job, since: Instant::now(), alone: false, doubtful: false }
    }

    /// Until when a statement with it may run.
    pub(super) fn until(&self) -> Instant {
        if self.job.is_unheard() { Instant::now() + PATIENCE } else { self.since + PATIENCE }
    }

    /// Whether the time is over of a request that a caller waits for.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        self.since + PATIENCE <= now && !self.job.is_unheard() && !matches!(self.job, Job::Leave(_))
    }

    /// The same, to be asked by itself.
    pub(super) fn alone(self) -> Self {
        Self { alone: true, ..self }
    }

    /// The same, to be asked again; where its time is up, whoever asked is told why.
    pub(super) fn again(self, doubtful: bool, why: &StoreError) -> Option<Self> {
        let now = Instant::now();
        let patience = if self.job.is_unheard() { PATIENCE_UNHEARD } else { PATIENCE };
        if now < self.since + patience {
            return Some(Self { doubtful: self.doubtful || doubtful, ..self });
        }
        self.job.refuse(why.clone());
        None
    }

    pub(super) fn refuse(self, why: &StoreError) {
        self.job.refuse(why.clone());
    }

    /// Answers; what is still to be asked.
    pub(super) fn settle(self) -> Option<Self> {
        let Self { since, alone, doubtful, .. } = self;
        match self.job.settle(doubtful) {
            Settled::Done => None,
            Settled::Next(job) => Some(Self::new(job)),
            Settled::Again(job) => {
                let why = StoreError::new("others were in the way in PostgreSQL again and again; ask again");
                Self { job, since, alone, doubtful }.again(false, &why)
            }
        }
    }
}

/// Takes the next statement's requests from the front: all of one kind, no key twice, and none before another one of the
/// same key that was asked earlier. What nobody wants any more is left out.
pub(super) fn gather(backlog: &mut VecDeque<Queued>) -> Vec<Queued> {
    backlog.retain(|queued| !queued.job.is_unwanted());
    // What they came after is done.
    while backlog.pop_front_if(|queued| matches!(queued.job, Job::Leave(_))).is_some() {}
    let Some(first) = backlog.pop_front() else { return Vec::new() };
    let kind = first.job.kind();
    if first.alone || kind == Kind::Alone || backlog.is_empty() {
        return vec![first];
    }
    let mut places: HashSet<u64> = first.job.place().map(row::number).into_iter().collect();
    let mut weight = first.job.weight();
    let mut batch = vec![first];
    let mut rest = VecDeque::with_capacity(backlog.len());
    for queued in backlog.drain(..) {
        let free = queued.job.place().is_none_or(|place| places.insert(row::number(place)));
        let fits = batch.len() < MOST && weight + queued.job.weight() <= HEAVIEST;
        if free && fits && !queued.alone && queued.job.kind() == kind {
            weight += queued.job.weight();
            batch.push(queued);
        } else {
            rest.push_back(queued);
        }
    }
    *backlog = rest;
    batch
}

#[cfg(test)]
mod tests {
    use super::{HEAVIEST, Job, MOST, Queued, Ticket, gather};
    use crate::backend::oneshot::{Receiver, channel};
    use crate::record::{OnInterruption, Owner};
    use crate::store::{Claim, Claimed, CompleteRequest, Hold, Place};
    use std::collections::VecDeque;
    use std::time::Duration;

    fn place(key: usize) -> Place {
        Place { scope: "tests".into(), key: key.to_string().into() }
    }

    fn claim(key: usize) -> (Queued, Receiver<Claimed>) {
        let (sender, receiver) = channel();
        let claim = Claim::new(place(key), Owner([1; 16]), Duration::from_secs(1), OnInterruption::Retry);
        (Queued::new(Job::Claim(claim, Ticket::new(sender))), receiver)
    }

    fn complete(key: usize, bytes: usize) -> Queued {
        let hold = Hold { place: place(key), token: 1 };
        Queued::new(Job::Complete(CompleteRequest::new(hold, vec![0; bytes]), Ticket::new(channel().0)))
    }

    fn give_back(key: usize) -> Queued {
        Queued::new(Job::give_back(Hold { place: place(key), token: 1 }))
    }

    fn keys(batch: &[Queued]) -> Vec<&str> {
        batch.iter().filter_map(|queued| queued.job.place()).map(|place| &*place.key).collect()
    }

    #[test]
    fn a_statement_has_one_kind_and_each_key_once() {
        let (claims, _receivers): (Vec<_>, Vec<_>) = [1, 2, 1, 3].map(claim).into_iter().unzip();
        let mut backlog: VecDeque<Queued> = claims.into();
        backlog.insert(1, give_back(3));
        assert_eq!(keys(&gather(&mut backlog)), ["1", "2"]);
        // What was asked first of a key comes first.
        assert_eq!(keys(&gather(&mut backlog)), ["3"]);
        assert_eq!(keys(&gather(&mut backlog)), ["1", "3"]);
        assert!(gather(&mut backlog).is_empty());
    }

    #[test]
    fn a_statement_has_an_end() {
        let mut backlog: VecDeque<Queued> = (0..MOST + 3).map(|key| complete(key, 1)).collect();
        assert_eq!(gather(&mut backlog).len(), MOST);
        assert_eq!(gather(&mut backlog).len(), 3);
        backlog.extend([complete(1, HEAVIEST * 2), complete(2, HEAVIEST), complete(3, 0)]);
        assert_eq!(gather(&mut backlog).len(), 1);
        assert_eq!(gather(&mut backlog).len(), 2);
    }

    #[test]
    fn what_is_not_wanted_is_not_asked_and_what_failed_in_company_is_asked_alone() {
        let (one, receiver) = claim(1);
        let (other, _kept) = claim(2);
        drop(receiver);
        let mut backlog: VecDeque<Queued> = [one, other].into();
        assert_eq!(keys(&gather(&mut backlog)), ["2"]);
        backlog.extend([complete(1, 0).alone(), complete(2, 0), complete(3, 0).alone(), complete(4, 0)]);
        assert_eq!(keys(&gather(&mut backlog)), ["1"]);
        assert_eq!(keys(&gather(&mut backlog)), ["2", "4"]);
        assert_eq!(keys(&gather(&mut backlog)), ["3"]);
    }
}
