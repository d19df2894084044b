//! A pool of `sqlx` as it comes: each caller takes a connection for each statement.

use super::sql;
use crate::stores::caller::Peer;
use crate::stores::must;
use crate::stores::ours::{Known, LEASE, NEVER_LATE, OUTCOME, RETENTION, micros, owner, place};
use idempotently::backend::postgres::sqlx::postgres::{PgPoolOptions, PgRow};
use idempotently::backend::postgres::sqlx::{PgPool, Row, query};
use idempotently::store::Place;
use tokio::runtime::Runtime;

/// The columns of the token and the outcome among those that a claim returns.
const TOKEN: usize = 4;
const FOUND: usize = 10;

#[derive(Clone)]
pub(super) struct Pool {
    pool: PgPool,
    known: Known,
}

impl Pool {
    pub(super) fn connect(runtime: &Runtime, url: &str, known: Known) -> Self {
        let connect = PgPoolOptions::new().max_connections(16).connect(url);
        Self { pool: must("not connected", runtime.block_on(connect)), known }
    }

    async fn claim(&self, place: &Place, random: u64) -> PgRow {
        let statement = query(sql::CLAIM)
            .bind(&*place.scope)
            .bind(&*place.key)
            .bind(owner(random).to_vec())
            .bind(None::<Vec<u8>>)
            .bind(micros(LEASE))
            .bind(i64::MAX)
            .bind(random.cast_signed())
            .bind(NEVER_LATE);
        must("no claim", statement.fetch_one(&self.pool).await)
    }
}

impl Peer for Pool {
    async fn replay(self, random: u64) {
        let row = self.claim(self.known.pick(random), random).await;
        let outcome: Vec<u8> = must("no outcome", row.try_get(FOUND));
        assert_eq!(outcome.len(), OUTCOME.len());
    }

    async fn fresh(self, random: u64) {
        let place = place(random);
        let row = self.claim(&place, random).await;
        let token: i64 = must("no token", row.try_get(TOKEN));
        let statement = query(sql::COMPLETE)
            .bind(&*place.scope)
            .bind(&*place.key)
            .bind(token)
            .bind(OUTCOME.as_slice())
            .bind(Some(micros(RETENTION)));
        let row = must("no record", statement.fetch_one(&self.pool).await);
        assert!(must("no answer", row.try_get::<bool, _>(1)));
    }
}
