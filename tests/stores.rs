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

#[cfg(feature = "postgres")]
mod postgres {
    use super::Real;
    use idempotent_servers::Postgres;
    use idempotently::backend::postgres::sqlx::postgres::PgConnectOptions;
    use idempotently::backend::postgres::sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, raw_sql};
    use idempotently::backend::postgres::{PostgresOptions, PostgresStore};
    use idempotently::contract::Subject;
    use idempotently::store::Store;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;
    use std::sync::{Arc, Mutex, OnceLock};
    use std::time::Duration;
    use tokio::runtime::{Builder, Runtime};

    /// A clock that moves when it is told to. The library's statements ask the server, so it is the server that is told:
    /// this schema is looked at before the built-in functions.
    const CLOCK: &str = "
        CREATE TABLE now (at timestamptz NOT NULL);
        INSERT INTO now VALUES ('2026-01-01 00:00:00Z');
        CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql VOLATILE
            AS 'BEGIN RETURN (SELECT at FROM now); END'";

    /// The server without the library.
    struct Bare {
        runtime: Runtime,
        connection: Mutex<PgConnection>,
    }

    impl Bare {
        fn connect(options: &PgConnectOptions) -> Self {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap_or_else(|error| panic!("{error}"));
            let connection = runtime.block_on(options.connect()).unwrap_or_else(|error| panic!("{error}"));
            Self { runtime, connection: Mutex::new(connection) }
        }

        fn execute(&self, sql: String) {
            let mut connection = self.connection.lock().unwrap_or_else(|error| panic!("{error}"));
            let done = self.runtime.block_on(raw_sql(AssertSqlSafe(sql)).execute(&mut *connection));
            done.unwrap_or_else(|error| panic!("{error}"));
        }
    }

    /// A schema with the tables, and two stores with connections of their own, as two processes have them.
    struct InSchema {
        real: Real<PostgresStore>,
        /// The clock, where it is not the server's.
        clock: Option<Bare>,
    }

    /// The server that all these tests share. It ends with the thread that started it, so that is one that does not end.
    fn server() -> &'static str {
        static URL: OnceLock<String> = OnceLock::new();
        URL.get_or_init(|| {
            let (tell, told) = channel();
            std::thread::spawn(move || {
                let _ = tell.send(Postgres::shared().url());
                loop {
                    std::thread::park();
                }
            });
            told.recv().unwrap_or_else(|error| panic!("no server: {error}"))
        })
    }

    fn in_schema(clock: bool) -> InSchema {
        static SCHEMAS: AtomicUsize = AtomicUsize::new(0);
        let schema = format!("schema_{}", SCHEMAS.fetch_add(1, Ordering::Relaxed));
        let to: PgConnectOptions = server().parse().unwrap_or_else(|error| panic!("{error}"));
        let to = to.options([("search_path", format!("{schema},pg_catalog"))]);
        let bare = Bare::connect(&to);
        bare.execute(format!("CREATE SCHEMA {schema}"));
        if clock {
            bare.execute(CLOCK.to_owned());
        }
        let open = || PostgresStore::with_options(to.clone(), &PostgresOptions::new());
        let open = || Arc::new(open().unwrap_or_else(|error| panic!("not opened: {error:?}")));
        InSchema { real: Real { store: open(), second: open() }, clock: clock.then_some(bare) }
    }

    impl Subject for InSchema {
        fn store(&self) -> Arc<dyn Store> {
            self.real.store()
        }

        fn second(&self) -> Arc<dyn Store> {
            self.real.second()
        }

        fn tick(&self) -> Duration {
            if self.clock.is_some() { Duration::from_micros(1) } else { Duration::from_millis(50) }
        }

        fn advance(&self, by: Duration) {
            match &self.clock {
                None => std::thread::sleep(by),
                Some(clock) => {
                    clock.execute(format!("UPDATE now SET at = at + {} * interval '1 microsecond'", by.as_micros()));
                }
            }
        }

        fn goes_by_itself(&self) -> bool {
            self.clock.is_none()
        }
    }

    idempotently::contract::contract_tests!(in_schema(false));

    /// To the microsecond, random histories and all.
    mod on_a_clock_that_is_moved {
        use super::in_schema;

        idempotently::contract::contract_tests!(in_schema(true));
    }
}

