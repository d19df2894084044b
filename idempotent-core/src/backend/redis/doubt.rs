//! Claims whose answers were lost: they may have been carried out, or may arrive and be carried out later.
//!
//! Each claim carries a last moment by the server's clock, after which it takes nothing. So there is an end to what can
//! still arrive, whatever holds it: what was granted meanwhile is given back, and the server is asked until it has said
//! that the moment is over.

use super::ledger::Ledger;
use crate::record::Owner;
use crate::store::Place;
use crate::underway::Underway;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long it is waited before a server is asked again that did not answer, at first and at most.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);

/// How long that is tried after nobody is left who could claim anything, or while the server refuses to answer.
const AFTERWARDS: Duration = Duration::from_mins(1);

/// The server's clock, told by this process's. In a cluster it is that of the server that was heard last: another one, whose
/// clock is ahead of it, says so when a claim is late there, and one whose clock is behind it waits longer than it would
/// have to until nothing can arrive any more.
#[derive(Default)]
pub(super) struct ServerClock {
    /// What it said in microseconds since 1970, and when that was heard.
    heard: Mutex<Option<(u64, Instant)>>,
}

impl ServerClock {
    fn heard(&self) -> MutexGuard<'_, Option<(u64, Instant)>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it says then, or a little less. Before it was ever heard, the beginning of time: whatever has to be done until
    /// then is late, and the server says what time it is.
    pub(super) fn at(&self, moment: Instant) -> u64 {
        self.heard().map_or(0, |(said, when)| {
            let since = moment.saturating_duration_since(when).as_micros();
            said.saturating_add(u64::try_from(since).unwrap_or(u64::MAX))
        })
    }

    /// Takes what it says.
    pub(super) fn hear(&self, said: u64) {
        *self.heard() = Some((said, Instant::now()));
    }
}

/// A call for a key of which something was sent and not answered, or was granted to nobody.
pub(super) struct Doubt {
    pub(super) place: Place,
    pub(super) owner: Owner,
    /// Tells it from a later call of the same owner, which may have been told that the key is its own.
    pub(super) number: u64,
    /// Until when what was sent may still be carried out.
    pub(super) last: u64,
    /// The token that its caller was told of, and has to give back itself; none is 0.
    pub(super) told: u64,
    pub(super) underway: Underway,
}

/// How a server may answer that is asked about a doubt.
pub(super) enum Settled {
    Over,
    NotYet { left: Duration, now: u64 },
}

impl Doubt {
    /// Asks until the server has said that it is over. It is not worth it for ever where the store has no users left.
    pub(super) async fn settle<T>(self, ledger: Arc<Ledger>, users: Weak<T>) {
        let mut pause = FIRST;
        let mut hopeless_since = None;
        loop {
            let mut is_refused = false;
            let wait = match ledger.disclaim(&self).await {
                Ok(Settled::Over) => break,
                Ok(Settled::NotYet { left, .. }) => {
                    pause = FIRST;
                    // Its clock may be put forward meanwhile.
                    (left + Duration::from_millis(1)).min(LONGEST)
                }
                Err(failure) => {
                    is_refused = !failure.passing;
                    let wait = pause;
                    pause = (pause * 2).min(LONGEST);
                    wait
                }
            };
            if !is_refused && users.strong_count() > 0 {
                hopeless_since = None;
            } else if hopeless_since.get_or_insert_with(Instant::now).elapsed() > AFTERWARDS {
                break;
            }
            sleep(wait).await;
        }
        drop(self.underway);
    }
}

#[cfg(test)]
mod tests {
    use super::ServerClock;
    use std::time::Duration;
    use tokio::time::Instant;

    #[test]
    fn a_clock_goes_on_from_what_was_heard_last() {
        let clock = ServerClock::default();
        let later = Instant::now() + Duration::from_hours(1);
        assert_eq!(clock.at(later), 0);
        clock.hear(9_000_000_000);
        assert!((9_000_000_000 + 3_599_000_000..=9_000_000_000 + 3_600_000_000).contains(&clock.at(later)));
        assert_eq!(clock.at(Instant::now() - Duration::from_secs(1)), 9_000_000_000);
        clock.hear(5_000_000);
        assert!(clock.at(later) <= 5_000_000 + 3_600_000_000, "it was put back");
    }
}
