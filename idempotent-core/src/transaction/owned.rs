//! A transaction that the library begins and commits.

use super::cause::{Causes, is_contended};
use super::connection::{Connection, Verbs as _};
use super::ledger::Ledger;
use super::running::{NOTHING_KEPT, explained};
use crate::backend::marker::{CommitStatus, Request, TransactionId, Trouble};
use crate::error::{Error, ErrorKind};
use crate::observe::{How, Observed, Seat, observe_async};
use crate::random;
use crate::underway::Tally;
use futures_timer::Delay;
use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, Database, Pool, Transaction};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// Transactions whose body or commit is under way.
pub(crate) static TRANSACTIONS: Tally = Tally::new();

/// How often a transaction is begun that others are in the way of.
const MOST_ATTEMPTS: u32 = 12;

/// The pause after the first, which doubles up to the longest.
const PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// How long a commit that was not answered is looked for.
const LONGEST_SEARCH: Duration = Duration::from_secs(20);

/// What errors that no call is to blame for name.
const SCOPE: &str = "idempotently::transaction";

const UNFINISHED: &str = "a call in it did not complete, or a constraint of the database's does not hold";
const SWALLOWED: &str = "a statement in it failed, and its body went on";
const UNRECORDED: &str =
    "none of its records is in the database, and the database does not say that it was rolled back";
const UNREACHED: &str = "the database could not be asked, or the commit is still under way";

/// Runs `body` in a transaction of its own, and commits it: what its idempotent calls did is there once, with their
/// records, or not at all.
///
/// It is begun again, up to twelve times and after pauses that grow, where the database ended it in favour of another one
/// (a serialization failure, a deadlock). So `body` may run more than once, each time after a rollback, and makes a new
/// future each time. The first statement of the body may be `SET TRANSACTION ISOLATION LEVEL SERIALIZABLE`.
///
/// Body and commit run in a task of their own: a caller that goes away does not stop them half way.
///
/// ```no_run
/// # use idempotently::backend::postgres::sqlx::{self, PgConnection, PgPool};
/// # use idempotently::idempotent;
/// # type Reply<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
/// # #[idempotent(key = order, transaction = tx, scope = "docs.owned")]
/// # async fn place(tx: &mut PgConnection, order: i64) -> Reply<i64> { Ok(order) }
/// # async fn run(pool: &PgPool, order: i64) -> Reply<i64> {
/// idempotently::transaction(pool, move |tx| {
///     Box::pin(async move {
///         let number = place(tx, order).await?;
///         sqlx::query("INSERT INTO outbox (mail_for) VALUES ($1)").bind(number).execute(tx).await?;
///         Ok(number)
///     })
/// })
/// .await
/// # }
/// ```
///
/// # Errors
/// The body's own, after a rollback. Of the library's:
/// [`Contended`](ErrorKind::Contended) when others were in the way each time; [`Aborted`](ErrorKind::Aborted) when the
/// body went on after a statement of it had failed, or a call in it did not complete;
/// [`OutcomeUnknown`](ErrorKind::OutcomeUnknown) when the answer to the commit was lost and no record could be read that
/// tells what came of it; [`Store`](ErrorKind::Store) when no transaction could be begun, and
/// [`NoRuntime`](ErrorKind::NoRuntime) outside tokio.
///
/// # Panics
/// When the body does; the transaction is rolled back.
pub async fn transaction<DB, T, E, Kind, F>(pool: &Pool<DB>, body: F) -> Result<T, E>
where
    DB: Database<Connection: Connection>,
    T: Send + 'static,
    E: From<Error> + Causes<Kind> + Send + 'static,
    F: for<'c> Fn(&'c mut DB::Connection) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>
        + Send
        + Sync
        + 'static,
{
    let seat = Seat::take();
    let (answer, how) = match Handle::try_current() {
        Err(error) => (Err(Error::caused(ErrorKind::NoRuntime, SCOPE, error).into()), How::Refused),
        Ok(runtime) => {
            let pool = pool.clone();
            let underway = TRANSACTIONS.begin();
            let task = runtime.spawn(traced(async move {
                let _underway = underway;
                run(&pool, &body).await
            }));
            match task.await {
                Ok(ended) => ended,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => resume_unwind(panic),
                    Err(error) => (Err(Error::caused(ErrorKind::NoRuntime, SCOPE, error).into()), How::Refused),
                },
            }
        }
    };
    seat.tell(how);
    answer
}

/// The span of whoever asked is the task's too.
#[cfg(feature = "tracing")]
fn traced<F: Future>(task: F) -> impl Future<Output = F::Output> {
    use tracing::Instrument as _;
    task.in_current_span()
}

#[cfg(not(feature = "tracing"))]
fn traced<F: Future>(task: F) -> F {
    task
}

/// What one try came to.
enum Tried<T, E> {
    Ended(Result<T, E>, How),
    /// Others were in the way: what to say if it was the last try.
    Contended(E),
}

type Making<'c, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>;

