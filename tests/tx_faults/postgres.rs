//! PostgreSQL: processes are killed, and what they ask and are answered is lost, at every statement.

use crate::checker::{ITEMS, STOCK, Seen, check};
use crate::orders::SCOPE;
use crate::process::Victim;
use crate::random::{Random, seed};
use crate::sweep::{History, Sweep, Turn};
use crate::trap::{Fault, Trap, What};
use crate::wire::Step;
use crate::worker::{Form, Job};
use idempotent_servers::{Postgres, Proxy};
use idempotently::backend::postgres::sqlx::{
    AssertSqlSafe, Connection as _, PgConnection, query_as, query_scalar, raw_sql,
};
use idempotently::{OnInterruption, Operation, connect, transaction};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How many callers a process has.
pub(crate) const CALLERS: usize = 4;

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Makes the tables.
pub(crate) async fn set_up(url: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    transaction::set_up(&mut connection).await.unwrap();
    let tables = format!(
        "CREATE TABLE orders (key bigint NOT NULL, id text NOT NULL);
         CREATE TABLE stock (item bigint PRIMARY KEY, remaining bigint NOT NULL);
         INSERT INTO stock SELECT item, {STOCK} FROM generate_series(0, {ITEMS} - 1) AS item"
    );
    raw_sql(AssertSqlSafe(tables)).execute(&mut connection).await.unwrap();
}

/// What the records of these keys replay, asked by the durable mode.
pub(crate) fn records(url: &str, history: &History) -> BTreeMap<i64, String> {
    static AGAIN: Operation = Operation::new(SCOPE).interrupted(OnInterruption::Fail);
    let store = connect(url).unwrap();
    let replay = |&key: &i64| {
        let missing = || Err::<String, Box<dyn std::error::Error>>("nothing is recorded".into());
        Some((key, AGAIN.call(&key).store(&store).try_run(missing).ok()?))
    };
    history.keys.iter().filter_map(replay).collect()
}

/// What there is when all have ended.
async fn read(url: &str, history: &History) -> Seen {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let mut seen = history.seen();
    let open = "SELECT count(*) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND xact_start IS NOT NULL";
    let since = Instant::now();
    loop {
        seen.open = query_scalar(open).fetch_one(&mut connection).await.unwrap();
        if seen.open == 0 || since.elapsed() > Duration::from_secs(10) {
            break;
        }
        // The server notices by itself that a client has gone, and tells nobody.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    seen.orders = query_as("SELECT key, id FROM orders").fetch_all(&mut connection).await.unwrap();
    seen.stock = query_as("SELECT item, remaining FROM stock").fetch_all(&mut connection).await.unwrap();
    seen
}

/// Fails where anything is wrong.
pub(crate) fn judge(url: &str, history: &History, seed: u64) {
    let mut left = block_on(read(url, history));
    left.records = records(url, history);
    let wrong = check(&left);
    assert!(wrong.is_empty() && history.broken.is_empty(), "SEED={seed}: {wrong:#?}\n{:#?}", history.broken);
    assert!(left.keys.len() >= 500, "only {} keys", left.keys.len());
}

/// One process on a way of its own.
fn process(server: &Postgres, turn: &mut Turn<'_, Fault>, hear: &mut dyn FnMut(&str)) -> bool {
    let proxy = Proxy::to(server.port()).unwrap();
    let victim = Victim::default();
    let trap = turn.fault.map(|fault| Arc::new(Trap::new(*fault, turn.random.below(8), victim.clone())));
    if let Some(trap) = trap.clone() {
        proxy.attend(move |connection, passing, bytes| trap.attend(connection, passing, bytes));
    }
    let forms = [Form::Caller, Form::Library, Form::Serializable];
    let job = Job {
        url: server.url().replace(&format!(":{}", server.port()), &format!(":{}", proxy.port())),
        form: turn.fault.map_or(forms[turn.random.below(3)], |fault| fault.form),
        callers: CALLERS,
        trap: String::new(),
        keys: turn.keys.to_vec(),
    };
    for line in victim.start(&job.text()) {
        hear(&line);
    }
    let sprung = trap.is_some_and(|trap| trap.has_sprung());
    let killed = sprung && turn.fault.is_some_and(|fault| fault.what == What::Kill);
    assert_eq!(victim.ended(), !killed, "a process failed");
    sprung
}

#[test]
fn killed_at_every_statement_and_answers_lost() {
    let seed = seed();
    let settings = [("fsync", "off"), ("max_connections", "200")];
    let server = Postgres::with_settings(&settings).unwrap();
    block_on(set_up(&server.url()));
    // Commits of the library whose answer, or which themselves, were lost, and where the caller did not notice.
    let resolved = AtomicUsize::new(0);
    let process = |turn: &mut Turn<'_, Fault>, hear: &mut dyn FnMut(&str)| {
        let commit = |fault: &Fault| (fault.what, fault.form, fault.step) == (What::Lose, Form::Library, Step::Commit);
        let is_lost_commit = turn.fault.is_some_and(commit);
        let mut agains = Vec::new();
        let met = process(&server, turn, &mut |line| {
            agains.extend(line.starts_with("again").then(|| line.to_owned()));
            hear(line);
        });
        if is_lost_commit && met {
            assert_eq!(agains, Vec::<String>::new(), "a lost commit was left to the caller");
            resolved.fetch_add(1, Ordering::Relaxed);
        }
        met
    };
    let count = Fault::all().len();
    let mut faults = [Fault::all(), Fault::all()].concat();
    Random::new(seed).shuffle(&mut faults);
    let (history, met) = Sweep { faults, places: 3, keys: 600, seed, process: &process }.run();
    eprintln!(
        "SEED={seed}: {} processes, {} keys, {} faults met, {:?}, {} careless, {} resolved, again {:?}",
        history.processes,
        history.keys.len(),
        met.values().sum::<usize>(),
        history.hows,
        history.careless,
        resolved.load(Ordering::Relaxed),
        history.agains
    );
    judge(&server.url(), &history, seed);
    assert_eq!(met.len(), count, "{met:?}");
    let counts = [resolved.into_inner(), history.count("replayed"), history.careless, history.agains.len()];
    assert!(counts.iter().all(|count| *count > 0), "nothing of the kind happened: {counts:?}");
}
