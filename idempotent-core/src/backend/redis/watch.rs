//! Waiting for a record to change: told by the server, or found by looking.

use super::connection::Line;
use crate::backend::crowd::{Crowd, Exit, Waiter};
use crate::random;
use ::redis::Value;
use event_listener::Event;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

/// How often one looks where changes are told, in case one was not.
const TOLD: Duration = Duration::from_secs(1);
/// How often one looks where nothing is told: more seldom the longer it lasts.
const FIRST: Duration = Duration::from_millis(2);
const LONGEST: Duration = Duration::from_millis(100);

/// Who waits in this process, and for what.
#[derive(Default)]
pub(super) struct Watch {
    entries: Mutex<HashMap<Vec<u8>, Entry>>,
}

/// All who wait for one record, and the one task that looks at it for them.
struct Entry {
    crowd: Crowd,
    stirred: Arc<Notify>,
    task: AbortHandle,
}

impl Watch {
    fn entries(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a record from here on.
    pub(super) fn enter(self: &Arc<Self>, runtime: &Handle, line: &Arc<Line>, name: Vec<u8>) -> Waiter<Self> {
        let mut entries = self.entries();
        let entry = entries.entry(name.clone()).or_insert_with(|| {
            let (crowd, stirred) = (Crowd::default(), Arc::new(Notify::new()));
            let lookout = Lookout {
                watch: self.clone(),
                line: line.clone(),
                name: name.clone(),
                event: crowd.event(),
                stirred: stirred.clone(),
            };
            Entry { crowd, stirred, task: runtime.spawn(lookout.run()).abort_handle() }
        });
        entry.crowd.enter(name, self.clone())
    }

    /// Looks at the records of which the server says that they changed: at all, where it names none.
    pub(super) fn changed(&self, names: &[Value]) {
        let entries = self.entries();
        for value in names {
            match value {
                Value::Array(names) => {
                    for name in names {
                        if let Value::BulkString(name) = name
                            && let Some(entry) = entries.get(name)
                        {
                            entry.stirred.notify_one();
                        }
                    }
                }
                _ => entries.values().for_each(|entry| entry.stirred.notify_one()),
            }
        }
    }

    /// Looks at every record that somebody waits for.
    pub(super) fn stir_all(&self) {
        self.entries().values().for_each(|entry| entry.stirred.notify_one());
    }
}

impl Exit for Watch {
    type Name = Vec<u8>;

    fn leave(&self, name: &Vec<u8>, event: &Arc<Event>) {
        let mut entries = self.entries();
        if entries.get_mut(name).is_some_and(|entry| entry.crowd.leave(event))
            && let Some(entry) = entries.remove(name)
        {
            entry.task.abort();
        }
    }
}

/// The task that looks at one record.
struct Lookout {
    watch: Arc<Watch>,
    line: Arc<Line>,
    name: Vec<u8>,
    event: Arc<Event>,
    stirred: Arc<Notify>,
}

impl Lookout {
    async fn run(self) {
        let mut seen = None;
        let mut pace = FIRST;
        loop {
            let Ok((holder, told)) = self.line.look(&self.name).await else {
                // Where nothing can be seen, who waits asks for itself, and is told what is wrong; but no faster than one
                // looks where nothing is told.
                sleep(jittered(LONGEST)).await;
                break;
            };
            // Only a body that runs is waited for. Whoever came later than a change finds this out by asking.
            let changed = holder.is_none() || seen.is_some_and(|before| before != holder);
            if changed {
                break;
            }
            seen = Some(holder);
            let pause = if told { TOLD } else { pace };
            pace = (pace * 3 / 2).min(LONGEST);
            let _ = timeout(jittered(pause), self.stirred.notified()).await;
        }
        self.announce();
    }

    fn announce(self) {
        let mut entries = self.watch.entries();
        if entries.get(&self.name).is_some_and(|entry| entry.crowd.is_of(&self.event)) {
            entries.remove(&self.name);
        }
        drop(entries);
        // Wakers are the callers' code: they run without the lock.
        self.event.notify(usize::MAX);
    }
}

/// A span that is up to a quarter shorter or longer, so that processes that wait do not look all at once.
fn jittered(span: Duration) -> Duration {
    let random = random::number() % 1024;
    span * 3 / 4 + span / 2048 * u32::try_from(random).unwrap_or(0)
}
