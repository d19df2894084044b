//! Random histories, against the store in memory, which is the specification and little else.

use super::Folder;
use crate::backend::memory::MemoryStore;
use crate::backend::sqlite::{SqliteOptions, SqliteStore};
use crate::clock::{ManualClock, WallClock};
use crate::record::{OnInterruption, Owner};
use crate::store::{
    AdoptRequest, Claim, Claimed, CompleteRequest, Glimpse, Hold, Place, Release, Standing, Store, StoreError,
};
use futures_lite::future::block_on;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use proptest::sample::Index;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Step {
    Claim { key: u8, owner: u8, print: Option<u8>, interrupted: OnInterruption },
    Renew { holds: Vec<Index> },
    Complete { hold: Index, outcome: u8, retention: Option<u8> },
    Adopt { key: u8, owner: u8, print: Option<u8>, interrupted: OnInterruption, retention: Option<u8> },
    Release { hold: Index, how: Release },
    Forget { key: u8 },
    Resolve { key: u8, retention: Option<u8> },
    Peek { key: u8 },
    List { standing: Standing, after: Option<u8>, limit: usize },
    Purge { limit: usize },
    Wait { seconds: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0..3_u8;
    let interrupted = || {
        prop_oneof![
            Just(OnInterruption::Retry),
            (0..3_u32).prop_map(OnInterruption::RetryUpTo),
            Just(OnInterruption::Fail)
        ]
    };
    let print = || prop_oneof![4 => Just(None), 1 => (0..2_u8).prop_map(Some)];
    let retention = || proptest::option::of(0..9_u8);
    let how = prop_oneof![Just(Release::Free), Just(Release::Interrupt)];
    let standing = prop_oneof![Just(Standing::InFlight), Just(Standing::Completed), Just(Standing::Interrupted)];
    prop_oneof![
        8 => (key(), 0..4_u8, print(), interrupted())
            .prop_map(|(key, owner, print, interrupted)| Step::Claim { key, owner, print, interrupted }),
        1 => proptest::collection::vec(any::<Index>(), 0..3).prop_map(|holds| Step::Renew { holds }),
        4 => (any::<Index>(), any::<u8>(), retention())
            .prop_map(|(hold, outcome, retention)| Step::Complete { hold, outcome, retention }),
        2 => (key(), 0..4_u8, print(), interrupted(), retention()).prop_map(
            |(key, owner, print, interrupted, retention)| Step::Adopt { key, owner, print, interrupted, retention }
        ),
        2 => (any::<Index>(), how).prop_map(|(hold, how)| Step::Release { hold, how }),
        1 => key().prop_map(|key| Step::Forget { key }),
        1 => (key(), retention()).prop_map(|(key, retention)| Step::Resolve { key, retention }),
        1 => key().prop_map(|key| Step::Peek { key }),
        1 => (standing, proptest::option::of(key()), 0..4_usize)
            .prop_map(|(standing, after, limit)| Step::List { standing, after, limit }),
        // All or none: which of several ended records go first is a store's own affair.
        1 => prop_oneof![Just(0), Just(100)].prop_map(|limit| Step::Purge { limit }),
        4 => (1..12_u8).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

fn place(key: u8) -> Place {
    Place { scope: "history".into(), key: key.to_string().into() }
}

fn seconds(count: u8) -> Duration {
    Duration::from_secs(count.into())
}

/// The same history in both stores, with the tokens of one as the other's.
struct World {
    clock: Arc<ManualClock>,
    memory: MemoryStore,
    handles: Vec<SqliteStore>,
    turn: usize,
    /// What the memory's tokens are called in the file.
    tokens: BTreeMap<u64, u64>,
    grants: Vec<Hold>,
}

impl World {
    fn new(clock: Arc<ManualClock>, handles: Vec<SqliteStore>) -> Self {
        let memory = MemoryStore::with_clock(WallClock::manual(clock.clone()));
        Self { clock, memory, handles, turn: 0, tokens: BTreeMap::new(), grants: Vec::new() }
    }

    /// Asks both, the handles in turn.
    fn both<T>(&mut self, ask: impl Fn(&dyn Store, &Rename<'_>) -> Result<T, StoreError>) -> (T, T) {
        self.turn += 1;
        let handle = &self.handles[self.turn % self.handles.len()];
        let expected = ask(&self.memory, &|hold| hold).expect("memory answers");
        let renamed = |hold: Hold| Hold { token: self.tokens[&hold.token], ..hold };
        (expected, ask(handle, &renamed).expect("the file answers"))
    }

    fn same<T: PartialEq + Debug>(&mut self, ask: impl Fn(&dyn Store, &Rename<'_>) -> Result<T, StoreError>) {
        let (expected, found) = self.both(ask);
        assert_eq!(found, expected);
    }

    fn hold(&self, index: Index) -> Option<Hold> {
        (!self.grants.is_empty()).then(|| index.get(&self.grants).clone())
    }

    fn claim(&mut self, claim: &Claim) {
        let (expected, found) = self.both(|store, _| block_on(store.claim(claim.clone())));
        let (Claimed::Granted { token, attempt }, Claimed::Granted { token: named, attempt: nth }) =
            (&expected, &found)
        else {
            assert_eq!(found, expected);
            return;
        };
        assert_eq!(attempt, nth);
        if self.name(*token, *named) {
            self.grants.push(Hold { place: claim.place.clone(), token: *token });
        }
    }

    /// Keeps what a token is called in the file; whether it is new.
    fn name(&mut self, token: u64, named: u64) -> bool {
        if let Some(known) = self.tokens.get(&token) {
            assert_eq!(*known, named);
            return false;
        }
        assert!(self.tokens.values().all(|earlier| *earlier < named), "a token came back");
        self.tokens.insert(token, named);
        true
    }

    /// The record gets a token that nobody is told.
    fn resolve(&mut self, key: u8, retention: Option<u8>) {
        let retention = retention.map(seconds);
        let (expected, found) = self.both(|store, _| block_on(store.resolve(place(key), b"r".to_vec(), retention)));
        assert_eq!(found, expected);
        if let (Some(expected), Some(found)) = self.both(|store, _| block_on(store.peek(place(key)))) {
            self.name(expected.token, found.token);
        }
    }

    /// An outcome that is recorded gets a token that nobody is told.
    fn adopt(&mut self, request: &AdoptRequest) {
        self.same(|store, _| block_on(store.adopt(request.clone())));
        if let (Some(expected), Some(found)) = self.both(|store, _| block_on(store.peek(request.place.clone()))) {
            self.name(expected.token, found.token);
        }
    }

    fn see(&self, seen: Glimpse) -> Glimpse {
        Glimpse { token: self.tokens[&seen.token], ..seen }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Claim { key, owner, print, interrupted } => {
                let claim = Claim::new(place(key), Owner([owner; 16]), seconds(10), interrupted);
                self.claim(&claim.fingerprint(print.map(|print| [print; 16])));
            }
            Step::Renew { holds } => {
                let holds: Vec<Hold> = holds.into_iter().filter_map(|index| self.hold(index)).collect();
                self.same(|store, rename| {
                    block_on(store.renew(holds.iter().cloned().map(rename).collect(), seconds(10)))
                });
            }
            Step::Complete { hold, outcome, retention } => {
                let Some(hold) = self.hold(hold) else { return };
                self.same(|store, rename| {
                    block_on(store.complete(
                        CompleteRequest::new(rename(hold.clone()), vec![outcome]).retention(retention.map(seconds)),
                    ))
                });
            }
            Step::Adopt { key, owner, print, interrupted, retention } => {
                let request = AdoptRequest::new(place(key), Owner([owner; 16]), interrupted, vec![owner]);
                self.adopt(&request.fingerprint(print.map(|print| [print; 16])).retention(retention.map(seconds)));
            }
            Step::Release { hold, how } => {
                let Some(hold) = self.hold(hold) else { return };
                self.same(|store, rename| block_on(store.release(rename(hold.clone()), how)));
            }
            Step::Forget { key } => self.same(|store, _| block_on(store.forget(place(key)))),
            Step::Resolve { key, retention } => self.resolve(key, retention),
            Step::Peek { key } => {
                let (expected, found) = self.both(|store, _| block_on(store.peek(place(key))));
                assert_eq!(found, expected.map(|seen| self.see(seen)));
            }
            Step::List { standing, after, limit } => self.list(standing, after, limit),
            Step::Purge { limit } => self.same(|store, _| block_on(store.purge(limit))),
            Step::Wait { seconds: count } => self.clock.advance(seconds(count)),
        }
    }

    fn list(&mut self, standing: Standing, after: Option<u8>, limit: usize) {
        let after = after.map(|key| place(key).key);
        let (expected, found) =
            self.both(|store, _| block_on(store.list("history".into(), standing, after.clone(), limit)));
        let expected: Vec<Glimpse> = expected.into_iter().map(|seen| self.see(seen)).collect();
        assert_eq!(found, expected);
    }
}

type Rename<'a> = dyn Fn(Hold) -> Hold + 'a;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn a_database_in_memory_answers_like_the_specification(steps in proptest::collection::vec(step(), 1..80)) {
        let clock = Arc::new(ManualClock::default());
        let store = SqliteStore::with_clock(":memory:", &SqliteOptions::new(), WallClock::manual(clock.clone()));
        let mut world = World::new(clock, vec![store.expect("a store")]);
        for step in steps {
            world.take(step);
        }
    }
}

proptest! {
    #![proptest_config(config(40))]

    #[test]
    fn two_handles_on_one_file_answer_like_the_specification(steps in proptest::collection::vec(step(), 1..80)) {
        let folder = Folder::new();
        let clock = Arc::new(ManualClock::default());
        let handles = vec![folder.open_with_clock(&clock), folder.open_with_clock(&clock)];
        let mut world = World::new(clock, handles);
        for step in steps {
            world.take(step);
        }
    }
}
