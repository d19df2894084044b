//! Records in one SQLite file: they outlive the process, and the processes of one machine share them.
//!
//! One thread writes. Whatever queued while it wrote goes into its next transaction, so that many callers share one
//! commit. A caller who is alone writes itself, unless it is a task whose commit waits for the disk: its thread has
//! others to serve. Answers that are recorded already are read beside the writer, on the caller's own thread, in a few
//! microseconds. No async runtime is needed.
//!
//! The file may be one that the application has its own tables in: the library's begin with `idempotently_`. It has to
//! be on a local disk, since network file systems do not lock as SQLite needs it.

mod desk;
mod fault;
mod job;
mod ledger;
#[cfg(feature = "sqlx-sqlite")]
mod marker;
mod options;
mod reader;
mod row;
mod schema;
#[cfg(test)]
mod tests;
mod watch;
mod writer;

/// The client of the application, in the version whose transactions can hold records.
#[cfg(feature = "sqlx-sqlite")]
pub use sqlx;

#[cfg(feature = "sqlx-sqlite")]
pub(crate) use marker::{claim as claim_within, commit_status, complete as complete_within, judge, set_up};
pub use options::{SqliteOptions, Synchronous};

use self::desk::Desk;
use self::fault::Fault;
use self::job::{Job, Ticket};
use self::ledger::Ledger;
use self::options::Target;
use self::reader::{File, Page, Readers};
use self::row::Ruling;
use self::watch::{Poller, Watch};
use self::writer::Writer;
use super::forked::Opener;
use crate::clock::WallClock;
use crate::record::State;
use crate::store::{
    AdoptRequest, Adopted, Answer, Claim, Claimed, CompleteRequest, Glimpse, Hold, Place, Recorded, Release, Standing,
    Store, StoreError,
};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How many records are purged in one transaction, so that nobody waits long behind it.
const SWEEP: usize = 256;

/// Records in one SQLite file. Clones share its connections; dropping the last one waits until all is written.
///
/// ```
/// use idempotently::backend::sqlite::SqliteStore;
///
/// # let folder = std::env::temp_dir().join(format!("idempotently-store-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// # let file = folder.join("records.db");
/// let store = SqliteStore::open(&file)?;
/// # drop(store);
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), idempotently::store::StoreError>(())
/// ```
#[derive(Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
}

// The readers are dropped before the writer, so that the connection that closes last is one that can tidy the log up.
struct Shared {
    opener: Opener,
    clock: WallClock,
    watch: Arc<Watch>,
    poller: Poller,
    readers: Readers,
    writer: Writer,
}

