//! Stores as a program has them, on the real clock, held to the contract that is public; and the contract held to its
//! own purpose, which is to fail.

#![cfg(feature = "contract")]

use idempotently::backend::memory::MemoryStore;
use idempotently::contract::Subject;
use idempotently::store::Store;
use std::sync::Arc;
use std::time::Duration;

/// A store on the real clock, and another handle on its records.
struct Real<S> {
    store: Arc<S>,
    second: Arc<S>,
}

impl<S: Store> Subject for Real<S> {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn second(&self) -> Arc<dyn Store> {
        self.second.clone()
    }

    fn tick(&self) -> Duration {
        Duration::from_millis(30)
    }
}

mod memory {
    use super::{MemoryStore, Real};
    use std::sync::Arc;

    fn real() -> Real<MemoryStore> {
        let store = MemoryStore::new();
        Real { store: Arc::new(store.clone()), second: Arc::new(store) }
    }

    idempotently::contract::contract_tests!(real());

    #[test]
    fn there_are_all_rules_in_the_list_and_they_have_names() {
        let rules = idempotently::contract::RULES;
        assert!(rules.len() > 40, "{}", rules.len());
        assert!(rules.iter().any(|rule| rule.name == "a_lapsed_lease_is_taken_over"));
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use super::Real;
    use idempotently::backend::sqlite::{SqliteOptions, SqliteStore, Synchronous};
    use idempotently::contract::Subject;
    use idempotently::store::Store;
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    /// One file, opened twice, as two processes have it.
    struct OnFile {
        real: Real<SqliteStore>,
        _folder: Folder,
    }

    /// A folder of its own, which goes with the test.
    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn on_file() -> OnFile {
        static FOLDERS: AtomicUsize = AtomicUsize::new(0);
        let name = format!("idempotently-stores-{}-{}", std::process::id(), FOLDERS.fetch_add(1, Ordering::Relaxed));
        let folder = Folder(std::env::temp_dir().join(name));
        std::fs::create_dir_all(&folder.0).unwrap_or_else(|error| panic!("no folder: {error}"));
        let path = folder.0.join("records.db");
        // The disk of a machine that tests may be slower than its clock; that is not what is tested.
        let options = SqliteOptions::new().synchronous(Synchronous::Normal);
        let open = || SqliteStore::open_with(&path, &options).unwrap_or_else(|error| panic!("not opened: {error:?}"));
        OnFile { real: Real { store: Arc::new(open()), second: Arc::new(open()) }, _folder: folder }
    }

    impl Subject for OnFile {
        fn store(&self) -> Arc<dyn Store> {
            self.real.store()
        }

        fn second(&self) -> Arc<dyn Store> {
            self.real.second()
        }

        fn tick(&self) -> Duration {
            self.real.tick()
        }
    }

    idempotently::contract::contract_tests!(on_file());
}

/// Stores that break one rule each, which the suite must find.
mod broken {
    use super::{MemoryStore, Real};
    use idempotently::contract::RULES;
    use idempotently::record::Owner;
    use idempotently::store::{Answer, Claim, Claimed, Glimpse, Hold, Place, Recorded, Release, Standing, Store};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU8, Ordering};
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Fault {
        None,
        IgnoresFingerprints,
        TakesARepeatedClaimForAnother,
        TakesKeysInLowerCase,
        AsksBeforeItIsAwaited,
        BelievesTwiceAsLong,
        ReleasesForAnybody,
        FreesWhatIsGivenUp,
        RenewsForAnybody,
        KeepsForEver,
        SaysDoneToEverybody,
        AnswersWithItsOwn,
        ListsBackwards,
        ForgetsThePage,
        PurgesWithoutLimit,
        HidesWhatIsInFlight,
        ResolvesWhateverThereIs,
    }

    struct Broken {
        store: MemoryStore,
        fault: Fault,
        /// Makes owners that nobody has.
        owners: AtomicU8,
    }

