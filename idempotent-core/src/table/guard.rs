//! A caller's hold on a key: what its drop undoes, whatever happened.

use super::{Settled, Table};
#[cfg(feature = "durable")]
use crate::context::Fence;
use crate::context::{Entered, Frame, enter};
use crate::flight::{Flight, Sight, Ticket};
use crate::key::{Key, Print};
use crate::policy::Retention;
use std::ops::Deref;
use std::sync::Arc;
#[cfg(feature = "durable")]
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

/// A table for as long as a call needs it: the operation's own, or a share of one that may go first.
pub(crate) enum TableRef<'a, T, P> {
    Borrowed(&'a Table<T, P>),
    Owned(Arc<Table<T, P>>),
}

impl<T, P> Clone for TableRef<'_, T, P> {
    fn clone(&self) -> Self {
        match self {
            Self::Borrowed(table) => Self::Borrowed(table),
            Self::Owned(table) => Self::Owned(table.clone()),
        }
    }
}

impl<T, P> Deref for TableRef<'_, T, P> {
    type Target = Table<T, P>;

    #[inline]
    fn deref(&self) -> &Table<T, P> {
        match self {
            Self::Borrowed(table) => table,
            Self::Owned(table) => table,
        }
    }
}

/// The leader's hold: dropped without an outcome, it hands the seat over.
pub(crate) struct Lead<'a, T: Clone + Send + Sync + 'static, P: Print> {
    table: TableRef<'a, T, P>,
    frame: Frame,
    settled: bool,
    /// Set by whoever ends the hold first, where that need not be the leader.
    #[cfg(feature = "durable")]
    ended: Option<Arc<AtomicBool>>,
}

impl<'a, T: Clone + Send + Sync + 'static, P: Print> Lead<'a, T, P> {
    pub(crate) fn new(table: TableRef<'a, T, P>, key: Key, attempt: u32) -> Self {
        let frame = Frame::new(table.id(), key, table.scope(), attempt);
        Self {
            table,
            frame,
            settled: false,
            #[cfg(feature = "durable")]
            ended: None,
        }
    }

    /// The execution is one that a store granted.
    #[cfg(feature = "durable")]
    pub(crate) fn granted(&mut self, attempt: u32, fence: Arc<Fence>) {
        self.frame.granted(attempt, fence);
    }

    /// When the execution is given up, the key is free in this process, though the body still runs. Only a table that is
    /// shared can be told then.
    #[cfg(feature = "durable")]
    pub(crate) fn ends_when_given_up(&mut self, fence: &Fence) {
        let TableRef::Owned(table) = &self.table else { return };
        let (table, key) = (table.clone(), self.frame.key.clone());
        let ended = self.ended.insert(Arc::default()).clone();
        fence.when_given_up(move || {
            if !ended.swap(true, Ordering::AcqRel) {
                table.vacate(&key);
            }
        });
    }

    /// Whether the hold is the leader's to end. It is from then on, whatever happens.
    #[cfg(feature = "durable")]
    fn take(&mut self) -> bool {
        self.ended.take().is_none_or(|ended| !ended.swap(true, Ordering::AcqRel))
    }

    #[cfg(not(feature = "durable"))]
    #[expect(clippy::unused_self, reason = "as with the feature")]
    fn take(&mut self) -> bool {
        true
    }

    pub(crate) fn attempt(&self) -> u32 {
        self.frame.attempt()
    }

    /// Puts the execution where its body can see it, until the guard is dropped.
    pub(crate) fn enter(&mut self) -> Entered<'_> {
        enter(Some(&mut self.frame))
    }

    /// Ends the execution; the outcome's clones are made inside it, since they are the user's code.
    pub(crate) fn settle(mut self, settled: Settled<T>, retention: Option<Retention>) {
        if !self.take() {
            self.settled = true;
            return;
        }
        // A panic in a clone leaves the hold unsettled, and so to its drop.
        let residue = self.table.settle(&mut self.frame, settled, retention);
        self.settled = true;
        // The key may be another's by now, which a panic in here must not disturb.
        residue.wake();
    }
}

impl<T: Clone + Send + Sync + 'static, P: Print> Drop for Lead<'_, T, P> {
    fn drop(&mut self) {
        if !self.settled && self.take() {
            self.table.vacate(&self.frame.key);
        }
    }
}

/// The follower's hold: dropped, it leaves the flight.
pub(crate) struct Follow<'a, T: Clone + Send + Sync + 'static, P: Print> {
    table: TableRef<'a, T, P>,
    key: Key,
    flight: Arc<Flight>,
    ticket: Ticket,
    /// The follower has become the leader.
    seated: bool,
}

/// What a follower got.
pub(crate) enum Look<'a, T: Clone + Send + Sync + 'static, P: Print> {
    Landed(T),
    Seated(Lead<'a, T, P>),
    Flying,
}

impl<'a, T: Clone + Send + Sync + 'static, P: Print> Follow<'a, T, P> {
    pub(crate) fn new(table: TableRef<'a, T, P>, key: Key, flight: Arc<Flight>) -> Self {
        Self { table, key, flight, ticket: Ticket::default(), seated: false }
    }

    pub(crate) fn scope(&self) -> &'static str {
        self.table.scope()
    }

    /// The outcome, the seat, or a sleep that ends by a call of the waker.
    pub(crate) fn look(&mut self, waker: &Waker) -> Look<'a, T, P> {
        match self.flight.look(&mut self.ticket, waker) {
            // What lands in this table's flights is this table's kind of outcome.
            Sight::Landed(outcome) => outcome.downcast_ref::<T>().cloned().map_or(Look::Flying, Look::Landed),
            Sight::Flying => Look::Flying,
            Sight::Seated { attempt } => {
                self.seated = true;
                Look::Seated(Lead::new(self.table.clone(), self.key.clone(), attempt))
            }
        }
    }
}

impl<T: Clone + Send + Sync + 'static, P: Print> Drop for Follow<'_, T, P> {
    fn drop(&mut self) {
        if !self.seated && !self.flight.has_landed() {
            self.flight.withdraw(&mut self.ticket);
            self.table.leave(&self.key, &self.flight);
        }
    }
}
