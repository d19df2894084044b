//! Waiting for a record to change: told by this process's lanes, by other processes, or, where neither tells, by time.

use super::verbs::CHANNEL;
use crate::backend::crowd::{Crowd, Exit, Waiter};
use crate::random;
use event_listener::Event;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// How long the connection that listens may take to say that it does.
const PATIENCE: Duration = Duration::from_secs(4);

/// How long a number is in a message.
const DIGITS: usize = 16;

/// The most numbers in one message, which PostgreSQL allows 7999 bytes.
const MOST: usize = 400;

/// Who waits in this process, and for what.
pub(super) struct Watch {
    /// Says which messages are this process's own.
    name: u64,
    waited: Mutex<HashMap<u64, Entry>>,
    /// Somebody came.
    stirred: Notify,
}

struct Entry {
    crowd: Crowd,
    /// Came since the last round.
    fresh: bool,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self { name: random::number(), waited: Mutex::default(), stirred: Notify::new() }
    }

    fn waited(&self) -> MutexGuard<'_, HashMap<u64, Entry>> {
        self.waited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place, by its number, from here on.
    pub(super) fn enter(self: &Arc<Self>, number: u64) -> Waiter<Self> {
        let mut waited = self.waited();
        let entry = waited.entry(number).or_insert_with(|| Entry { crowd: Crowd::default(), fresh: true });
        let one = entry.crowd.enter(number, self.clone());
        drop(waited);
        self.stirred.notify_one();
        one
    }

    /// Wakes who waits for one of these.
    pub(super) fn announce(&self, changed: &[u64]) {
        let mut waited = self.waited();
        if waited.is_empty() {
            return;
        }
        let told: Vec<Entry> = changed.iter().filter_map(|number| waited.remove(number)).collect();
        drop(waited);
        wake(told);
    }

    /// Wakes everybody.
    fn everybody(&self) {
        let told = std::mem::take(&mut *self.waited());
        wake(told.into_values());
    }

    /// Wakes who has waited for a whole round; whether anybody waits at all.
    fn round(&self) -> bool {
        let mut waited = self.waited();
        let any = !waited.is_empty();
        let told: Vec<Entry> =
            waited.extract_if(|_, entry| !std::mem::take(&mut entry.fresh)).map(|(_, entry)| entry).collect();
        drop(waited);
        wake(told);
        any
    }

    /// What to send for these.
    pub(super) fn messages(&self, changed: &[u64]) -> Vec<String> {
        let message = |part: &[u64]| {
            let numbers = part.iter().map(|number| format!("{number:016x}"));
            std::iter::once(format!("{:016x}", self.name)).chain(numbers).collect()
        };
        changed.chunks(MOST).map(message).collect()
    }

    /// Takes what another process sent.
    fn hear(&self, message: &str) {
        let number = |digits: &[u8]| u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        let mut numbers = message.as_bytes().chunks(DIGITS).map(number);
        match numbers.next() {
            Some(Some(name)) if name == self.name => {}
            Some(Some(_)) => self.announce(&numbers.flatten().collect::<Vec<u64>>()),
            // It is not the library's, or that of a version that says more.
            _ => self.everybody(),
        }
    }
}

// Wakers are the callers' code: they run without the lock.
fn wake(told: impl IntoIterator<Item = Entry>) {
    for entry in told {
        entry.crowd.event().notify(usize::MAX);
    }
}

impl Exit for Watch {
    type Name = u64;

    fn leave(&self, number: &u64, event: &Arc<Event>) {
        let mut waited = self.waited();
        if waited.get_mut(number).is_some_and(|entry| entry.crowd.leave(event)) {
            waited.remove(number);
        }
    }
}

/// One to two seconds: processes that began to wait together do not go on to look together.
fn a_while() -> Duration {
    Duration::from_millis(1000 + random::number() % 1000)
}

/// Listens for as long as the store lives, from when somebody waits for the first time.
pub(super) async fn listen(watch: Arc<Watch>, options: Arc<PgConnectOptions>) {
    watch.stirred.notified().await;
    loop {
        if let Some(ears) = ears(&options).await {
            // What happened before now was not heard.
            watch.everybody();
            hear(&watch, ears).await;
            watch.everybody();
        } else {
            sleep(a_while()).await;
            watch.round();
        }
    }
}

/// A connection that listens.
async fn ears(options: &PgConnectOptions) -> Option<PgListener> {
    // A listener takes its connection from a pool; this one is its alone.
    let pool = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None).acquire_timeout(PATIENCE);
    let pool = pool.connect_lazy_with(options.clone());
    let listening = async {
        let mut ears = PgListener::connect_with(&pool).await?;
        ears.eager_reconnect(false);
        ears.ignore_pool_close_event(true);
        ears.listen(CHANNEL).await?;
        Ok::<_, sqlx::Error>(ears)
    };
    timeout(PATIENCE, listening).await.ok()?.ok()
}

/// Hears until the connection is lost.
async fn hear(watch: &Watch, mut ears: PgListener) {
    let mut next = Instant::now() + a_while();
    loop {
        match timeout_at(next, ears.try_recv()).await {
            Ok(Ok(Some(message))) => watch.hear(message.payload()),
            Ok(Ok(None) | Err(_)) => return,
            Err(_) => {
                next = Instant::now() + a_while();
                // A connection that only looks alive would be found out by nothing else.
                if watch.round() && !answers(&mut ears).await {
                    return;
                }
            }
        }
    }
}

async fn answers(ears: &mut PgListener) -> bool {
    matches!(timeout(PATIENCE, sqlx::query("SELECT 1").execute(ears)).await, Ok(Ok(_)))
}

#[cfg(test)]
mod tests {
    use super::{MOST, Watch};
    use futures_lite::future::{block_on, poll_once};
    use std::sync::Arc;

    #[test]
    fn a_message_wakes_those_whom_it_names_in_another_process() {
        let (here, there) = (Arc::new(Watch::new()), Arc::new(Watch::new()));
        let (mut one, mut other) = (here.enter(1), here.enter(2));
        let messages = there.messages(&[1, 3]);
        assert_eq!(messages.len(), 1);
        for message in here.messages(&[1]) {
            here.hear(&message);
        }
        assert!(block_on(poll_once(&mut one)).is_none(), "by its own message");
        here.hear(&messages[0]);
        assert!(block_on(poll_once(&mut one)).is_some());
        assert!(block_on(poll_once(&mut other)).is_none());
        here.hear("something else");
        assert!(block_on(poll_once(&mut other)).is_some());
    }

    #[test]
    fn a_message_is_no_longer_than_is_allowed() {
        let watch = Watch::new();
        let numbers: Vec<u64> = (0..1000).collect();
        let messages = watch.messages(&numbers);
        assert_eq!(messages.len(), 1000_usize.div_ceil(MOST));
        assert!(messages.iter().all(|message| message.len() < 8000));
    }

    #[test]
    fn who_waits_for_a_round_is_woken_and_who_leaves_is_forgotten() {
        let watch = Arc::new(Watch::new());
        assert!(!watch.round());
        let mut one = watch.enter(1);
        assert!(watch.round());
        let mut late = watch.enter(2);
        assert!(block_on(poll_once(&mut one)).is_none());
        assert!(watch.round());
        assert!(block_on(poll_once(&mut one)).is_some());
        assert!(block_on(poll_once(&mut late)).is_none());
        drop((one, late));
        assert!(watch.waited().is_empty());
    }
}
