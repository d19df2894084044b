//! The specification again, with every request in company: then it goes out in a statement that many share.

use crate::support::{Bare, open, schema};
use futures_lite::future::block_on;
use idempotently::OnInterruption;
use idempotently::backend::postgres::PostgresStore;
use idempotently::contract::{Subject, claims, fencing, histories, interruptions};
use idempotently::record::Owner;
use idempotently::store::{
    AdoptRequest, Adopted, Answer, Claim, Claimed, CompleteRequest, Glimpse, Hold, Place, Recorded, Release, Standing,
    Store, StoreError,
};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// A clock that moves when it is told to, which is looked at before the server's own.
const CLOCK: &str = "
    CREATE TABLE now (at timestamptz NOT NULL);
    INSERT INTO now VALUES ('2026-01-01 00:00:00Z');
    CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql VOLATILE
        AS 'BEGIN RETURN (SELECT at FROM now); END'";

/// A store that is never asked for one thing alone.
struct Crowded {
    store: PostgresStore,
    /// Keys before and after all others, which somebody holds.
    company: [Hold; 3],
}

fn companion(name: &str) -> Claim {
    let place = Place { scope: "~ company".into(), key: name.into() };
    Claim::new(place, Owner([9; 16]), Duration::from_hours(1), OnInterruption::Fail)
}

const NAMES: [&str; 3] = ["first", "second", "third"];

impl Crowded {
    fn new(store: PostgresStore) -> Self {
        let company = NAMES.map(|name| {
            let claim = companion(name);
            let place = claim.place.clone();
            match block_on(store.claim(claim)) {
                Ok(Claimed::Granted { token, .. }) => Hold { place, token },
                other => panic!("{other:?}"),
            }
        });
        Self { store, company }
    }
}

/// The first keeps the lane busy; what is asked meanwhile goes out together.
fn among<'a, T: 'a, C: Send + 'a>(ask: impl FnOnce() -> Answer<'a, T>, company: impl Fn(usize) -> Answer<'a, C>) -> T {
    let first = begun(company(0));
    let second = begun(company(1));
    let asked = begun(ask());
    let last = begun(company(2));
    let answer = block_on(asked).unwrap_or_else(|error| panic!("{error:?}"));
    for other in [first, second, last] {
        assert!(block_on(other).is_ok());
    }
    answer
}

/// The rest of an answer, now that it is asked for.
fn begun<'a, T: 'a>(mut answer: Answer<'a, T>) -> impl Future<Output = Result<T, StoreError>> + 'a {
    let early = answer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    async move {
        match early {
            Poll::Ready(answer) => answer,
            Poll::Pending => answer.await,
        }
    }
}

fn ready<'a, T: Send + 'a>(answer: T) -> Answer<'a, T> {
    Box::pin(std::future::ready(Ok(answer)))
}

impl Store for Crowded {
    fn claim(&self, claim: Claim) -> Answer<'_, Claimed> {
        Box::pin(
            async move { Ok(among(|| self.store.claim(claim), |index| self.store.claim(companion(NAMES[index])))) },
        )
    }

    fn renew(&self, holds: Vec<Hold>, lease: Duration) -> Answer<'_, Vec<bool>> {
        let mut all = vec![self.company[0].clone()];
        all.extend(holds);
        let mut renewed = block_on(self.store.renew(all, lease)).unwrap_or_else(|error| panic!("{error:?}"));
        assert!(renewed.remove(0));
        ready(renewed)
    }

    fn complete(&self, request: CompleteRequest) -> Answer<'_, Recorded> {
        let nobody = |index: usize| Hold { token: u64::MAX, ..self.company[index].clone() };
        ready(among(
            || self.store.complete(request),
            |index| self.store.complete(CompleteRequest::new(nobody(index), b"nobody's".to_vec())),
        ))
    }

    fn adopt(&self, request: AdoptRequest) -> Answer<'_, Adopted> {
        self.store.adopt(request)
    }

    fn release(&self, hold: Hold, how: Release) -> Answer<'_, bool> {
        let nobody = |index: usize| Hold { token: u64::MAX, ..self.company[index].clone() };
        ready(among(|| self.store.release(hold, how), |index| self.store.release(nobody(index), how)))
    }

    fn changed(&self, place: &Place) -> Answer<'_, ()> {
        self.store.changed(place)
    }

    fn peek(&self, place: Place) -> Answer<'_, Option<Glimpse>> {
        self.store.peek(place)
    }

    fn forget(&self, place: Place) -> Answer<'_, bool> {
        self.store.forget(place)
    }

    fn resolve(&self, place: Place, outcome: Vec<u8>, retention: Option<Duration>) -> Answer<'_, bool> {
        self.store.resolve(place, outcome, retention)
    }

    fn list(
        &self,
        scope: Arc<str>,
        standing: Standing,
        after: Option<Arc<str>>,
        limit: usize,
    ) -> Answer<'_, Vec<Glimpse>> {
        self.store.list(scope, standing, after, limit)
    }

    fn purge(&self, limit: usize) -> Answer<'_, usize> {
        self.store.purge(limit)
    }

    fn name(&self) -> &'static str {
        "crowded"
    }
}

struct Moved {
    store: Arc<Crowded>,
    second: Arc<Crowded>,
    clock: Bare,
}

impl Moved {
    fn new() -> Self {
        let (to, clock) = schema();
        clock.execute(CLOCK);
        let open = || Arc::new(Crowded::new(open(&to)));
        Self { store: open(), second: open(), clock }
    }
}

impl Subject for Moved {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn second(&self) -> Arc<dyn Store> {
        self.second.clone()
    }

    fn tick(&self) -> Duration {
        Duration::from_micros(1)
    }

    fn advance(&self, by: Duration) {
        self.clock.execute(&format!("UPDATE now SET at = at + {} * interval '1 microsecond'", by.as_micros()));
    }

    fn goes_by_itself(&self) -> bool {
        false
    }
}

#[test]
fn in_company_the_store_says_what_the_specification_says() {
    histories::random_histories_agree_with_the_model(&Moved::new());
}

#[test]
fn in_company_the_rules_hold() {
    let subject = Moved::new();
    claims::another_fingerprint_is_a_mismatch_in_every_state(&subject);
    claims::a_repeated_claim_is_the_same_claim(&subject);
    interruptions::retries_are_counted(&subject);
    interruptions::the_asker_says_what_is_done(&subject);
    fencing::a_stale_token_writes_nothing(&subject);
    fencing::tokens_only_grow(&subject);
    fencing::a_superseded_outcome_is_answered_with_the_winners(&subject);
}
