//! The connections whose transactions can hold a record.

use crate::backend::marker::{CommitStatus, Found, Request, TransactionId, Trouble};
use crate::store::{Place, StoreError};
use sqlx::pool::PoolConnection;
use sqlx::{Database, Transaction};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// What a connection answers, when it does.
pub(super) type Answer<'a, T, E = Trouble> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// What is asked of a connection, whichever it is; only the library has connections of this kind.
pub trait Verbs: Send {
    /// Takes the key for the transaction, or says who has it.
    fn claim<'a>(&'a mut self, request: &'a Request) -> Answer<'a, Found>;

    /// Records the outcome; whether the row for it was there.
    fn complete<'a>(
        &'a mut self,
        place: &'a Place,
        token: u64,
        outcome: &'a [u8],
        retention: Option<Duration>,
    ) -> Answer<'a, bool>;

    /// Fails where the transaction has failed, which its commit would not say. What identifies it; nothing where it has
    /// written nothing.
    fn check(&mut self) -> Answer<'_, Option<TransactionId>>;

    /// What became of a transaction of another connection, in which these calls were recorded.
    fn commit_status<'a>(&'a mut self, id: TransactionId, recorded: &'a [Request]) -> Answer<'a, CommitStatus>;

    /// Creates the tables where they are not there.
    fn set_up(&mut self) -> Answer<'_, (), StoreError>;

    /// Tells this connection from every other one.
    fn address(&self) -> usize;
}

/// A connection, without its type.
#[doc(hidden)]
pub fn lent<C: Connection>(connection: &mut C) -> &mut dyn Verbs {
    connection
}

/// A connection, or a transaction on one, that can hold the record of a call: `PgConnection`, `SqliteConnection`, and
/// `sqlx`'s `Transaction` and `PoolConnection` of both.
///
/// Functions that are generic over their connection name it:
///
/// ```
/// use idempotently::backend::postgres::sqlx::{self, Executor, Postgres};
/// use idempotently::{Error, idempotent, transaction};
///
/// #[idempotent(key = id, transaction = tx, scope = "docs.generic")]
/// async fn count<C>(tx: &mut C, id: u64) -> Result<u64, Error>
/// where
///     C: transaction::Connection,
///     for<'c> &'c mut C: Executor<'c, Database = Postgres>,
/// {
///     Ok(id)
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot hold the record of a call",
    label = "not a connection whose transaction the record could go into",
    note = "`transaction` is a `&mut PgConnection`, a `&mut Transaction<'_, Postgres>`, the same for SQLite, or a \
            `&mut C` with `C: idempotently::transaction::Connection`",
    note = "SQLite needs the feature `sqlx-sqlite`, PostgreSQL the feature `postgres`"
)]
pub trait Connection: Verbs {
    /// What begins a transaction that can write; nothing for the usual.
    #[doc(hidden)]
    const BEGIN: Option<&'static str>;

    /// What an error of the client's means.
    #[doc(hidden)]
    fn judge(error: sqlx::Error) -> Trouble;
}

/// Creates the tables that records need, where they are not there; it can be done again at any time.
///
/// A program that opens a `PostgresStore` or a `SqliteStore` has them; so has one that runs `schema_sql` of those in a
/// migration of its own.
///
/// # Errors
/// When the database cannot be reached, does not let the user create tables, or has those of another version.
pub async fn set_up<C: Connection>(connection: &mut C) -> Result<(), StoreError> {
    connection.set_up().await
}

#[cfg(feature = "postgres")]
mod postgres {
    use super::{
        Answer, CommitStatus, Connection, Duration, Found, Place, Request, StoreError, TransactionId, Trouble, Verbs,
    };
    use crate::backend::postgres as backend;
    use sqlx::{Error, PgConnection};

    impl Connection for PgConnection {
        const BEGIN: Option<&'static str> = None;

        fn judge(error: Error) -> Trouble {
            backend::judge(error)
        }
    }

    impl Verbs for PgConnection {
        fn claim<'a>(&'a mut self, request: &'a Request) -> Answer<'a, Found> {
            Box::pin(backend::claim_within(self, request))
        }

