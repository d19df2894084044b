//! A store of the library, asked by its verbs.

use super::caller::Peer;
use super::{Effort, must};
use idempotently::record::{OnInterruption, Owner};
use idempotently::store::{Claim, Claimed, CompleteRequest, Hold, Place, Recorded, Store};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

pub(super) const SCOPE: &str = "bench";
pub(super) const LEASE: Duration = Duration::from_secs(30);
pub(super) const RETENTION: Duration = Duration::from_hours(24);
pub(super) const OUTCOME: [u8; 200] = [b'x'; 200];

/// The last moment of a claim that nobody gives up, in microseconds since 1970: the year 2100.
pub(super) const NEVER_LATE: i64 = 4_102_444_800_000_000;

/// A span as all servers are told it.
pub(super) fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

pub(super) fn place(key: u64) -> Place {
    Place { scope: SCOPE.into(), key: key.to_string().into() }
}

pub(super) fn owner(random: u64) -> [u8; 16] {
    let mut owner = [0; 16];
    owner[..8].copy_from_slice(&random.to_le_bytes());
    owner
}

/// Keys that have an outcome: what everybody replays.
#[derive(Clone)]
pub(super) struct Known(Arc<[Place]>);

impl Known {
    fn new(effort: &Effort) -> Self {
        Self((0..effort.keys).map(place).collect())
    }

    pub(super) fn pick(&self, random: u64) -> &Place {
        let count = u64::try_from(self.0.len()).unwrap_or(u64::MAX);
        &self.0[usize::try_from(random % count).unwrap_or(0)]
    }
}

/// A store.
#[derive(Clone)]
pub(super) struct Ours {
    store: Arc<dyn Store>,
    pub(super) known: Known,
}

impl Ours {
    /// A store in which all known keys have an outcome.
    pub(super) fn new(runtime: &Runtime, store: impl Store, effort: &Effort) -> Self {
        let ours = Self { store: Arc::new(store), known: Known::new(effort) };
        runtime.block_on(async {
            let recorded: Vec<_> =
                ours.known.0.iter().cloned().map(|place| tokio::spawn(ours.clone().execute(place, 0))).collect();
            for recorded in recorded {
                must("nothing to replay", recorded.await);
            }
        });
        ours
    }

    async fn claim(&self, place: Place, random: u64) -> Claimed {
        let claim = Claim::new(place, Owner(owner(random)), LEASE, OnInterruption::Retry);
        must("no claim", self.store.claim(claim).await)
    }

    async fn execute(self, place: Place, random: u64) {
        let claimed = self.claim(place.clone(), random).await;
        let Claimed::Granted { token, .. } = claimed else { panic!("a new key is {claimed:?}") };
        let recorded = self
            .store
            .complete(CompleteRequest::new(Hold { place, token }, OUTCOME.to_vec()).retention(Some(RETENTION)))
            .await;
        assert_eq!(must("no record", recorded), Recorded::Done);
    }
}

impl Peer for Ours {
    async fn replay(self, random: u64) {
        let claimed = self.claim(self.known.pick(random).clone(), random).await;
        assert!(
            matches!(&claimed, Claimed::Completed { outcome } if outcome.len() == OUTCOME.len()),
            "a known key is {claimed:?}"
        );
    }

    async fn fresh(self, random: u64) {
        self.execute(place(random), random).await;
    }
}
