//! Which failures of a store pass by themselves.

use idempotently::backend::memory::MemoryStore;
use idempotently::store::{
    AdoptRequest, Adopted, Answer, Claim, Claimed, CompleteRequest, Glimpse, Hold, Place, Recorded, Release, Standing,
    Store, StoreError,
};
use idempotently::{ErrorKind, InFlight, OnInterruption, Operation, SharedStore, connect};
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

#[test]
fn a_store_that_cannot_be_opened_as_it_is_named_is_not_worth_another_try() {
    let folder = std::env::temp_dir().join(format!("idempotently-retryable-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let text = folder.join("text.db");
    std::fs::write(&text, "this is no database, however long it is read, and it will not become one").unwrap();
    let mut urls = vec!["mysql://localhost/shop".to_owned(), "no scheme".to_owned()];
    if cfg!(feature = "sqlite") {
        urls.push(format!("sqlite:{}", text.display()));
        urls.push(format!("sqlite:{}", folder.join("missing/records.db").display()));
        urls.push("sqlite:records.db?mode=unheard-of".to_owned());
    }
    if cfg!(feature = "postgres") {
        urls.push("postgres://localhost:no-port/shop".to_owned());
    }
    if cfg!(feature = "redis") {
        urls.push("redis://".to_owned());
    }
    for url in urls {
        let error = connect(&url).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Store, "{url}");
        assert!(!error.is_retryable(), "{url}: {error:?}");
        assert_eq!(error.retry_after(), None, "{url}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// A store that answers nothing, for now or for good.
struct Broken {
    for_good: bool,
    records: MemoryStore,
}

impl Broken {
    fn why(&self) -> StoreError {
        let why = StoreError::new("no such table");
        if self.for_good { why.permanent() } else { why }
    }
}

impl Store for Broken {
    fn claim(&self, _: Claim) -> Answer<'_, Claimed> {
        Box::pin(ready(Err(self.why())))
    }

    fn renew(&self, holds: Vec<Hold>, lease: Duration) -> Answer<'_, Vec<bool>> {
        self.records.renew(holds, lease)
    }

    fn complete(&self, request: CompleteRequest) -> Answer<'_, Recorded> {
        self.records.complete(request)
    }

    fn adopt(&self, request: AdoptRequest) -> Answer<'_, Adopted> {
        self.records.adopt(request)
    }

    fn release(&self, hold: Hold, how: Release) -> Answer<'_, bool> {
        self.records.release(hold, how)
    }

    fn changed(&self, place: &Place) -> Answer<'_, ()> {
        self.records.changed(place)
    }

    fn peek(&self, _: Place) -> Answer<'_, Option<Glimpse>> {
        Box::pin(ready(Err(self.why())))
    }

    fn forget(&self, place: Place) -> Answer<'_, bool> {
        self.records.forget(place)
    }

    fn resolve(&self, place: Place, outcome: Vec<u8>, retention: Option<Duration>) -> Answer<'_, bool> {
        self.records.resolve(place, outcome, retention)
    }

    fn list(
        &self,
        scope: Arc<str>,
        standing: Standing,
        after: Option<Arc<str>>,
        limit: usize,
    ) -> Answer<'_, Vec<Glimpse>> {
        self.records.list(scope, standing, after, limit)
    }

    fn purge(&self, limit: usize) -> Answer<'_, usize> {
        self.records.purge(limit)
    }

    fn name(&self) -> &'static str {
        "broken"
    }
}

#[test]
fn a_call_and_an_operator_hear_whether_it_passes() {
    static CHARGE: Operation = Operation::new("retryable.store");
    for for_good in [false, true] {
        let store = SharedStore::new(Broken { for_good, records: MemoryStore::new() });
        let called = CHARGE.call(&1).store(&store).try_run(|| Ok::<u8, idempotently::Error>(1)).unwrap_err();
        let peeked = idempotently::Records::of(&store).peek("retryable.store", &1).unwrap_err();
        for error in [called, peeked] {
            assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Store, !for_good));
            assert_eq!(error.retry_after().is_some(), !for_good);
        }
    }
}

#[test]
fn a_duplicate_hears_how_long_the_lease_lasts() {
    static REJECTS: Operation = Operation::new("retryable.rejects")
        .interrupted(OnInterruption::Retry)
        .in_flight(InFlight::Reject)
        .lease(Duration::from_hours(1));
    static WAITS: Operation = Operation::new("retryable.waits")
        .interrupted(OnInterruption::Retry)
        .in_flight(InFlight::WaitFor(Duration::from_millis(5)))
        .lease(Duration::from_hours(1));
    for (operation, kind) in [(&REJECTS, ErrorKind::InFlight), (&WAITS, ErrorKind::WaitTimedOut)] {
        let records = MemoryStore::new();
        let (here, there) = (SharedStore::new(records.clone()), SharedStore::new(records));
        let call = || operation.call(&1).store(&there).try_run(|| Ok::<u8, idempotently::Error>(1)).unwrap_err();
        let mut refused = None;
        let first = operation.call(&1).store(&here).try_run(|| {
            refused = Some(call());
            Ok::<u8, idempotently::Error>(1)
        });
        assert_eq!(first.unwrap(), 1);
        let refused = refused.unwrap();
        assert_eq!(refused.kind(), kind);
        let left = refused.retry_after().unwrap();
        assert!(left > Duration::from_mins(50) && left <= Duration::from_hours(1), "{kind:?}: {left:?}");
    }
    let operation = Operation::new("retryable.in_process").in_flight(InFlight::Reject);
    let flight = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        let leader = scope.spawn(|| {
            operation.call(&1).run(|| {
                flight.wait();
                flight.wait();
            })
        });
        flight.wait();
        let error = operation.call(&1).run(|| ()).unwrap_err();
        flight.wait();
        leader.join().unwrap().unwrap();
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::InFlight, None), "there is no lease");
    });
}
