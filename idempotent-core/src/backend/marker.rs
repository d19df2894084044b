//! A record inside a transaction of the caller's: what is asked of its connection, and what comes of it.

use crate::clock::Timestamp;
use crate::policy::InFlight;
use crate::record::Owner;
use crate::store::{Place, StoreError};
use std::time::Duration;

/// A call's business with a transaction.
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) place: Place,
    pub(crate) owner: Owner,
    pub(crate) fingerprint: Option<[u8; 16]>,
    /// How long the connection may be silent between two statements.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "SQLite has nothing that could end a session"))]
    pub(crate) lease: Duration,
    pub(crate) in_flight: InFlight,
}

/// What the transaction has of a key.
#[derive(Debug)]
pub enum Found {
    /// It is the caller's: the row is there, and its transaction cannot be committed before it is completed.
    Granted {
        /// The fencing token.
        token: u64,
    },
    /// There is an outcome.
    Completed {
        /// What was recorded.
        outcome: Vec<u8>,
    },
    /// The key was used with another fingerprint.
    Mismatch,
    /// The body ended without an outcome, in a durable call, and is not run again.
    Interrupted,
    /// An earlier call of this transaction with this key did not complete.
    Unfinished,
    /// Somebody else runs it.
    InFlight {
        /// Whether its end can be seen in this transaction, if one asks again.
        visible: bool,
    },
}

/// What identifies a transaction that has written, so that its end can be asked for after its connection is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionId {
    /// PostgreSQL's number of the transaction, and since when the server has run that gave it.
    Numbered {
        /// The 64-bit number.
        xid: i64,
        /// When the server started, by its own clock.
        server_started: Timestamp,
    },
    /// The database has no number for it.
    Unnumbered,
}

/// The end of a transaction whose commit was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitStatus {
    /// One of its records is there.
    Committed,
    /// The server run that it belonged to says that it was rolled back.
    Aborted,
    /// It has not ended.
    InProgress,
    /// Nothing that is left can tell.
    Unknown,
}

/// Why the transaction has no answer.
#[derive(Debug)]
pub enum Trouble {
    /// The database ended the transaction in favour of another one.
    Contended(StoreError),
    /// It waited for as long as it was to.
    TimedOut(StoreError),
    /// The connection is in no transaction, so that the effect and its record would be committed apart.
    NoTransaction(StoreError),
    /// The transaction had failed before, or cannot be committed.
    Aborted(StoreError),
    /// The database ended the session, because it was silent for longer than the lease.
    Silent(StoreError),
    /// Whether what was asked is done is not known.
    Unknown(StoreError),
    /// Anything else.
    Store(StoreError),
}
