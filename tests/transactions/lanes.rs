//! Open transactions keep nobody of a store waiting: neither who wants another key, nor who renews, records or looks.

use crate::support::{Failure, database, effect};
use idempotently::backend::postgres::sqlx::{PgConnection, PgPool, Postgres, Transaction, query_scalar, raw_sql};
use idempotently::backend::postgres::{PostgresOptions, PostgresStore};
use idempotently::record::Owner;
use idempotently::store::{
    AdoptRequest, Adopted, Claim, Claimed, CompleteRequest, Hold, Place, Recorded, Release, Standing, Store as _,
};
use idempotently::{OnInterruption, Operation};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

static HELD: Operation = Operation::new("tests.lanes");

const MINUTE: Duration = Duration::from_mins(1);

/// Far less than a transaction lasts here, which ends when everybody has had an answer.
const AT_MOST: Duration = Duration::from_secs(20);

async fn hold(tx: &mut PgConnection, id: i64) -> Result<i64, Failure> {
    let body = async |tx: &mut PgConnection| {
        effect(tx, id).await?;
        Ok(id)
    };
    HELD.call(&id).try_run_in(tx, body).await
}

/// A transaction that has sixteen keys, of which eight had a record that has ended.
async fn open(pool: &PgPool) -> (Transaction<'static, Postgres>, Vec<Place>) {
    let mut tx = pool.begin().await.unwrap();
    for id in 0..16 {
        hold(&mut tx, id).await.unwrap();
    }
    tx.commit().await.unwrap();
    let keys: Vec<String> =
        query_scalar("SELECT key FROM idempotently_record ORDER BY token").fetch_all(pool).await.unwrap();
    raw_sql("UPDATE idempotently_record SET ends = clock_timestamp()").execute(pool).await.unwrap();
    raw_sql("DELETE FROM idempotently_record WHERE token > 8").execute(pool).await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    for id in 0..16 {
        hold(&mut tx, id).await.unwrap();
    }
    (tx, keys.into_iter().map(|key| Place { scope: "tests.lanes".into(), key: key.into() }).collect())
}

fn claim(place: &Place, owner: u8) -> Claim {
    Claim::new(place.clone(), Owner([owner; 16]), MINUTE, OnInterruption::Retry)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_transactions_keep_no_lane_waiting() {
    let pool = database(2).await;
    let store = PostgresStore::with_options(pool.connect_options().as_ref().clone(), &PostgresOptions::new()).unwrap();
    let store = Arc::new(store);
    let (tx, held) = open(&pool).await;

    let through = timeout(AT_MOST, async {
        // All at once, so that they go out together: each held one between others.
        let free: Vec<Place> =
            (0..64).map(|n| Place { scope: "tests.lanes".into(), key: format!("free {n}").into() }).collect();
        let all: Vec<&Place> = free.chunks(4).zip(&held).flat_map(|(four, held)| four.iter().chain([held])).collect();
        let ask = |place: &&Place| {
            let (store, claim) = (store.clone(), claim(place, 1));
            tokio::spawn(async move { store.claim(claim).await })
        };
        let claims: Vec<_> = all.iter().map(ask).collect();
        let mut holds = Vec::new();
        for (place, claimed) in all.iter().zip(claims) {
            match claimed.await.unwrap().unwrap() {
                Claimed::Granted { token, .. } => holds.push(Hold { place: (*place).clone(), token }),
                Claimed::InFlight { remaining } => {
                    assert!(held.contains(place) && remaining <= Duration::from_millis(100), "{place:?}");
                }
                other => panic!("{place:?}: {other:?}"),
            }
        }
        assert_eq!(holds.len(), 64);

        // And so with everything else that is asked of a store.
        let last = holds.pop().unwrap();
        let next = holds.pop().unwrap();
        assert!(store.renew(holds.clone(), MINUTE).await.unwrap().iter().all(|renewed| *renewed));
        for hold in holds {
            assert_eq!(store.complete(CompleteRequest::new(hold, b"1".to_vec())).await.unwrap(), Recorded::Done);
        }
        store.release(last, Release::Free).await.unwrap();
        store.release(next, Release::Interrupt).await.unwrap();
        for place in &held {
            store.peek(place.clone()).await.unwrap();
            let request = AdoptRequest::new(place.clone(), Owner([2; 16]), OnInterruption::Retry, b"2".to_vec());
            let adopted = store.adopt(request).await.unwrap();
            let Adopted::InFlight { remaining } = adopted else { panic!("{place:?}: {adopted:?}") };
            assert!(remaining <= Duration::from_millis(100), "{place:?}");
            assert!(!store.forget(place.clone()).await.unwrap(), "{place:?}");
        }
        store.list("tests.lanes".into(), Standing::Completed, None, 100).await.unwrap();
        assert_eq!(store.purge(100).await.unwrap(), 0);
    });
    through.await.unwrap();
    tx.commit().await.unwrap();
    for place in &held {
        let claimed = store.claim(claim(place, 2)).await.unwrap();
        assert!(matches!(claimed, Claimed::Completed { .. }), "{claimed:?}");
    }
}
