//! `event_listener`'s event as its documentation describes it, on primitives that shuttle schedules.

use shuttle::sync::{Condvar, Mutex, MutexGuard};
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

#[derive(Default)]
struct List {
    listeners: Vec<Entry>,
    next: u64,
}

struct Entry {
    id: u64,
    notified: bool,
    waker: Option<Waker>,
}

#[derive(Default)]
struct Inner {
    list: Mutex<List>,
    changed: Condvar,
}

pub(crate) struct Event(Arc<Inner>);

pub(crate) struct EventListener {
    event: Arc<Inner>,
    id: Option<u64>,
}

pub(crate) trait Listener {
    fn wait(self);
    fn wait_deadline(self, deadline: Instant) -> Option<()>;
}

impl Inner {
    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that at least `count` listeners are notified, those that were already included.
    fn notify(&self, count: usize) {
        let already = self.list().listeners.iter().filter(|entry| entry.notified).count();
        self.notify_additional(count.saturating_sub(already));
    }

    /// Notifies `count` more listeners.
    fn notify_additional(&self, count: usize) {
        let mut list = self.list();
        for entry in list.listeners.iter_mut().filter(|entry| !entry.notified).take(count) {
            entry.notified = true;
            if let Some(waker) = entry.waker.take() {
                waker.wake();
            }
        }
        drop(list);
        self.changed.notify_all();
    }

    /// Takes a listener out if it is notified.
    fn take_notified(list: &mut List, id: u64) -> bool {
        let found = list.listeners.iter().position(|entry| entry.id == id && entry.notified);
        found.map(|at| list.listeners.remove(at)).is_some()
    }
}

impl Event {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    pub(crate) fn listen(&self) -> EventListener {
        let mut list = self.0.list();
        let id = list.next;
        list.next += 1;
        list.listeners.push(Entry { id, notified: false, waker: None });
        drop(list);
        EventListener { event: self.0.clone(), id: Some(id) }
    }

    pub(crate) fn notify(&self, count: usize) {
        self.0.notify(count);
    }

    pub(crate) fn notify_additional(&self, count: usize) {
        self.0.notify_additional(count);
    }
}

impl Listener for EventListener {
    fn wait(mut self) {
        let Some(id) = self.id.take() else { return };
        let mut list = self.event.list();
        while !Inner::take_notified(&mut list, id) {
            list = self.event.changed.wait(list).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Models no time: a deadline is never reached.
    fn wait_deadline(self, _: Instant) -> Option<()> {
        self.wait();
        Some(())
    }
}

impl Future for EventListener {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(id) = self.id else { return Poll::Ready(()) };
        let mut list = self.event.list();
        if Inner::take_notified(&mut list, id) {
            drop(list);
            self.id = None;
            return Poll::Ready(());
        }
        if let Some(entry) = list.listeners.iter_mut().find(|entry| entry.id == id) {
            entry.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

/// A notified listener that goes away passes its notification on.
impl Drop for EventListener {
    fn drop(&mut self) {
        let Some(id) = self.id else { return };
        let mut list = self.event.list();
        let notified =
            list.listeners.iter().position(|entry| entry.id == id).map(|at| list.listeners.remove(at).notified);
        drop(list);
        if notified == Some(true) {
            self.event.notify_additional(1);
        }
    }
}
