//! Many callers in many processes.

use crate::stores::{Shareable, fresh_key};
#[cfg(feature = "postgres")]
use crate::worker::CALLERS;
use crate::worker::Worker;
#[cfg(feature = "postgres")]
use std::time::{Duration, Instant};

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

/// The most that a process may ask of Redis for a hundred callers; nothing is renewed in so short a time.
#[cfg(feature = "redis")]
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

/// Four processes with a hundred callers each, whose body ends when all of them wait; how long they took.
#[cfg(feature = "postgres")]
fn run_joined(url: &str) -> Duration {
    let (key, since) = (fresh_key(), Instant::now());
    let start = |n| Worker::start(url, "joined crowd", &key, &format!("of {n}"));
    let mut workers: Vec<Worker> = (0..PROCESSES).map(start).collect();
    let (mut began, mut answers) = (0, Vec::new());
    let mut take = |worker: &mut Worker, answers: &mut Vec<String>| {
        let said = worker.hear().expect("the worker ended");
        began += usize::from(said.starts_with("began"));
        if said.starts_with("answer") || said.starts_with("error") {
            answers.push(said.clone());
        }
        said
    };
    for worker in &mut workers {
        while take(worker, &mut answers) != "joined" {}
    }
    workers.iter_mut().for_each(Worker::go);
    for (n, worker) in workers.iter_mut().enumerate() {
        while answers.len() < (n + 1) * CALLERS {
            take(worker, &mut answers);
        }
    }
    assert_eq!(began, 1);
    assert!(answers[0].starts_with("answer of "), "{}", answers[0]);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    since.elapsed()
}

#[cfg(feature = "postgres")]
const PROCESSES: usize = 4;

/// What a process asks of PostgreSQL before its first claim: the version of the tables, and the time.
#[cfg(feature = "postgres")]
const OPENING: usize = 2;

/// The claim, the outcome, and what the other processes are told.
#[cfg(feature = "postgres")]
const LEADER: usize = 3;

/// The most claims of a process that waits for another, but for those that a second without news brings: one, one more where
/// the record was made while that one waited for its turn, and one each after the process has entered the waiters, after its
/// connection listens, and after it is told.
#[cfg(feature = "postgres")]
const FOLLOWER: usize = 5;

#[cfg(feature = "postgres")]
#[test]
fn a_hundred_callers_ask_postgres_little() {
    use idempotent_servers::Postgres;
    use idempotently::connect;

    let server = Postgres::with_settings(&[("fsync", "off"), ("log_statement", "all")]).unwrap();
    // The tables are there before anything is counted.
    drop(connect(&server.url()).unwrap());
    let before = server.log().len();
    let took = run_joined(&server.url());
    let log = server.log();
    // Prepared statements are about records, but for the look at the tables when a store is opened, and for the question
    // whether a connection that has heard nothing for a second is alive.
    let is_asked =
        |line: &&str| line.contains("LOG:  execute") && !line.contains("to_regclass") && !line.ends_with(": SELECT 1");
    let asked: Vec<&str> = log[before..].lines().filter(is_asked).collect();
    // Each process opens its store and claims, and one has an outcome.
    let least = PROCESSES * (OPENING + 1) + 1;
    // A process that waits looks at most once a second by itself.
    let looks = (PROCESSES - 1) * usize::try_from(took.as_secs()).unwrap();
    let most = PROCESSES * OPENING + LEADER + (PROCESSES - 1) * FOLLOWER + looks;
    assert!((least..=most).contains(&asked.len()), "{} in {took:?}:\n{}", asked.len(), asked.join("\n"));
}