impl SqliteStore {
    /// Opens a file, and creates it and its tables where they are not there. Every commit waits for the disk.
    ///
    /// # Errors
    /// When the folder does not exist, the file cannot be written, is no SQLite database, is locked for longer than
    /// five seconds, or has the tables of a later version of this library. The error says what to do.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with(path, &SqliteOptions::new())
    }

    /// Opens a file as the options say.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn open_with(path: impl AsRef<Path>, options: &SqliteOptions) -> Result<Self, StoreError> {
        Self::build(Target::from_path(path.as_ref().to_owned()), options, WallClock::default())
    }

    /// Opens what a URL names: `sqlite:records.db`, `sqlite:///var/lib/app/records.db`, `sqlite::memory:`. The options
    /// `synchronous=full` and `synchronous=normal` may follow a `?`, and `%20` is a space.
    ///
    /// ```
    /// use idempotently::backend::sqlite::SqliteStore;
    ///
    /// let store = SqliteStore::from_url("sqlite::memory:")?;
    /// assert!(SqliteStore::from_url("sqlite:records.db?fast=yes").is_err());
    /// # Ok::<(), idempotently::store::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When the URL cannot be understood, and those of [`open`](Self::open).
    pub fn from_url(url: &str) -> Result<Self, StoreError> {
        let (target, options) = options::parse(url)?;
        Self::build(target, &options, WallClock::default())
    }

    /// Opens a database in memory, which ends with the last clone of the store.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn in_memory() -> Result<Self, StoreError> {
        Self::build(Target::Memory, &SqliteOptions::new(), WallClock::default())
    }

    /// The tables that [`open`](Self::open) creates, for those who create them by a migration of their own. It can be
    /// run again.
    ///
    /// ```
    /// use idempotently::backend::sqlite::SqliteStore;
    ///
    /// assert!(SqliteStore::schema_sql().contains("CREATE TABLE IF NOT EXISTS idempotently_record"));
    /// ```
    #[must_use]
    pub const fn schema_sql() -> &'static str {
        schema::SQL
    }

    /// The store as a forked child sees it; it has to be the last handle.
    #[cfg(test)]
    pub(crate) fn inherited(self) -> Option<Self> {
        let mut shared = Arc::into_inner(self.shared)?;
        shared.opener = Opener::parent();
        Some(Self { shared: Arc::new(shared) })
    }

    #[cfg(test)]
    pub(crate) fn with_clock(path: &str, options: &SqliteOptions, clock: WallClock) -> Result<Self, StoreError> {
        Self::build(Target::from_path(path.into()), options, clock)
    }

    fn build(target: Target, options: &SqliteOptions, clock: WallClock) -> Result<Self, StoreError> {
        let patience = options.busy_timeout;
        let (connection, file) = match target {
            Target::Memory => (schema::open_in_memory()?, None),
            Target::File(path) => {
                let connection = schema::open(&path, options)?;
                (connection, Some(File { path: settled(&path)?, patience }))
            }
        };
        // Memory waits for no disk.
        let synchronous = if file.is_some() { options.synchronous } else { Synchronous::Normal };
        let connection = Arc::new(Mutex::new(connection));
        let readers = file.map_or_else(|| Readers::Memory(connection.clone()), Readers::of);
        let watch = Arc::new(Watch::default());
        let writer = Writer::start(Desk::new(connection, clock.clone(), watch.clone(), patience, synchronous))?;
        Ok(Self {
            shared: Arc::new(Shared {
                opener: Opener::this(),
                clock,
                watch,
                poller: Poller::default(),
                readers,
                writer,
            }),
        })
    }

    fn ask<'a, T: Send + 'static>(&self, job: impl FnOnce(Ticket<T>) -> Job) -> Answer<'a, T> {
        match self.shared.opener.check() {
            Ok(()) => self.shared.writer.ask(job).answer(),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}

/// The same file for as long as the store lives, whatever becomes of the working folder or of links.
fn settled(path: &Path) -> Result<PathBuf, StoreError> {
    path.canonicalize().map_err(|error| StoreError::caused("the path of the SQLite file cannot be followed", error))
}

impl Shared {
    /// Does a request on the caller's own thread; nothing where it has to be queued.
    fn at_once<T>(
        &self,
        bytes: usize,
        verb: impl FnOnce(&mut Ledger<'_>) -> Result<T, Fault>,
    ) -> Option<Result<T, StoreError>> {
        self.opener.check().map_or_else(|error| Some(Err(error)), |()| self.writer.at_once(bytes, verb))
    }

    /// What the file says to a claim, where that is all there is to say.
    fn replay(&self, claim: &Claim) -> Result<Option<Claimed>, StoreError> {
        self.opener.check()?;
        // Asked before the file is read: what was queued before the claim must be seen by it.
        let idle = self.writer.is_idle();
        let now = self.clock.read();
        let record = self.readers.record(&claim.place, &now)?;
        let settled = record.as_ref().is_some_and(|record| !matches!(record.state, State::InFlight { .. }));
        Ok(match row::rule(record, claim, now.wall) {
            Ruling::Grant { .. } | Ruling::Mine { .. } | Ruling::Interrupt => None,
            Ruling::Answer(answer) => (settled || idle).then_some(answer),
        })
    }

    /// Lets changes be seen that other processes make to the file.
    fn look_out(&self, waiter: &watch::Waiter, place: &Place) -> Result<(), StoreError> {
        self.opener.check()?;
        let Some(file) = self.readers.file().filter(|_| waiter.is_unseen()) else { return Ok(()) };
        self.poller.start(file, &self.watch)?;
        waiter.saw(self.readers.mark(place)?);
        Ok(())
    }

    fn peek(&self, place: Place) -> Result<Option<Glimpse>, StoreError> {
        self.opener.check()?;
        let now = self.clock.read();
        let record = self.readers.record(&place, &now)?.filter(|record| !record.has_ended(now.wall));
        Ok(record.map(|record| Glimpse::of(place, record)))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.watch.end();
        // In a forked child there is no thread to wait for.
        if self.opener.is_this() {
            self.poller.join();
        }
    }
}

impl Store for SqliteStore {
    fn claim(&self, claim: Claim) -> Answer<'_, Claimed> {
        Box::pin(async move {
            match self.shared.replay(&claim)? {
                Some(answer) => Ok(answer),
                None => match self.shared.at_once(0, |ledger| ledger.claim(&claim)) {
                    Some(answer) => answer,
                    None => self.shared.writer.claim(claim).await,
                },
            }
        })
    }