#[cfg(feature = "redis")]
mod redis {
    use super::Real;
    use idempotent_servers::{Redis, RedisCluster};
    use idempotently::backend::redis::{RedisOptions, RedisStore};
    use idempotently::contract::Subject;
    use idempotently::store::{Store, StoreError};
    use std::sync::Arc;
    use std::time::Duration;

    /// Two connections, as two processes have them.
    struct Connected<S> {
        real: Real<RedisStore>,
        _servers: S,
    }

    fn connected<S>(servers: S, connect: impl Fn(&S) -> Result<RedisStore, StoreError>) -> Connected<S> {
        let open = || Arc::new(connect(&servers).unwrap_or_else(|error| panic!("not connected: {error:?}")));
        Connected { real: Real { store: open(), second: open() }, _servers: servers }
    }

    impl<S> Subject for Connected<S> {
        fn store(&self) -> Arc<dyn Store> {
            self.real.store()
        }

        fn second(&self) -> Arc<dyn Store> {
            self.real.second()
        }

        fn tick(&self) -> Duration {
            self.real.tick()
        }

        fn cleans_up_by_itself(&self) -> bool {
            true
        }
    }

    fn on_server() -> Connected<Redis> {
        let server = Redis::start().unwrap_or_else(|error| panic!("no server: {error:?}"));
        connected(server, |server| RedisStore::connect(&server.url()))
    }

    idempotently::contract::contract_tests!(on_server());

    /// A cluster takes seconds to come about, so one has to do for all rules.
    #[test]
    fn a_cluster_keeps_every_rule() {
        let cluster = RedisCluster::start().unwrap_or_else(|error| panic!("no cluster: {error:?}"));
        let connect = |cluster: &RedisCluster| RedisStore::from_cluster_nodes(cluster.urls(), &RedisOptions::new());
        idempotently::contract::all(&connected(cluster, connect));
    }
}