    /// Memory answers at once.
    fn now<T>(mut answer: Answer<'_, T>) -> T {
        match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(answer)) => answer,
            Poll::Ready(Err(error)) => panic!("{error:?}"),
            Poll::Pending => panic!("memory does not wait"),
        }
    }

    fn ready<'a, T: Send + 'a>(answer: T) -> Answer<'a, T> {
        Box::pin(std::future::ready(Ok(answer)))
    }

    impl Broken {
        fn has(&self, fault: Fault) -> bool {
            self.fault == fault
        }

        fn place(&self, place: Place) -> Place {
            if self.has(Fault::TakesKeysInLowerCase) {
                return Place { key: place.key.to_lowercase().into(), ..place };
            }
            place
        }

        /// The holder's token, whoever asks.
        fn anybody(&self, hold: Hold) -> Hold {
            let token = now(self.store.peek(hold.place.clone())).map_or(hold.token, |seen| seen.token);
            Hold { token, ..hold }
        }
    }

    impl Store for Broken {
        fn claim(&self, mut claim: Claim) -> Answer<'_, Claimed> {
            claim.place = self.place(claim.place);
            match self.fault {
                Fault::IgnoresFingerprints => claim.fingerprint = None,
                Fault::TakesARepeatedClaimForAnother => {
                    claim.owner = Owner([self.owners.fetch_add(1, Ordering::Relaxed); 16]);
                }
                Fault::BelievesTwiceAsLong => claim.lease *= 2,
                Fault::AsksBeforeItIsAwaited => return ready(now(self.store.claim(claim))),
                _ => {}
            }
            self.store.claim(claim)
        }

        fn renew(&self, holds: Vec<Hold>, lease: Duration) -> Answer<'_, Vec<bool>> {
            let told = now(self.store.renew(holds, lease));
            ready(told.into_iter().map(|held| held || self.has(Fault::RenewsForAnybody)).collect())
        }

        fn complete(&self, mut hold: Hold, outcome: Vec<u8>, retention: Option<Duration>) -> Answer<'_, Recorded> {
            hold.place = self.place(hold.place);
            let retention = retention.filter(|_| !self.has(Fault::KeepsForEver));
            let recorded = now(self.store.complete(hold, outcome.clone(), retention));
            ready(match recorded {
                Recorded::Superseded { .. } if self.has(Fault::AnswersWithItsOwn) => Recorded::Superseded { outcome },
                Recorded::Lost if self.has(Fault::SaysDoneToEverybody) => Recorded::Done,
                recorded => recorded,
            })
        }

        fn release(&self, hold: Hold, how: Release) -> Answer<'_, bool> {
            let hold = if self.has(Fault::ReleasesForAnybody) { self.anybody(hold) } else { hold };
            let how = if self.has(Fault::FreesWhatIsGivenUp) { Release::Free } else { how };
            self.store.release(hold, how)
        }

        fn changed(&self, place: &Place) -> Answer<'_, ()> {
            self.store.changed(place)
        }

        fn peek(&self, place: Place) -> Answer<'_, Option<Glimpse>> {
            let seen = now(self.store.peek(self.place(place)));
            let hides = |seen: &Glimpse| self.has(Fault::HidesWhatIsInFlight) && seen.standing == Standing::InFlight;
            ready(seen.filter(|seen| !hides(seen)))
        }

        fn forget(&self, place: Place) -> Answer<'_, bool> {
            self.store.forget(self.place(place))
        }

        fn resolve(&self, place: Place, outcome: Vec<u8>, retention: Option<Duration>) -> Answer<'_, bool> {
            if self.has(Fault::ResolvesWhateverThereIs)
                && let Some(seen) = now(self.store.peek(place.clone()))
            {
                now(self.store.release(Hold { place: place.clone(), token: seen.token }, Release::Interrupt));
            }
            self.store.resolve(place, outcome, retention)
        }

        fn list(
            &self,
            scope: Arc<str>,
            standing: Standing,
            after: Option<Arc<str>>,
            limit: usize,
        ) -> Answer<'_, Vec<Glimpse>> {
            let after = after.filter(|_| !self.has(Fault::ForgetsThePage));
            let mut listed = now(self.store.list(scope, standing, after, limit));
            if self.has(Fault::ListsBackwards) {
                listed.reverse();
            }
            ready(listed)
        }

        fn purge(&self, limit: usize) -> Answer<'_, usize> {
            self.store.purge(if self.has(Fault::PurgesWithoutLimit) { 1000 } else { limit })
        }

        fn name(&self) -> &'static str {
            "broken"
        }
    }

    fn keeps(fault: Fault, rule: &str) -> bool {
        let Some(rule) = RULES.iter().find(|known| known.name == rule) else { panic!("no rule {rule}") };
        let store = Arc::new(Broken { store: MemoryStore::new(), fault, owners: AtomicU8::new(0) });
        let subject = Real { second: store.clone(), store };
        catch_unwind(AssertUnwindSafe(|| (rule.check)(&subject))).is_ok()
    }

    #[test]
    fn every_fault_is_found_by_its_rule() {
        let found = [
            (Fault::IgnoresFingerprints, "another_fingerprint_is_a_mismatch_in_every_state"),
            (Fault::TakesARepeatedClaimForAnother, "a_repeated_claim_is_the_same_claim"),
            (Fault::TakesKeysInLowerCase, "a_key_may_be_any_text"),
            (Fault::AsksBeforeItIsAwaited, "a_claim_that_is_not_awaited_asks_for_nothing"),
            (Fault::BelievesTwiceAsLong, "a_lapsed_lease_is_taken_over"),
            (Fault::ReleasesForAnybody, "only_the_holder_releases_and_only_in_flight"),
            (Fault::FreesWhatIsGivenUp, "a_holder_can_give_up_as_interrupted"),
            (Fault::RenewsForAnybody, "a_renewal_tells_which_leases_are_lost"),
            (Fault::KeepsForEver, "retention_is_enforced_on_read"),
            (Fault::SaysDoneToEverybody, "an_outcome_without_a_record_is_lost"),
            (Fault::AnswersWithItsOwn, "a_superseded_outcome_is_answered_with_the_winners"),
            (Fault::ListsBackwards, "records_are_listed_in_the_order_of_their_keys"),
            (Fault::ForgetsThePage, "records_are_listed_in_the_order_of_their_keys"),
            (Fault::PurgesWithoutLimit, "a_purge_takes_only_what_has_ended"),
            (Fault::HidesWhatIsInFlight, "a_glimpse_shows_where_a_record_stands"),
            (Fault::ResolvesWhateverThereIs, "only_what_is_interrupted_can_be_resolved"),
        ];
        for (fault, rule) in found {
            assert!(keeps(Fault::None, rule), "without a fault, {rule} is broken");
            assert!(!keeps(fault, rule), "{fault:?} does not break {rule}");
        }
    }
}
