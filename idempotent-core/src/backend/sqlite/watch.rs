//! Waiting for a record to change: told by this process's writer, or found by looking at the file.

use super::fault::{Fault, explain};
use super::reader::{File, Mark, mark};
use crate::backend::waker::Guarded;
use crate::store::{Place, StoreError};
use event_listener::{Event, EventListener};
use rusqlite::Connection;
use std::collections::HashMap;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(20);

/// Who waits in this process, and for what.
#[derive(Default)]
pub(super) struct Watch {
    waited: Mutex<Waited>,
    stirred: Condvar,
}

#[derive(Default)]
struct Waited {
    places: HashMap<Place, Entry>,
    /// Somebody came since the file was last looked at.
    fresh: bool,
    ended: bool,
}

struct Entry {
    event: Arc<Event>,
    waiters: usize,
    /// How the key stood when the first of them came, where that is known yet.
    seen: Option<Mark>,
}

impl Watch {
    fn waited(&self) -> MutexGuard<'_, Waited> {
        self.waited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a key from here on.
    pub(super) fn enter(self: &Arc<Self>, place: &Place) -> Waiter {
        let mut waited = self.waited();
        let entry = waited.places.entry(place.clone()).or_insert_with(|| Entry {
            event: Arc::new(Event::new()),
            waiters: 0,
            seen: None,
        });
        entry.waiters += 1;
        let event = entry.event.clone();
        Waiter { listener: event.listen(), waker: Guarded::default(), event, place: place.clone(), watch: self.clone() }
    }

    /// Wakes who waits for one of these.
    pub(super) fn announce(&self, places: &[Place]) {
        let mut waited = self.waited();
        if waited.places.is_empty() {
            return;
        }
        let changed: Vec<Entry> = places.iter().filter_map(|place| waited.places.remove(place)).collect();
        drop(waited);
        // Wakers are the callers' code: they run without the lock.
        for entry in changed {
            entry.event.notify(usize::MAX);
        }
    }

    pub(super) fn everybody(&self) -> Vec<Place> {
        self.waited().places.keys().cloned().collect()
    }

    /// Which keys are known to have stood how.
    fn seen(&self) -> Vec<(Place, Mark)> {
        let waited = self.waited();
        waited.places.iter().filter_map(|(place, entry)| Some((place.clone(), entry.seen?))).collect()
    }

    /// Sleeps until somebody waits; whether somebody came since the last time, or nothing at the end.
    fn next(&self) -> Option<bool> {
        let idle = |waited: &mut Waited| waited.places.is_empty() && !waited.ended;
        let mut waited = self.stirred.wait_while(self.waited(), idle).unwrap_or_else(PoisonError::into_inner);
        (!waited.ended).then(|| mem::take(&mut waited.fresh))
    }

    /// Sleeps for `pace`, or a shorter time if somebody comes.
    fn pause(&self, pace: Duration) {
        let alone = |waited: &mut Waited| !waited.ended;
        let slept =
            self.stirred.wait_timeout_while(self.waited(), FIRST, alone).unwrap_or_else(PoisonError::into_inner);
        let alone = |waited: &mut Waited| !waited.ended && !waited.fresh;
        let _ = self.stirred.wait_timeout_while(slept.0, pace.saturating_sub(FIRST), alone);
    }

    pub(super) fn end(&self) {
        self.waited().ended = true;
        self.stirred.notify_all();
    }
}

/// One who waits.
pub(super) struct Waiter {
    listener: EventListener,
    waker: Guarded,
    event: Arc<Event>,
    place: Place,
    watch: Arc<Watch>,
}

impl Waiter {
    /// Whether it is not known yet how the key stands.
    pub(super) fn is_unseen(&self) -> bool {
        self.own(|entry| entry.seen.is_none()).unwrap_or(false)
    }

    /// Says how the key stands, so that the file is looked at for a change.
    pub(super) fn saw(&self, mark: Mark) {
        let _ = self.own(|entry| entry.seen.get_or_insert(mark).is_some());
        self.watch.waited().fresh = true;
        self.watch.stirred.notify_all();
    }

    /// The entry that this one waits at, unless it was announced since.
    fn own<T>(&self, with: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let mut waited = self.watch.waited();
        waited.places.get_mut(&self.place).filter(|entry| Arc::ptr_eq(&entry.event, &self.event)).map(with)
    }
}

impl Future for Waiter {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let waiter = &mut *self;
        Pin::new(&mut waiter.listener).poll(&mut Context::from_waker(waiter.waker.guard(cx.waker())))
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut waited = self.watch.waited();
        let Some(entry) = waited.places.get_mut(&self.place) else { return };
        if Arc::ptr_eq(&entry.event, &self.event) {
            entry.waiters -= 1;
            if entry.waiters == 0 {
                waited.places.remove(&self.place);
            }
        }
    }
}

/// The thread that looks at the file while somebody waits, since other processes cannot tell.
#[derive(Default)]
pub(super) struct Poller {
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Poller {
    /// Starts the thread, unless it runs.
    pub(super) fn start(&self, file: &File, watch: &Arc<Watch>) -> Result<(), StoreError> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            let lookout = Lookout::new(file.clone(), watch.clone());
            let started = thread::Builder::new().name("idempotently-watch".into()).spawn(|| lookout.run());
            *thread = Some(started.map_err(|error| {
                StoreError::caused("the thread that watches the SQLite file could not be started", error)
            })?);
        }
        Ok(())
    }

    /// Waits for the thread, which was told to end.
    pub(super) fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A waker that runs on the thread itself may drop the last handle; it cannot wait for itself.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != thread::current().id()) {
            // A panic was reported where it happened.
            let _ = thread.join();
        }
    }
}

pub(super) struct Lookout {
    file: File,
    watch: Arc<Watch>,
    connection: Option<Connection>,
    version: Option<i64>,
}

impl Lookout {
    pub(super) fn new(file: File, watch: Arc<Watch>) -> Self {
        Self { file, watch, connection: None, version: None }
    }

    fn run(mut self) {
        let mut pace = FIRST;
        while let Some(fresh) = self.watch.next() {
            let began = Instant::now();
            pace = match self.look(fresh) {
                Ok(true) => FIRST,
                // By an eighth: the longer it took already, the less a little longer matters.
                Ok(false) => (pace * 9 / 8).min(LONGEST),
                Err(_) => {
                    // Nothing can be seen: who waits asks for itself, and is told what is wrong.
                    self.connection = None;
                    self.watch.announce(&self.watch.everybody());
                    LONGEST
                }
            };
            // With many who wait in a busy file, looking takes at most a fifth of a processor.
            self.watch.pause(pace.max(began.elapsed() * 4));
        }
    }

    /// Wakes those whose record changed; whether to look again soon.
    pub(super) fn look(&mut self, fresh: bool) -> Result<bool, StoreError> {
        if self.connection.is_none() {
            self.connection = Some(self.file.reader().map_err(explain)?);
        }
        let Some(connection) = &self.connection else { return Ok(false) };
        let version = data_version(connection).map_err(explain)?;
        let written = self.version.replace(version) != Some(version);
        if written || fresh {
            let changed = changed(connection, self.watch.seen())?;
            self.watch.announce(&changed);
        }
        Ok(fresh)
    }
}

/// A number that is another one after every commit of another connection, in whatever process.
fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}

fn changed(connection: &Connection, seen: Vec<(Place, Mark)>) -> Result<Vec<Place>, Fault> {
    let mut changed = Vec::new();
    for (place, seen) in seen {
        if mark(connection, &place)? != seen {
            changed.push(place);
        }
    }
    Ok(changed)
}
