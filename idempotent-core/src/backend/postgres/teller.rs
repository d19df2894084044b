//! Telling the other processes what changed: off the way of those who write, and many changes at a time.

use super::job::Job;
use super::lane::Lane;
use super::watch::Watch;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::sleep;

/// How long it is quiet after something was told: each message takes a lock that the whole database shares.
const PAUSE: Duration = Duration::from_millis(10);

/// The most changes that are told at once.
const MOST: usize = 4096;

/// Tells until no lane is left that could write.
pub(super) async fn tell(mut news: UnboundedReceiver<u64>, lane: Lane, watch: Arc<Watch>) {
    let mut changed = Vec::new();
    while news.recv_many(&mut changed, MOST).await > 0 {
        changed.sort_unstable();
        changed.dedup();
        let messages = watch.messages(&changed);
        changed.clear();
        // Whoever is not told looks by itself, a little later.
        let _ = lane.ask(|ticket| Job::Tell(messages, ticket)).await;
        sleep(PAUSE).await;
    }
}
