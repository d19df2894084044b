//! A transaction of the user's with one insert: alone, with the record of a call in it, and beside the durable mode.

mod postgres;
mod sqlite;

use super::caller::{Peer, contender};
use super::{Case, Effort, Work};
use crate::measure::{Turn, compete};
use crate::table::{Budget, Table};
use tokio::runtime::Runtime;

/// All databases that a record can be committed in.
pub const TRANSACTIONS: [Case; 2] = [("sqlite", sqlite::measure), ("postgres", postgres::measure)];

/// Why nothing was measured.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Who sees to it that there is one order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// Nobody.
    Nobody,
    /// A record in the transaction, which the caller begins and commits.
    Caller,
    /// The same, which the library begins and commits.
    Library,
    /// A record beside the transaction.
    Store,
}

const ALONE: &str = "one insert alone";
const CALLER: &str = "with its record";
const LIBRARY: &str = "begun by the library";
const STORE: &str = "durable mode";

const SCHEMA: &str = "CREATE TABLE orders (id bigint PRIMARY KEY)";
const INSERT: &str = "INSERT INTO orders (id) VALUES ($1)";
const FIND: &str = "SELECT id FROM orders WHERE id = $1";

/// The most callers at once; more of them wait for a connection or for the file.
const MOST_CALLERS: u64 = 16;

/// Lets the four of them place orders.
fn measure<P: Peer>(title: &str, runtime: &Runtime, peer: impl Fn(By) -> P, effort: &Effort) -> Table {
    let [alone, caller, library, store] = [By::Nobody, By::Caller, By::Library, By::Store].map(peer);
    let mut table = Table::of_rates(title);
    for work in Work::ALL {
        for &callers in effort.callers.iter().filter(|callers| **callers <= MOST_CALLERS) {
            let what = (work, callers);
            let mut contenders = vec![
                contender(ALONE, runtime, &alone, what, effort),
                contender(CALLER, runtime, &caller, what, effort),
                contender(LIBRARY, runtime, &library, what, effort),
            ];
            // Its replays come from the process's own memory.
            if work == Work::Fresh {
                contenders.push(contender(STORE, runtime, &store, what, effort));
            }
            let results = compete(contenders, effort.rounds, Turn::Calls(1));
            let beside_alone = if work == Work::Fresh { Budget::AtLeast(0.45) } else { Budget::Open };
            let row = work.by(callers);
            table.outpace(&format!("{row}: {CALLER}"), &results, (CALLER, ALONE), beside_alone);
            table.outpace(&format!("{row}: {LIBRARY}"), &results, (LIBRARY, ALONE), Budget::Open);
            if work == Work::Fresh {
                table.outpace(&format!("{row}: {CALLER}"), &results, (CALLER, STORE), Budget::AtLeast(1.0));
            }
        }
    }
    table
}

/// The same for each database: their types have nothing in common.
macro_rules! orders {
    ($scope:literal, $pool:ident, $connection:ident, $begin:literal) => {
        #[idempotently::idempotent(key = id, transaction = tx, scope = $scope)]
        async fn place(tx: &mut $connection, id: i64) -> Result<i64, Failure> {
            query(INSERT).bind(id).execute(tx).await?;
            Ok(id)
        }

        static DURABLE: Operation = Operation::new(concat!($scope, ".durable")).interrupted(OnInterruption::Fail);

        #[derive(Clone)]
        struct Orders {
            by: By,
            pool: $pool,
            store: SharedStore,
            keys: u64,
        }

        impl Orders {
            /// One of those that there are, or a new one.
            async fn order(&self, id: i64, is_new: bool) -> Result<i64, Failure> {
                match self.by {
                    By::Nobody => {
                        let mut tx = self.pool.begin_with($begin).await?;
                        if is_new {
                            query(INSERT).bind(id).execute(&mut *tx).await?;
                        } else {
                            query(FIND).bind(id).fetch_one(&mut *tx).await?;
                        }
                        tx.commit().await?;
                        Ok(id)
                    }
                    By::Caller => {
                        let mut tx = self.pool.begin_with($begin).await?;
                        let id = place(&mut tx, id).await?;
                        tx.commit().await?;
                        Ok(id)
                    }
                    By::Library => idempotently::transaction(&self.pool, move |tx| Box::pin(place(tx, id))).await,
                    By::Store => {
                        let body = async || {
                            let mut tx = self.pool.begin_with($begin).await?;
                            query(INSERT).bind(id).execute(&mut *tx).await?;
                            tx.commit().await?;
                            Ok(id)
                        };
                        DURABLE.call(&id).store(&self.store).try_run_async(body).await
                    }
                }
            }

            /// Makes the tables, and the orders that there are.
            async fn set_up(&self) -> Result<(), Failure> {
                idempotently::transaction::set_up(&mut *self.pool.acquire().await?).await?;
                raw_sql(SCHEMA).execute(&self.pool).await?;
                for id in 0..self.keys {
                    self.order(id.cast_signed(), true).await?;
                }
                Ok(())
            }
        }

        impl Peer for Orders {
            async fn replay(self, random: u64) {
                let id = (random % self.keys).cast_signed();
                assert_eq!(must("no replay", self.order(id, false).await), id);
            }

            async fn fresh(self, random: u64) {
                let id = random.cast_signed();
                assert_eq!(must("no order", self.order(id, true).await), id);
            }
        }
    };
}
use orders;