async fn run<DB, T, E, Kind, F>(pool: &Pool<DB>, body: &F) -> (Result<T, E>, How)
where
    DB: Database<Connection: Connection>,
    T: Send,
    E: From<Error> + Causes<Kind> + Send,
    F: for<'c> Fn(&'c mut DB::Connection) -> Making<'c, T, E> + Sync,
{
    let mut pause = PAUSE;
    for attempt in 1.. {
        match attempt_once(pool, body).await {
            Ok(Tried::Ended(answer, how)) => return (answer, how),
            Ok(Tried::Contended(_)) if attempt < MOST_ATTEMPTS => {}
            Ok(Tried::Contended(error)) => return (Err(error), How::Refused),
            Err(error) if error.kind() == ErrorKind::Contended && attempt < MOST_ATTEMPTS => {}
            Err(error) => return (Err(error.into()), How::Refused),
        }
        Delay::new(jittered(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    (Err(Error::new(ErrorKind::Contended, SCOPE).into()), How::Refused)
}

/// Between a half and one and a half of it, so that those that met do not meet again.
fn jittered(pause: Duration) -> Duration {
    let random = u32::from(u16::try_from(random::number() & 0xffff).unwrap_or_default());
    pause / 2 + pause * random / 0xffff
}

async fn attempt_once<DB, T, E, Kind, F>(pool: &Pool<DB>, body: &F) -> Result<Tried<T, E>, Error>
where
    DB: Database<Connection: Connection>,
    T: Send,
    E: From<Error> + Causes<Kind> + Send,
    F: for<'c> Fn(&'c mut DB::Connection) -> Making<'c, T, E> + Sync,
{
    let mut connection = pool.acquire().await.map_err(failed::<DB>)?;
    let ledger = Ledger::of((*connection).address());
    let mut transaction = begin(&mut connection).await?;
    let Observed { value, how } = observe_async(ledger.keep(body(&mut transaction))).await;
    let value = match value {
        Ok(value) => value,
        Err(error) => {
            let contended = is_contended(error.as_cause());
            // Nothing of it is there either way, and the pool looks at its connections itself.
            let _ = transaction.rollback().await;
            return Ok(if contended { Tried::Contended(error) } else { Tried::Ended(Err(error), how) });
        }
    };
    let id = transaction.check().await.map_err(|trouble| explained(trouble, SCOPE, SWALLOWED, NOTHING_KEPT))?;
    let committed = transaction.commit().await.map_err(DB::Connection::judge);
    let trouble = match committed {
        Ok(()) => return Ok(Tried::Ended(Ok(value), how)),
        Err(trouble) => trouble,
    };
    match trouble {
        Trouble::NoTransaction(error) | Trouble::Store(error) => {
            Err(explained(Trouble::Aborted(error), SCOPE, UNFINISHED, None))
        }
        Trouble::Unknown(error) | Trouble::Silent(error) => {
            // It may be of no use any more; and what it does when it is given back is not to be waited for.
            drop(connection.detach());
            let Some(id) = id else { return Ok(Tried::Ended(Ok(value), how)) };
            let unknown = |detail| Error::explained(ErrorKind::OutcomeUnknown, SCOPE, detail, error, None);
            match commit_status(pool, id, &ledger.recorded()).await {
                CommitStatus::Committed => Ok(Tried::Ended(Ok(value), how)),
                CommitStatus::Aborted => Err(Error::new(ErrorKind::Contended, SCOPE)),
                CommitStatus::InProgress => Err(unknown(UNREACHED)),
                CommitStatus::Unknown => Err(unknown(UNRECORDED)),
            }
        }
        trouble => Err(explained(trouble, SCOPE, UNFINISHED, None)),
    }
}

async fn begin<DB>(connection: &mut PoolConnection<DB>) -> Result<Transaction<'_, DB>, Error>
where
    DB: Database<Connection: Connection>,
{
    match DB::Connection::BEGIN {
        Some(statement) => (**connection).begin_with(statement).await,
        None => (**connection).begin().await,
    }
    .map_err(failed::<DB>)
}

/// Nothing has begun.
fn failed<DB: Database<Connection: Connection>>(error: sqlx::Error) -> Error {
    match error {
        error @ (sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) => {
            Error::explained(ErrorKind::Store, SCOPE, "the pool has no connection to give", error, None)
        }
        error => explained(DB::Connection::judge(error), SCOPE, SWALLOWED, None),
    }
}

/// What became of a transaction whose commit was not answered; in progress where the database could not say in time.
async fn commit_status<DB>(pool: &Pool<DB>, id: TransactionId, recorded: &[Request]) -> CommitStatus
where
    DB: Database<Connection: Connection>,
{
    let search = async {
        let mut pause = PAUSE;
        loop {
            if let Ok(mut connection) = pool.acquire().await
                && let Ok(status) = (*connection).commit_status(id, recorded).await
                && status != CommitStatus::InProgress
            {
                return status;
            }
            Delay::new(jittered(pause)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    };
    timeout(LONGEST_SEARCH, search).await.unwrap_or(CommitStatus::InProgress)
}
