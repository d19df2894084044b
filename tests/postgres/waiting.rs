//! Waiting for another process.

use crate::support::{Bare, claim, complete, granted, open, place, said, schema, to};
use idempotent_servers::Postgres;
use idempotently::backend::postgres::PostgresStore;
use idempotently::store::Store;
use std::time::{Duration, Instant};

/// How long a waiter of one store sleeps after another store has written.
fn wake_up(waiter: &PostgresStore, actor: &PostgresStore, key: &str) -> Duration {
    let hold = granted(actor, claim(key, 1));
    let waiting = waiter.changed(&hold.place);
    complete(actor, &hold, b"done");
    let since = Instant::now();
    said(waiting);
    since.elapsed()
}

/// One store listens.
fn until_it_listens(waiter: &PostgresStore, key: &str) {
    // Whoever is there first is woken when listening begins, or by a round.
    said(waiter.changed(&place(key)));
}

fn quickest(waiter: &PostgresStore, actor: &PostgresStore, name: &str) -> Duration {
    let waits = (0..8).map(|round| wake_up(waiter, actor, &format!("{name} {round}")));
    waits.min().unwrap_or_default()
}

#[test]
fn another_process_is_heard_long_before_anybody_looks() {
    let (to, _bare) = schema();
    let (waiter, actor) = (open(&to), open(&to));
    until_it_listens(&waiter, "k");
    let quickest = quickest(&waiter, &actor, "told");
    assert!(quickest < Duration::from_millis(300), "{quickest:?}");
}

#[test]
fn a_listener_that_is_ended_wakes_everybody_and_listens_again() {
    let server = Postgres::start().unwrap_or_else(|error| panic!("{error}"));
    let to = to(&server.url());
    let bare = Bare::connect(&to);
    let (waiter, actor) = (open(&to), open(&to));
    until_it_listens(&waiter, "k");
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
    let waiting = waiter.changed(&place("l"));
    let since = Instant::now();
    assert_eq!(bare.number(end), 1);
    said(waiting);
    assert!(since.elapsed() < Duration::from_millis(900), "after {:?}", since.elapsed());
    until_it_listens(&waiter, "m");
    let quickest = quickest(&waiter, &actor, "told again");
    assert!(quickest < Duration::from_millis(300), "{quickest:?}");
}

#[test]
fn who_waits_is_woken_when_the_server_goes() {
    let mut server = Postgres::start().unwrap_or_else(|error| panic!("{error}"));
    let waiter = open(&to(&server.url()));
    until_it_listens(&waiter, "k");
    let waiting = waiter.changed(&place("l"));
    let since = Instant::now();
    server.stop_immediately();
    said(waiting);
    assert!(since.elapsed() < Duration::from_millis(900), "after {:?}", since.elapsed());
}

#[test]
fn who_hears_nothing_looks_after_a_while() {
    let (to, _bare) = schema();
    let waiter = open(&to);
    until_it_listens(&waiter, "k");
    for _ in 0..2 {
        let since = Instant::now();
        said(waiter.changed(&place("l")));
        assert!(since.elapsed() > Duration::from_millis(500), "it does not sleep: {:?}", since.elapsed());
        assert!(since.elapsed() < Duration::from_millis(4500), "after {:?}", since.elapsed());
    }
}

#[test]
fn its_own_process_is_told_without_the_server() {
    let (to, _bare) = schema();
    let store = open(&to);
    until_it_listens(&store, "k");
    let quickest = quickest(&store, &store.clone(), "own");
    assert!(quickest < Duration::from_millis(100), "{quickest:?}");
}