        fn complete<'a>(
            &'a mut self,
            place: &'a Place,
            token: u64,
            outcome: &'a [u8],
            retention: Option<Duration>,
        ) -> Answer<'a, bool> {
            Box::pin(backend::complete_within(self, place, token, outcome, retention))
        }

        fn check(&mut self) -> Answer<'_, Option<TransactionId>> {
            Box::pin(backend::check(self))
        }

        fn commit_status<'a>(&'a mut self, id: TransactionId, recorded: &'a [Request]) -> Answer<'a, CommitStatus> {
            Box::pin(backend::commit_status(self, id, recorded))
        }

        fn set_up(&mut self) -> Answer<'_, (), StoreError> {
            Box::pin(backend::set_up(self))
        }

        fn address(&self) -> usize {
            std::ptr::from_ref(self).addr()
        }
    }
}

#[cfg(feature = "sqlx-sqlite")]
mod sqlite {
    use super::{
        Answer, CommitStatus, Connection, Duration, Found, Place, Request, StoreError, TransactionId, Trouble, Verbs,
    };
    use crate::backend::sqlite as backend;
    use sqlx::{Error, SqliteConnection};
    use std::future::ready;

    impl Connection for SqliteConnection {
        // Begun by a read, it could not write any more once somebody else had.
        const BEGIN: Option<&'static str> = Some("BEGIN IMMEDIATE");

        fn judge(error: Error) -> Trouble {
            backend::judge(error)
        }
    }

    impl Verbs for SqliteConnection {
        fn claim<'a>(&'a mut self, request: &'a Request) -> Answer<'a, Found> {
            Box::pin(backend::claim_within(self, request))
        }

        fn complete<'a>(
            &'a mut self,
            place: &'a Place,
            token: u64,
            outcome: &'a [u8],
            retention: Option<Duration>,
        ) -> Answer<'a, bool> {
            Box::pin(backend::complete_within(self, place, token, outcome, retention))
        }

        /// SQLite either goes on after an error, or has rolled back and then says so at the commit.
        fn check(&mut self) -> Answer<'_, Option<TransactionId>> {
            Box::pin(ready(Ok(Some(TransactionId::Unnumbered))))
        }

        fn commit_status<'a>(&'a mut self, _: TransactionId, recorded: &'a [Request]) -> Answer<'a, CommitStatus> {
            Box::pin(backend::commit_status(self, recorded))
        }

        fn set_up(&mut self) -> Answer<'_, (), StoreError> {
            Box::pin(backend::set_up(self))
        }

        fn address(&self) -> usize {
            std::ptr::from_ref(self).addr()
        }
    }
}

/// What holds a connection asks it.
macro_rules! forward {
    ([$($generics:tt)*] $holder:ty, $held:ty, $($bounds:tt)*) => {
        impl<$($generics)*> Connection for $holder where $($bounds)* {
            const BEGIN: Option<&'static str> = <$held>::BEGIN;

            fn judge(error: sqlx::Error) -> Trouble {
                <$held>::judge(error)
            }
        }

        impl<$($generics)*> Verbs for $holder where $($bounds)* {
            fn claim<'a>(&'a mut self, request: &'a Request) -> Answer<'a, Found> {
                (**self).claim(request)
            }

            fn complete<'a>(
                &'a mut self,
                place: &'a Place,
                token: u64,
                outcome: &'a [u8],
                retention: Option<Duration>,
            ) -> Answer<'a, bool> {
                (**self).complete(place, token, outcome, retention)
            }

            fn check(&mut self) -> Answer<'_, Option<TransactionId>> {
                (**self).check()
            }

            fn commit_status<'a>(&'a mut self, id: TransactionId, recorded: &'a [Request]) -> Answer<'a, CommitStatus> {
                (**self).commit_status(id, recorded)
            }

            fn set_up(&mut self) -> Answer<'_, (), StoreError> {
                (**self).set_up()
            }

            fn address(&self) -> usize {
                (**self).address()
            }
        }
    };
}

forward!([DB: Database] Transaction<'_, DB>, DB::Connection, DB::Connection: Connection);
forward!([DB: Database] PoolConnection<DB>, DB::Connection, DB::Connection: Connection);
forward!([C: Connection] &mut C, C,);