    fn renew(&self, holds: Vec<Hold>, lease: Duration) -> Answer<'_, Vec<bool>> {
        self.ask(|ticket| Job::Renew(holds, lease, ticket))
    }

    fn complete(&self, request: CompleteRequest) -> Answer<'_, Recorded> {
        match self.shared.at_once(request.outcome.len(), |ledger| ledger.complete(&request)) {
            Some(answer) => Box::pin(std::future::ready(answer)),
            None => self.ask(|ticket| Job::Complete(request, ticket)),
        }
    }

    fn adopt(&self, request: AdoptRequest) -> Answer<'_, Adopted> {
        match self.shared.at_once(request.outcome.len(), |ledger| ledger.adopt(&request)) {
            Some(answer) => Box::pin(std::future::ready(answer)),
            None => self.ask(|ticket| Job::Adopt(request, ticket)),
        }
    }

    fn release(&self, hold: Hold, how: Release) -> Answer<'_, bool> {
        self.ask(|ticket| Job::Release(hold, how, ticket))
    }

    fn changed(&self, place: &Place) -> Answer<'_, ()> {
        let waiter = self.shared.watch.enter(place);
        let looking = self.shared.look_out(&waiter, place);
        Box::pin(async move {
            looking?;
            waiter.await;
            Ok(())
        })
    }

    fn peek(&self, place: Place) -> Answer<'_, Option<Glimpse>> {
        Box::pin(async move { self.shared.peek(place) })
    }

    fn forget(&self, place: Place) -> Answer<'_, bool> {
        self.ask(|ticket| Job::Forget(place, ticket))
    }

    fn resolve(&self, place: Place, outcome: Vec<u8>, retention: Option<Duration>) -> Answer<'_, bool> {
        self.ask(|ticket| Job::Resolve(place, outcome, retention, ticket))
    }

    fn list(
        &self,
        scope: Arc<str>,
        standing: Standing,
        after: Option<Arc<str>>,
        limit: usize,
    ) -> Answer<'_, Vec<Glimpse>> {
        let page = Page { scope, standing, after, limit };
        Box::pin(async move {
            self.shared.opener.check()?;
            self.shared.readers.list(&page, &self.shared.clock.read())
        })
    }

    fn purge(&self, limit: usize) -> Answer<'_, usize> {
        Box::pin(async move {
            let mut purged = 0;
            while purged < limit {
                let most = SWEEP.min(limit - purged);
                let gone = self.ask(|ticket| Job::Purge(most, ticket)).await?;
                purged += gone;
                if gone < most {
                    break;
                }
            }
            Ok(purged)
        })
    }

    fn name(&self) -> &'static str {
        "sqlite"
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.shared.readers.file().map(|file| &file.path);
        f.debug_struct("SqliteStore").field("file", &file).finish_non_exhaustive()
    }
}
