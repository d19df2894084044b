//! One execution in flight, from the moment that somebody else waits for it.

use crate::sync::{Mutex, MutexGuard, wake};
use once_cell::sync::OnceCell;
use std::any::Any;
use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::task::Waker;

/// Where leader and followers meet.
///
/// There is always one who holds the seat, or the seat is vacant and a follower has been woken to take it.
pub(crate) struct Flight {
    seat: Mutex<Seat>,
    landed: OnceCell<Box<Outcome>>,
}

/// An outcome whose kind the table knows.
pub(crate) type Outcome = dyn Any + Send + Sync;

/// How many followers are woken when a seat becomes vacant.
const WOKEN_FOR_A_SEAT: usize = 8;

/// Who leads, and who waits. It changes only under its lock, together with the entry that it belongs to.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) taken: bool,
    pub(crate) followers: usize,
    pub(crate) attempt: u32,
    /// The record was forgotten while the body ran: its outcome is not kept.
    pub(crate) forgotten: bool,
    /// Those of the followers that sleep, in the order in which they came.
    asleep: BTreeMap<u64, Waker>,
    tickets: u64,
}

/// A follower's place among those that sleep. It is for one flight.
#[derive(Debug, Default)]
pub(crate) struct Ticket(Option<u64>);

/// What a follower sees when it looks.
pub(crate) enum Sight<'a> {
    Landed(&'a Outcome),
    /// The seat was vacant and now belongs to the one who looked.
    Seated {
        attempt: u32,
    },
    /// The waker is called when there is something to see.
    Flying,
}

impl Flight {
    /// A flight whose leader has been alone so far.
    pub(crate) fn new() -> Self {
        let asleep = BTreeMap::new();
        let seat = Seat { taken: true, followers: 0, attempt: 1, forgotten: false, asleep, tickets: 0 };
        Self { seat: Mutex::new(seat), landed: OnceCell::new() }
    }

    /// The seat. No user code runs while it is held, so a poisoned lock is only a lock.
    pub(crate) fn seat(&self) -> MutexGuard<'_, Seat> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One follower's look: the outcome, the seat if it is vacant, or a sleep.
    pub(crate) fn look(&self, ticket: &mut Ticket, waker: &Waker) -> Sight<'_> {
        if let Some(outcome) = self.landed.get() {
            return Sight::Landed(&**outcome);
        }
        let mut seat = self.seat();
        // Again under the lock: whoever lands from now on finds the waker.
        if let Some(outcome) = self.landed.get() {
            return Sight::Landed(&**outcome);
        }
        if seat.taken {
            let replaced = seat.sleep(ticket, waker);
            drop(seat);
            // Dropping a waker may drop a task, and with it another follower.
            drop(replaced);
            return Sight::Flying;
        }
        seat.taken = true;
        seat.followers -= 1;
        let (attempt, own) = (seat.attempt, seat.rouse(ticket));
        drop(seat);
        drop(own);
        Sight::Seated { attempt }
    }

    pub(crate) fn has_landed(&self) -> bool {
        self.landed.get().is_some()
    }

    /// A follower goes away. It may have been the one that was woken for a vacant seat, so others are.
    pub(crate) fn withdraw(&self, ticket: &mut Ticket) {
        let mut seat = self.seat();
        let (own, vacant) = (seat.rouse(ticket), !seat.taken);
        drop(seat);
        drop(own);
        if vacant {
            self.wake_some();
        }
    }

    /// Hands the outcome to the followers; they are woken by [`Flight::wake_all`], after the entry's lock is released.
    pub(crate) fn land(&self, outcome: Box<Outcome>) {
        // Only the one who holds the seat lands, once, so there is no earlier outcome to lose.
        let _ = self.landed.set(outcome);
    }

    pub(crate) fn wake_all(&self) {
        let asleep = std::mem::take(&mut self.seat().asleep);
        asleep.into_values().for_each(wake);
    }

    /// Wakes followers for the vacant seat: one takes it, and those that go away wake others. More than one, since a task
    /// that is woken need not poll what it was woken for; not all, since each failure would then cost a look by
    /// everybody.
    pub(crate) fn wake_some(&self) {
        let mut woken = [const { None }; WOKEN_FOR_A_SEAT];
        let mut seat = self.seat();
        for place in &mut woken {
            *place = seat.asleep.pop_first();
        }
        drop(seat);
        woken.into_iter().flatten().for_each(|(_, waker)| wake(waker));
    }
}

impl Seat {
    /// The leader gives up; whether anybody is there to follow it.
    pub(crate) fn vacate(&mut self) -> bool {
        self.taken = false;
        self.forgotten = false;
        self.attempt = self.attempt.saturating_add(1);
        self.followers > 0
    }

    /// Puts a follower to sleep, or leaves it asleep with its new waker; its old one is the caller's to drop.
    fn sleep(&mut self, ticket: &mut Ticket, waker: &Waker) -> Option<Waker> {
        if let Some(held) = ticket.0.and_then(|ticket| self.asleep.get_mut(&ticket)) {
            return (!held.will_wake(waker)).then(|| std::mem::replace(held, waker.clone()));
        }
        ticket.0 = Some(self.tickets);
        self.asleep.insert(self.tickets, waker.clone());
        self.tickets += 1;
        None
    }

    fn rouse(&mut self, ticket: &mut Ticket) -> Option<Waker> {
        ticket.0.take().and_then(|ticket| self.asleep.remove(&ticket))
    }
}
