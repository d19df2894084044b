//! What is sent: a replay is one statement, a first execution two, and a crowd shares its statements.

use crate::support::{Bare, claim, complete, completed, granted, open, said, soon, to};
use idempotent_servers::Postgres;
use idempotently::backend::postgres::PostgresStore;
use idempotently::store::{Recorded, Store};
use std::sync::{Arc, Barrier};
use std::thread;

/// A server that writes down every statement.
struct Counted {
    server: Postgres,
    bare: Bare,
    marks: u32,
}

impl Counted {
    fn start() -> Self {
        let settings = [("log_statement", "all"), ("fsync", "off"), ("deadlock_timeout", "20ms")];
        let server = Postgres::with_settings(&settings).unwrap_or_else(|error| panic!("{error}"));
        let bare = Bare::connect(&to(&server.url()));
        Self { server, bare, marks: 0 }
    }

    fn open(&self) -> PostgresStore {
        open(&to(&self.server.url()))
    }

    /// Everything that the log has about statements since the last time, but for what other processes are told, which is
    /// nobody's way.
    fn statements(&mut self) -> Vec<String> {
        let mark = |number: u32| format!("SELECT 'mark {number}'");
        self.marks += 1;
        self.bare.execute(&mark(self.marks));
        let log = soon("the log lags behind", || {
            let log = self.server.log();
            log.contains(&mark(self.marks)).then_some(log)
        });
        let log = log.split_once(&mark(self.marks)).map_or("", |(before, _)| before);
        let since = log.split_once(&mark(self.marks - 1)).map_or(log, |(_, since)| since);
        // The line of the mark itself is cut off before it.
        let statements = since.lines().filter(|line| line.contains("execute ") || line.contains("statement: "));
        let statements = statements.filter(|line| !line.contains("pg_notify") && !line.ends_with("statement: "));
        statements.map(str::to_owned).collect()
    }
}

#[test]
fn a_replay_is_one_statement_and_a_first_execution_two() {
    let mut counted = Counted::start();
    let store = counted.open();
    complete(&store, &granted(&store, claim("warm", 1)), b"up");
    counted.statements();
    let hold = granted(&store, claim("k", 1));
    assert_eq!(complete(&store, &hold, b"paid"), Recorded::Done);
    let first = counted.statements();
    assert_eq!(first.len(), 2, "{first:#?}");
    for owner in 2..5 {
        assert_eq!(said(store.claim(claim("k", owner))), completed(b"paid"));
    }
    let replays = counted.statements();
    assert_eq!(replays.len(), 3, "{replays:#?}");
    assert!(replays.iter().all(|line| line.contains("execute sqlx_s_")), "{replays:#?}");
}

#[test]
fn a_replay_writes_nothing() {
    let mut counted = Counted::start();
    let store = counted.open();
    complete(&store, &granted(&store, claim("k", 1)), b"paid");
    let row = "SELECT xmax::text::bigint * 1000 + (ctid::text::point)[1]::bigint FROM idempotently_record";
    let before = (counted.bare.number(row), counted.bare.number("SELECT last_value FROM idempotently_token"));
    for owner in 2..9 {
        assert_eq!(said(store.claim(claim("k", owner))), completed(b"paid"));
    }
    let after = (counted.bare.number(row), counted.bare.number("SELECT last_value FROM idempotently_token"));
    assert_eq!(before, after, "the row was locked or written, or a token drawn");
    counted.statements();
}

#[test]
fn a_crowd_shares_its_statements_and_no_two_stores_lock_each_other_out() {
    const CALLERS: usize = 48;
    const ROUNDS: usize = 6;
    let mut counted = Counted::start();
    let stores = [counted.open(), counted.open()];
    counted.statements();
    let barrier = Arc::new(Barrier::new(CALLERS));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (store, barrier) = (stores[caller % 2].clone(), barrier.clone());
            thread::spawn(move || {
                for round in 0..ROUNDS {
                    barrier.wait();
                    // Two of them, by two stores, want each key, in opposite orders.
                    let key = if caller % 2 == 0 { caller / 2 } else { (CALLERS - 1 - caller) / 2 };
                    let claim = claim(&format!("{round} {key:02}"), u8::try_from(caller).unwrap_or_default());
                    let place = claim.place.clone();
                    match said(store.claim(claim)) {
                        idempotently::store::Claimed::Granted { token, attempt: 1 } => {
                            let hold = idempotently::store::Hold { place, token };
                            assert_eq!(complete(&store, &hold, key.to_string().as_bytes()), Recorded::Done);
                        }
                        idempotently::store::Claimed::InFlight { .. } => {}
                        answer => assert_eq!(answer, completed(key.to_string().as_bytes())),
                    }
                }
            })
        })
        .collect();
    assert!(callers.into_iter().all(|caller| caller.join().is_ok()));
    let statements = counted.statements();
    let asked = CALLERS * ROUNDS * 3 / 2;
    assert!(statements.len() * 3 < asked * 2, "{} statements for {asked} requests", statements.len());
    assert!(statements.iter().any(|line| line.contains("WITH req AS")), "nothing was shared");
    assert!(!counted.server.log().contains("deadlock detected"), "{}", counted.server.log());
    let kept = counted.bare.number("SELECT count(*) FROM idempotently_record WHERE state = 2 AND attempt = 1");
    assert_eq!(usize::try_from(kept), Ok(CALLERS / 2 * ROUNDS));
}
