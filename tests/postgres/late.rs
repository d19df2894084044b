//! What arrives after it was given up, or was asked again on another connection.

use crate::proxy::Proxy;
use crate::support::{Bare, LEASE, claim, granted, open, place, said, schema, soon};
use futures_lite::future::block_on;
use idempotently::backend::postgres::PostgresStore;
use idempotently::backend::postgres::sqlx::postgres::PgConnectOptions;
use idempotently::store::{Claimed, CompleteRequest, Hold, Release, Standing, Store};
use std::thread;
use std::time::Duration;

/// A store, the way to its server, and one that takes another way.
fn scene() -> (PgConnectOptions, Bare, Proxy, PostgresStore, PostgresStore) {
    let (to, bare) = schema();
    let proxy = Proxy::to(to.get_port());
    let (store, direct) = (open(&to.clone().port(proxy.port())), open(&to.clone().application_name("direct")));
    granted(&store, claim("warm", 1));
    (to, bare, proxy, store, direct)
}

/// How many tokens were drawn: a claim that was carried out draws one.
fn drawn(bare: &Bare) -> i64 {
    bare.number("SELECT last_value FROM idempotently_token")
}

/// Strands what is asked by the connections that there are; which those are.
fn strand(proxy: &Proxy, bare: &Bare) -> i64 {
    proxy.strand();
    bare.number("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
}

/// What was stranded arrives; waits until its sessions have ended: then all of it was carried out.
fn deliver(proxy: &Proxy, to: &PgConnectOptions, bare: &Bare, stranded: i64) {
    proxy.forsake();
    proxy.deliver();
    let sessions = format!(
        "SELECT count(*) FROM pg_stat_activity
            WHERE application_name = '{}' AND backend_start < to_timestamp({stranded} / 1000000.0)",
        to.get_application_name().unwrap_or_default(),
    );
    soon("a stranded session never ends", || (bare.number(&sessions) == 0).then_some(()));
}

#[test]
fn a_claim_that_arrives_after_its_key_was_given_back_is_not_granted() {
    let (to, bare, proxy, store, direct) = scene();
    let before = drawn(&bare);
    let stranded = strand(&proxy, &bare);
    assert!(block_on(store.claim(claim("k", 1))).is_err());
    // By a connection of its own, since the old one is stranded; until then nothing was granted.
    granted(&store, claim("later", 1));
    assert_eq!((drawn(&bare), said(direct.peek(place("k")))), (before + 1, None));
    deliver(&proxy, &to, &bare, stranded);
    assert_eq!((drawn(&bare), said(direct.peek(place("k")))), (before + 1, None), "it was granted to nobody");
}

/// Asks for a key; what was asked is stranded, and asked again on another connection.
fn granted_again(proxy: &Proxy, store: &PostgresStore, key: &'static str) -> Hold {
    proxy.strand();
    let asking = store.clone();
    let caller = thread::spawn(move || block_on(asking.claim(claim(key, 1))));
    // Longer than it takes to send a request, and shorter than one is waited for.
    thread::sleep(Duration::from_millis(500));
    proxy.forsake();
    match caller.join() {
        Ok(Ok(Claimed::Granted { token, attempt: 1 })) => Hold { place: place(key), token },
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_claim_that_arrives_after_it_was_asked_again_takes_nothing_and_costs_the_holder_nothing() {
    let (_to, bare, proxy, store, direct) = scene();
    let kept = granted_again(&proxy, &store, "kept");
    proxy.deliver();
    let gone = granted_again(&proxy, &store, "gone");
    assert!(said(store.release(gone, Release::Free)));
    let before = drawn(&bare);
    proxy.deliver();
    soon("the late claim never arrives", || (drawn(&bare) > before).then_some(()));
    // It was granted again, to an owner that has gone; that is found out when no other one can arrive.
    soon("the key is never given back", || said(direct.peek(place("gone"))).is_none().then_some(()));
    assert_eq!(said(direct.renew(vec![kept], LEASE)), [true]);
}

/// Asks something of a holder whose key another one has when that arrives.
fn arrives_late(ask: impl Fn(&PostgresStore, Hold) -> bool) {
    let (to, bare, proxy, store, direct) = scene();
    // So that there is a connection for it that can be stranded.
    assert!(ask(&store, granted(&store, claim("warm", 1))));
    let hold = granted(&store, claim("k", 1));
    let stranded = strand(&proxy, &bare);
    assert!(!ask(&store, hold.clone()), "it was answered");
    assert!(said(direct.forget(place("k"))));
    let winner = granted(&direct, claim("k", 2));
    let lease = "SELECT (extract(epoch FROM lease_ends) * 1000000)::bigint FROM idempotently_record WHERE token = ";
    let before = bare.number(&format!("{lease}{}", winner.token));
    deliver(&proxy, &to, &bare, stranded);
    let seen = said(direct.peek(place("k"))).map(|seen| (seen.token, seen.standing));
    assert_eq!(seen, Some((winner.token, Standing::InFlight)));
    assert_eq!(bare.number(&format!("{lease}{}", winner.token)), before);
}

#[test]
fn an_outcome_that_arrives_after_its_hold_ended_writes_nothing() {
    arrives_late(|store, hold| block_on(store.complete(CompleteRequest::new(hold, b"late".to_vec()))).is_ok());
}

#[test]
fn a_release_that_arrives_after_its_hold_ended_gives_nothing_back() {
    arrives_late(|store, hold| block_on(store.release(hold, Release::Free)).is_ok());
}

#[test]
fn a_renewal_that_arrives_after_its_hold_ended_renews_nothing() {
    arrives_late(|store, hold| block_on(store.renew(vec![hold], Duration::from_hours(1))).is_ok());
}
