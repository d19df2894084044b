//! SQLite: processes are killed at every statement, within statements, and while they commit.

use crate::checker::{ITEMS, STOCK, Seen, check};
use crate::postgres::{block_on, records};
use crate::process::Victim;
use crate::random::seed;
use crate::sweep::{History, Sweep, Turn};
use crate::worker::{Form, Job, tell};
use idempotently::backend::sqlite::sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use idempotently::backend::sqlite::sqlx::{
    self, AssertSqlSafe, Connection as _, SqliteConnection, SqlitePool, query_as, query_scalar, raw_sql,
};
use idempotently::transaction;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// How far a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Nothing is written yet.
    Begun,
    /// The call's row is there.
    Claimed,
    /// Its number is taken.
    Reserved,
    Stocked,
    Ordered,
    Completed,
    /// Nothing of the commit is in the file.
    Committing,
    /// The commit goes on, and what of it is in the file is not known.
    Amid,
    /// Nobody has been told.
    Committed,
}

impl Phase {
    const ALL: [Self; 9] = [
        Self::Begun,
        Self::Claimed,
        Self::Reserved,
        Self::Stocked,
        Self::Ordered,
        Self::Completed,
        Self::Committing,
        Self::Amid,
        Self::Committed,
    ];

    /// How many moments there are to choose from: steps of SQLite's machine within the statements.
    fn moments(self) -> usize {
        if self < Self::Committing { 30 } else { 5 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fault {
    form: Form,
    phase: Phase,
    /// The first or another one.
    number: u8,
}

/// Says at the chosen moment that the process can be killed now, and waits for it.
#[derive(Clone)]
pub(crate) struct Hooks(Option<Arc<Moment>>);

struct Moment {
    phase: Phase,
    before: AtomicUsize,
}

impl Hooks {
    pub(crate) fn read(text: &str) -> Self {
        Self(text.split_once(' ').map(|(phase, before)| {
            let phase = Phase::ALL.into_iter().find(|known| format!("{known:?}") == phase).unwrap();
            Arc::new(Moment { phase, before: AtomicUsize::new(before.parse().unwrap()) })
        }))
    }

    fn at(&self, phase: Phase) {
        let Some(moment) = self.0.as_deref().filter(|moment| moment.phase == phase) else { return };
        // It wraps around after the one that is chosen, and is not chosen again.
        if moment.before.fetch_sub(1, Ordering::SeqCst) != 0 {
            return;
        }
        tell("here");
        if phase != Phase::Amid {
            loop {
                thread::park();
            }
        }
    }

    pub(crate) fn committed(&self) {
        self.at(Phase::Committed);
    }

    async fn attend(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        if self.0.is_none() {
            return Ok(());
        }
        let mut handle = connection.lock_handle().await?;
        let now = Arc::new(AtomicU8::new(Phase::Begun as u8));
        let (hooks, seen) = (self.clone(), now.clone());
        handle.set_progress_handler(1, move || {
            let seen = seen.load(Ordering::SeqCst);
            hooks.at(Phase::ALL[usize::from(seen)]);
            true
        });
        let (hooks, seen) = (self.clone(), now.clone());
        handle.set_update_hook(move |change| {
            let claimed = seen.load(Ordering::SeqCst) != Phase::Begun as u8;
            let phase = match change.table {
                "idempotently_record" if claimed => Phase::Completed,
                "idempotently_record" => Phase::Claimed,
                "idempotently_store" => Phase::Reserved,
                "stock" => Phase::Stocked,
                "orders" => Phase::Ordered,
                _ => return,
            };
            seen.store(phase as u8, Ordering::SeqCst);
            hooks.at(phase);
        });
        let (hooks, seen) = (self.clone(), now.clone());
        handle.set_commit_hook(move || {
            // What only read commits too.
            if seen.swap(Phase::Begun as u8, Ordering::SeqCst) != Phase::Begun as u8 {
                hooks.at(Phase::Committing);
                hooks.at(Phase::Amid);
            }
            true
        });
        handle.set_rollback_hook(move || now.store(Phase::Begun as u8, Ordering::SeqCst));
        Ok(())
    }
}

/// Some connections to a file, each of them attended.
pub(crate) fn open(path: &str, connections: usize, hooks: &Hooks) -> SqlitePool {
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(Duration::from_secs(20));
    let hooks = hooks.clone();
    let pool = SqlitePoolOptions::new()
        .max_connections(u32::try_from(connections).unwrap())
        .acquire_timeout(Duration::from_mins(1))
        .after_connect(move |connection, _| {
            let hooks = hooks.clone();
            Box::pin(async move { hooks.attend(connection).await })
        });
    pool.connect_lazy_with(options)
}

/// A file that goes with the test.
struct File(PathBuf);

impl File {
    async fn new(journal: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("idempotently-txf-{journal}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = Self(folder);
        let mut connection = file.connect(true).await;
        raw_sql(AssertSqlSafe(format!("PRAGMA journal_mode = {journal}"))).execute(&mut connection).await.unwrap();
        transaction::set_up(&mut connection).await.unwrap();
        let tables = format!(
            "CREATE TABLE orders (key INTEGER NOT NULL, id TEXT NOT NULL);
             CREATE TABLE stock (item INTEGER PRIMARY KEY, remaining INTEGER NOT NULL);
             INSERT INTO stock
                WITH RECURSIVE items (item) AS (VALUES (0) UNION ALL SELECT item + 1 FROM items WHERE item < {ITEMS} - 1)
                SELECT item, {STOCK} FROM items"
        );
        raw_sql(AssertSqlSafe(tables)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        file
    }

    fn path(&self) -> PathBuf {
        self.0.join("orders.db")
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.path().display())
    }

    async fn connect(&self, create: bool) -> SqliteConnection {
        fn options(path: &Path) -> SqliteConnectOptions {
            // Nobody has anything locked any more.
            SqliteConnectOptions::new().filename(path).busy_timeout(Duration::ZERO)
        }
        SqliteConnection::connect_with(&options(&self.path()).create_if_missing(create)).await.unwrap()
    }

    async fn read(&self, history: &History) -> Seen {
        let mut connection = self.connect(false).await;
        let mut seen = history.seen();
        let alone = raw_sql("BEGIN EXCLUSIVE; ROLLBACK").execute(&mut connection).await;
        seen.open = i64::from(alone.is_err());
        let sound: String = query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
        assert_eq!(sound, "ok");
        seen.orders = query_as("SELECT key, id FROM orders").fetch_all(&mut connection).await.unwrap();
        seen.stock = query_as("SELECT item, remaining FROM stock").fetch_all(&mut connection).await.unwrap();
        seen
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn process(url: &str, turn: &mut Turn<'_, Fault>, hear: &mut dyn FnMut(&str)) -> bool {
    let forms = [Form::Caller, Form::Library];
    let trap = turn.fault.map(|fault| {
        let before = if fault.number == 0 { 0 } else { turn.random.below(fault.phase.moments()) };
        format!("{:?} {before}", fault.phase)
    });
    let job = Job {
        url: url.to_owned(),
        form: turn.fault.map_or(forms[turn.random.below(2)], |fault| fault.form),
        callers: 2,
        trap: trap.unwrap_or_default(),
        keys: turn.keys.to_vec(),
    };
    let victim = Victim::default();
    let mut killed = false;
    for line in victim.start(&job.text()) {
        if line == "here" {
            victim.kill();
            killed = true;
        } else {
            hear(&line);
        }
    }
    assert_eq!(victim.ended(), !killed, "a process failed");
    killed
}

fn killed_at_every_statement(journal: &str) {
    let seed = seed();
    let file = block_on(File::new(journal));
    let url = file.url();
    let of = |form, phase| (0..3).map(move |number| Fault { form, phase, number });
    let faults: Vec<Fault> = [Form::Caller, Form::Library]
        .into_iter()
        .flat_map(|form| Phase::ALL.into_iter().flat_map(move |phase| of(form, phase)))
        .collect();
    let count = faults.len();
    let process = |turn: &mut Turn<'_, Fault>, hear: &mut dyn FnMut(&str)| process(&url, turn, hear);
    let (history, met) = Sweep { faults, places: 2, keys: 500, seed, process: &process }.run();
    eprintln!(
        "SEED={seed}: {journal}: {} processes, {} keys, {} killed, {:?}, {} careless, again {:?}",
        history.processes,
        history.keys.len(),
        met.values().sum::<usize>(),
        history.hows,
        history.careless,
        history.agains
    );
    let mut left = block_on(file.read(&history));
    left.records = records(&url, &history);
    let wrong = check(&left);
    assert!(wrong.is_empty() && history.broken.is_empty(), "SEED={seed}: {wrong:#?}\n{:#?}", history.broken);
    assert_eq!(met.len(), count, "{met:?}");
    let counts = [left.keys.len() / 500, history.count("replayed"), history.careless];
    assert!(counts.iter().all(|count| *count > 0), "nothing of the kind happened: {counts:?}");
}

#[test]
fn killed_at_every_statement_with_a_log() {
    killed_at_every_statement("wal");
}

#[test]
fn killed_at_every_statement_with_a_journal() {
    killed_at_every_statement("delete");
}
