//! What is asked of the writer, with the place for its answer.

use super::fault::Fault;
use super::ledger::Ledger;
use crate::backend::oneshot::{Sender, channel};
use crate::store::{
    AdoptRequest, Adopted, Claim, Claimed, CompleteRequest, Hold, Place, Recorded, Release, StoreError,
};
use std::time::Duration;

/// One request.
pub(super) enum Job {
    Claim(Claim, Ticket<Claimed>),
    Renew(Vec<Hold>, Duration, Ticket<Vec<bool>>),
    Complete(CompleteRequest, Ticket<Recorded>),
    Adopt(AdoptRequest, Ticket<Adopted>),
    Release(Hold, Release, Ticket<bool>),
    Forget(Place, Ticket<bool>),
    Resolve(Place, Vec<u8>, Option<Duration>, Ticket<bool>),
    Purge(usize, Ticket<usize>),
    #[cfg(test)]
    Panic(Ticket<()>),
}

/// Who is to be answered, and with what once the transaction is through.
pub(super) struct Ticket<T> {
    sender: Sender<T>,
    reply: Option<Result<T, StoreError>>,
}

impl<T> Ticket<T> {
    pub(super) fn new(sender: Sender<T>) -> Self {
        Self { sender, reply: None }
    }

    /// Keeps what a verb came to, unless it ended the transaction.
    fn fill(&mut self, came_to: Result<T, Fault>) -> rusqlite::Result<()> {
        self.reply = Some(Fault::apart(came_to)?);
        Ok(())
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

impl Job {
    /// A key that is given back, and nobody is told.
    pub(super) fn give_back(hold: Hold) -> Self {
        Self::Release(hold, Release::Free, Ticket::new(channel().0))
    }

    /// Whether it may take a fencing token.
    pub(super) fn takes_token(&self) -> bool {
        matches!(self, Self::Claim(..) | Self::Adopt(..))
    }

    /// Whether it is tried until it is done, because nobody is there to ask again.
    pub(super) fn is_unheard(&self) -> bool {
        match self {
            Self::Complete(.., ticket) => ticket.sender.is_abandoned(),
            Self::Adopt(.., ticket) => ticket.sender.is_abandoned(),
            Self::Release(.., ticket) => ticket.sender.is_abandoned(),
            _ => false,
        }
    }

    /// Does what is asked, in a transaction that may yet fail.
    pub(super) fn run(&mut self, ledger: &mut Ledger<'_>) -> rusqlite::Result<()> {
        match self {
            // Whoever gave up before its turn wants no key.
            Self::Claim(_, ticket) if ticket.sender.is_abandoned() => {
                ticket.reply = None;
                Ok(())
            }
            Self::Claim(claim, ticket) => ticket.fill(ledger.claim(claim)),
            Self::Renew(holds, lease, ticket) => ticket.fill(ledger.renew(holds, *lease)),
            Self::Complete(request, ticket) => ticket.fill(ledger.complete(request)),
            Self::Adopt(request, ticket) => ticket.fill(ledger.adopt(request)),
            Self::Release(hold, how, ticket) => ticket.fill(ledger.release(hold, *how)),
            Self::Forget(place, ticket) => ticket.fill(ledger.forget(place)),
            Self::Resolve(place, outcome, retention, ticket) => ticket.fill(ledger.resolve(place, outcome, *retention)),
            Self::Purge(limit, ticket) => ticket.fill(ledger.purge(*limit)),
            #[cfg(test)]
            Self::Panic(_) => panic!("a bug"),
        }
    }

    /// Answers, now that the transaction is through; what there is still to do, where a grant has no taker.
    pub(super) fn settle(self) -> Option<Self> {
        match self {
            Self::Claim(claim, ticket) => match ticket.deliver()? {
                Claimed::Granted { token, .. } => Some(Self::give_back(Hold { place: claim.place, token })),
                _ => None,
            },
            Self::Renew(.., ticket) => nothing(ticket.deliver()),
            Self::Complete(.., ticket) => nothing(ticket.deliver()),
            Self::Adopt(.., ticket) => nothing(ticket.deliver()),
            Self::Release(.., ticket) | Self::Forget(_, ticket) | Self::Resolve(.., ticket) => {
                nothing(ticket.deliver())
            }
            Self::Purge(_, ticket) => nothing(ticket.deliver()),
            #[cfg(test)]
            Self::Panic(ticket) => nothing(ticket.deliver()),
        }
    }

    /// Says that it was not done; hands back what has to be tried again.
    pub(super) fn fail(self, error: &StoreError) -> Option<Self> {
        if self.is_unheard() {
            return Some(self);
        }
        let error = error.clone();
        match self {
            Self::Claim(_, ticket) => ticket.refuse(error),
            Self::Renew(.., ticket) => ticket.refuse(error),
            Self::Complete(.., ticket) => ticket.refuse(error),
            Self::Adopt(.., ticket) => ticket.refuse(error),
            Self::Release(.., ticket) | Self::Forget(_, ticket) | Self::Resolve(.., ticket) => ticket.refuse(error),
            Self::Purge(_, ticket) => ticket.refuse(error),
            #[cfg(test)]
            Self::Panic(ticket) => ticket.refuse(error),
        }
        None
    }
}

/// An answer that nobody took, and that leaves nothing to undo.
fn nothing<T>(_: Option<T>) -> Option<Job> {
    None
}