/// Stores that break one rule each, which the suite must find.
mod broken {
    use super::{MemoryStore, Real};
    use idempotently::contract::RULES;
    use idempotently::record::Owner;
    use idempotently::store::{
        AdoptRequest, Adopted, Answer, Claim, Claimed, CompleteRequest, Glimpse, Hold, Place, Recorded, Release,
        Standing, Store,
    };
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
        AsksLater,
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
        SupersedesAnybody,
        AdoptsNothing,
        AdoptsAsAHolder,
        AdoptsWhoeverHasIt,
        AdoptsAgain,
        AdoptsForAnotherOwner,
        AdoptsWhatIsInterrupted,
        AdoptsWhenAwaited,
        WakesNobody,
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
                Fault::AsksLater => {
                    let (store, later) = (self.store.clone(), claim.clone());
                    std::thread::spawn(move || {
                        std::thread::sleep(Duration::from_millis(20));
                        now(store.claim(later))
                    });
                }
                _ => {}
            }
            self.store.claim(claim)
        }

        fn renew(&self, holds: Vec<Hold>, lease: Duration) -> Answer<'_, Vec<bool>> {
            let told = now(self.store.renew(holds, lease));
            ready(told.into_iter().map(|held| held || self.has(Fault::RenewsForAnybody)).collect())
        }

        fn complete(&self, mut request: CompleteRequest) -> Answer<'_, Recorded> {
            request.hold.place = self.place(request.hold.place);
            request.retention = request.retention.filter(|_| !self.has(Fault::KeepsForEver));
            let (outcome, place) = (request.outcome.clone(), request.hold.place.clone());
            let recorded = now(self.store.complete(request));
            let theirs = now(self.store.peek(place)).and_then(|seen| seen.outcome);
            ready(match recorded {
                Recorded::Lost if self.has(Fault::SupersedesAnybody) && theirs.is_some() => {
                    Recorded::Superseded { outcome: theirs.unwrap_or_default() }
                }
                Recorded::Superseded { .. } if self.has(Fault::AnswersWithItsOwn) => Recorded::Superseded { outcome },
                Recorded::Lost if self.has(Fault::SaysDoneToEverybody) => Recorded::Done,
                recorded => recorded,
            })
        }

        fn adopt(&self, mut request: AdoptRequest) -> Answer<'_, Adopted> {
            request.retention = request.retention.filter(|_| !self.has(Fault::KeepsForEver));
            let seen = now(self.store.peek(request.place.clone()));
            let stands = |standing| seen.as_ref().is_some_and(|seen| seen.standing == standing);
            match self.fault {
                Fault::IgnoresFingerprints => request.fingerprint = None,
                Fault::AdoptsForAnotherOwner => request.owner = Owner([0; 16]),
                Fault::AdoptsNothing => return ready(Adopted::Recorded),
                Fault::AdoptsWhenAwaited => return Box::pin(async move { self.store.adopt(request).await }),
                Fault::AdoptsAsAHolder => {
                    let AdoptRequest { place, owner, fingerprint, interrupted, outcome, .. } = request.clone();
                    let claim = Claim::new(place.clone(), owner, Duration::from_secs(9), interrupted);
                    if let Claimed::Granted { token, .. } = now(self.store.claim(claim.fingerprint(fingerprint))) {
                        now(self.store.complete(CompleteRequest::new(Hold { place, token }, outcome)));
                        return ready(Adopted::Recorded);
                    }
                }
                Fault::AdoptsWhoeverHasIt if stands(Standing::InFlight) => {
                    now(self.store.forget(request.place.clone()));
                }
                Fault::AdoptsAgain if stands(Standing::Completed) => {
                    now(self.store.forget(request.place.clone()));
                }
                Fault::AdoptsWhatIsInterrupted if stands(Standing::Interrupted) => {
                    now(self.store.forget(request.place.clone()));
                }
                _ => {}
            }
            self.store.adopt(request)
        }

        fn release(&self, hold: Hold, how: Release) -> Answer<'_, bool> {
            let hold = if self.has(Fault::ReleasesForAnybody) { self.anybody(hold) } else { hold };
            let how = if self.has(Fault::FreesWhatIsGivenUp) { Release::Free } else { how };
            self.store.release(hold, how)
        }

        fn changed(&self, place: &Place) -> Answer<'_, ()> {
            if self.has(Fault::WakesNobody) {
                return Box::pin(std::future::pending());
            }
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
            (Fault::AsksLater, "a_claim_that_is_not_awaited_asks_for_nothing"),
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
            (Fault::SupersedesAnybody, "an_outcome_of_another_fingerprint_supersedes_nobody"),
            (Fault::AdoptsNothing, "an_outcome_is_adopted_where_nobody_has_the_key"),
            (Fault::AdoptsAsAHolder, "an_adoption_is_under_a_new_token_and_counts_no_attempt"),
            (Fault::AdoptsWhoeverHasIt, "a_live_holder_is_not_adopted_over"),
            (Fault::AdoptsAgain, "adopting_twice_changes_nothing"),
            (Fault::AdoptsForAnotherOwner, "a_callers_own_hold_is_adopted_over"),
            (Fault::IgnoresFingerprints, "another_fingerprint_is_not_adopted_over"),
            (Fault::AdoptsWhatIsInterrupted, "an_interrupted_record_is_not_adopted_over"),
            (Fault::KeepsForEver, "an_adopted_outcome_ends"),
            (Fault::WakesNobody, "an_adoption_wakes_whoever_waits"),
            (Fault::AdoptsWhenAwaited, "an_outcome_is_adopted_though_nobody_awaits_it"),
            (Fault::AdoptsWhoeverHasIt, "random_histories_agree_with_the_model"),
        ];
        // Beside each other, since some faults are found only by waiting in vain.
        std::thread::scope(|scope| {
            for (fault, rule) in found {
                scope.spawn(move || {
                    assert!(keeps(Fault::None, rule), "without a fault, {rule} is broken");
                    assert!(!keeps(fault, rule), "{fault:?} does not break {rule}");
                });
            }
        });
    }
}
