//! One execution in flight, from the moment that somebody else waits for it.

use crate::sync::{Event, EventListener, Mutex, MutexGuard};
use once_cell::sync::OnceCell;
use std::any::Any;
use std::sync::PoisonError;

/// Where leader and followers meet.
///
/// There is always one who holds the seat, or the seat is vacant and a follower has been woken to take it.
pub(crate) struct Flight {
    seat: Mutex<Seat>,
    landed: OnceCell<Box<Outcome>>,
    event: Event,
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
}

/// What a follower sees when it looks.
pub(crate) enum Sight<'a> {
    Landed(&'a Outcome),
    /// The seat was vacant and now belongs to the one who looked.
    Seated {
        attempt: u32,
    },
    Flying,
}

impl Flight {
    /// A flight whose leader has been alone so far.
    pub(crate) fn new() -> Self {
        let seat = Seat { taken: true, followers: 0, attempt: 1, forgotten: false };
        Self { seat: Mutex::new(seat), landed: OnceCell::new(), event: Event::new() }
    }

    /// The seat. No user code runs while it is held, so a poisoned lock is only a lock.
    pub(crate) fn seat(&self) -> MutexGuard<'_, Seat> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One follower's look: the outcome, the seat if it is vacant, or neither yet.
    pub(crate) fn look(&self) -> Sight<'_> {
        if let Some(outcome) = self.landed.get() {
            return Sight::Landed(&**outcome);
        }
        let mut seat = self.seat();
        if seat.taken {
            return Sight::Flying;
        }
        seat.taken = true;
        seat.followers -= 1;
        Sight::Seated { attempt: seat.attempt }
    }

    pub(crate) fn has_landed(&self) -> bool {
        self.landed.get().is_some()
    }

    pub(crate) fn listen(&self) -> EventListener {
        self.event.listen()
    }

    /// Hands the outcome to the followers; they are woken by [`Flight::wake_all`], after the entry's lock is released.
    pub(crate) fn land(&self, outcome: Box<Outcome>) {
        // Only the one who holds the seat lands, once, so there is no earlier outcome to lose.
        let _ = self.landed.set(outcome);
    }

    pub(crate) fn wake_all(&self) {
        self.event.notify(usize::MAX);
    }

    /// Wakes followers for the vacant seat: one takes it, and those that go away pass the notification on. More than one,
    /// since a task that is woken need not poll what it was woken for; not all, since each failure would then cost a
    /// look by everybody.
    pub(crate) fn wake_some(&self) {
        self.event.notify_additional(WOKEN_FOR_A_SEAT);
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
}
