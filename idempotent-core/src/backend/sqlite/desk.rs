//! The connection that writes, and who is at it: the thread, or a caller who is alone.

use super::fault::{Fault, patiently};
use super::ledger::Ledger;
use super::options::Synchronous;
use super::watch::Watch;
use crate::blocking::is_blocking;
use crate::clock::WallClock;
use crate::store::{Place, StoreError};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// After a transaction that was shared, how many have to have one request only before a caller is taken to be alone.
const CROWD: usize = 8;

/// How many transactions in a row are made by tasks, before the thread makes one: it sees to the log, and whether there
/// are others who could share it.
pub(super) const IN_A_ROW: usize = 64;

/// The most bytes that a task writes: some tens of microseconds.
const FEW: usize = 1 << 16;

pub(super) struct Desk {
    connection: Arc<Mutex<Connection>>,
    clock: WallClock,
    watch: Arc<Watch>,
    patience: Duration,
    synchronous: Synchronous,
    /// How many requests are not in the file yet.
    queued: AtomicUsize,
    /// How many more transactions must have one request only.
    crowd: AtomicUsize,
    /// How many transactions were made by tasks since the last that was not.
    by_tasks: AtomicUsize,
}

impl Desk {
    pub(super) fn new(
        connection: Arc<Mutex<Connection>>,
        clock: WallClock,
        watch: Arc<Watch>,
        patience: Duration,
        synchronous: Synchronous,
    ) -> Self {
        let (queued, crowd, by_tasks) = Default::default();
        Self { connection, clock, watch, patience, synchronous, queued, crowd, by_tasks }
    }

    pub(super) fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long a request may wait for other processes.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Somebody asks.
    pub(super) fn came(&self) {
        self.queued.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn finished(&self, count: usize) {
        self.queued.fetch_sub(count, Ordering::AcqRel);
    }

    /// Whether all that was asked so far is in the file.
    pub(super) fn is_idle(&self) -> bool {
        self.queued.load(Ordering::Acquire) == 0
    }

    /// How many requests the thread wrote together.
    pub(super) fn saw(&self, count: usize) {
        let fewer = self.crowd.load(Ordering::Relaxed).saturating_sub(1);
        self.crowd.store(if count > 1 { CROWD } else { fewer }, Ordering::Relaxed);
    }

    /// Wakes who waits for one of these.
    pub(super) fn announce(&self, changed: &[Place]) {
        self.watch.announce(changed);
    }

    /// A transaction on a thread that may wait for the disk, and so long for the file.
    pub(super) fn begin<'c>(
        &self,
        connection: &'c Connection,
        patience: Duration,
    ) -> rusqlite::Result<Transaction<'c>> {
        self.may_tidy(connection, true);
        patiently(patience, || begin(connection))
    }

    pub(super) fn write<T>(
        &self,
        transaction: Transaction<'_>,
        takers: usize,
        run: impl FnOnce(&mut Ledger<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<(T, Vec<Place>)> {
        let mut ledger = Ledger::new(&transaction, &self.clock, takers);
        let ran = run(&mut ledger);
        let changed = ledger.into_changed();
        ran.and_then(|ran| transaction.commit().map(|()| (ran, changed)))
    }

    /// Does a request on the caller's thread, where nobody else writes or is about to.
    pub(super) fn at_once<T>(
        &self,
        bytes: usize,
        verb: impl FnOnce(&mut Ledger<'_>) -> Result<T, Fault>,
    ) -> Option<Result<T, StoreError>> {
        // A task must not keep other tasks from its thread: it neither waits for the disk nor for other processes.
        let is_blocking = is_blocking();
        let may = is_blocking
            || (self.synchronous == Synchronous::Normal
                && bytes <= FEW
                && self.by_tasks.load(Ordering::Relaxed) < IN_A_ROW);
        if !may || self.crowd.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let _turn = Turn::take(&self.queued)?;
        let connection = self.connection.try_lock().ok()?;
        self.may_tidy(&connection, is_blocking);
        let transaction = begin(&connection).ok()?;
        let (answer, changed) = self.write(transaction, 1, |ledger| Fault::apart(verb(ledger))).ok()?;
        drop(connection);
        self.announce(&changed);
        Some(answer)
    }

    /// Whether the next commit may move a log that grew to where it belongs, which takes the disk some milliseconds.
    fn may_tidy(&self, connection: &Connection, may: bool) {
        let by_tasks = self.by_tasks.load(Ordering::Relaxed);
        self.by_tasks.store(if may { 0 } else { by_tasks + 1 }, Ordering::Relaxed);
        if may == (by_tasks > 0) {
            let sql = if may { "PRAGMA wal_autocheckpoint = 1000" } else { "PRAGMA wal_autocheckpoint = 0" };
            // What it says is what was asked for.
            let _ = connection.prepare_cached(sql).and_then(|mut pragma| pragma.query_row([], |_| Ok(())));
        }
    }
}

fn begin(connection: &Connection) -> rusqlite::Result<Transaction<'_>> {
    Transaction::new_unchecked(connection, TransactionBehavior::Immediate)
}

/// Counts as the only request that is not in the file yet, until it is dropped.
struct Turn<'a>(&'a AtomicUsize);

impl<'a> Turn<'a> {
    fn take(queued: &'a AtomicUsize) -> Option<Self> {
        queued.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed).ok().map(|_| Self(queued))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
