//! Many callers in many processes.

use crate::stores::{Shareable, fresh_key};
use crate::worker::Worker;

pub(crate) fn four_processes_with_a_hundred_callers_run_once(records: &dyn Shareable) {
    run_once(&records.url());
}

fn run_once(url: &str) {
    let key = fresh_key();
    let mut workers: Vec<Worker> = (0..4).map(|n| Worker::start(url, "crowd", &key, &format!("of {n}"))).collect();
    let said: Vec<String> = workers.iter_mut().flat_map(|worker| std::iter::from_fn(|| worker.hear())).collect();
    let (began, answers): (Vec<_>, Vec<_>) = said.iter().partition(|line| line.starts_with("began"));
    assert_eq!((began.len(), answers.len()), (1, 400), "{said:?}");
    assert!(answers[0].starts_with("answer of "), "{}", answers[0]);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

/// The most that a process may ask of a store for a hundred callers; nothing is renewed in so short a time.
#[cfg(any(feature = "postgres", feature = "redis"))]
const MOST_COMMANDS: u64 = 6;

#[cfg(feature = "redis")]
#[test]
fn a_hundred_callers_ask_redis_little() {
    use idempotent_servers::Redis;
    use idempotently::backend::redis::redis::{Client, cmd};

    let server = Redis::start().unwrap();
    run_once(&server.url());
    let mut operator = Client::open(server.url()).unwrap().get_connection().unwrap();
    let stats: String = cmd("INFO").arg("commandstats").query(&mut operator).unwrap();
    let calls = |name: &str| -> u64 {
        let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls=")));
        line.and_then(|line| line.split(',').next()?.parse().ok()).unwrap_or(0)
    };
    // What a script does is counted too: it looks at the record and at the clock once each.
    let asked = calls("evalsha") + calls("eval") + calls("get").saturating_sub(calls("time"));
    assert!((5..=4 * MOST_COMMANDS).contains(&asked), "{asked} commands:\n{stats}");
}

#[cfg(feature = "postgres")]
#[test]
fn a_hundred_callers_ask_postgres_little() {
    use idempotent_servers::Postgres;
    use idempotently::connect;

    let server = Postgres::with_settings(&[("fsync", "off"), ("log_statement", "all")]).unwrap();
    // The tables are there before anything is counted.
    drop(connect(&server.url()).unwrap());
    let before = server.log().len();
    run_once(&server.url());
    let log = server.log();
    // Prepared statements are about records, but for the look at the tables when a store is opened.
    let is_asked = |line: &&str| line.contains("LOG:  execute") && !line.contains("to_regclass");
    let asked: Vec<&str> = log[before..].lines().filter(is_asked).collect();
    let enough = u64::try_from(asked.len()).is_ok_and(|count| (5..=4 * MOST_COMMANDS).contains(&count));
    assert!(enough, "{}:\n{}", asked.len(), asked.join("\n"));
}
