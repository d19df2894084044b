//! Those who wait for the same record to change.

use super::waker::Guarded;
use event_listener::{Event, EventListener};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// All who wait for one record since it was last said to have changed.
#[derive(Default)]
pub(in crate::backend) struct Crowd {
    event: Arc<Event>,
    waiters: usize,
}

impl Crowd {
    /// One more, who waits from here on.
    pub(in crate::backend) fn enter<W: Exit>(&mut self, name: W::Name, exit: Arc<W>) -> Waiter<W> {
        self.waiters += 1;
        Waiter { listener: self.event.listen(), waker: Guarded::default(), event: self.event.clone(), name, exit }
    }

    /// One less, where it was one of these; whether it was the last.
    pub(in crate::backend) fn leave(&mut self, event: &Arc<Event>) -> bool {
        if !self.is_of(event) {
            return false;
        }
        self.waiters -= 1;
        self.waiters == 0
    }

    pub(in crate::backend) fn is_of(&self, event: &Arc<Event>) -> bool {
        Arc::ptr_eq(&self.event, event)
    }

    /// What wakes them. Wakers are the callers' code: no lock is to be held.
    pub(in crate::backend) fn event(&self) -> Arc<Event> {
        self.event.clone()
    }
}

/// What knows who waits for what.
pub(in crate::backend) trait Exit {
    /// What is waited for.
    type Name;

    /// One who waited for this, woken by that, does not any more.
    fn leave(&self, name: &Self::Name, event: &Arc<Event>);
}

/// One who waits.
pub(in crate::backend) struct Waiter<W: Exit> {
    listener: EventListener,
    waker: Guarded,
    event: Arc<Event>,
    name: W::Name,
    exit: Arc<W>,
}

impl<W: Exit<Name: Unpin>> Future for Waiter<W> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let waiter = &mut *self;
        Pin::new(&mut waiter.listener).poll(&mut Context::from_waker(waiter.waker.guard(cx.waker())))
    }
}

impl<W: Exit> Drop for Waiter<W> {
    fn drop(&mut self) {
        self.exit.leave(&self.name, &self.event);
    }
}
