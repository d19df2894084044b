//! What happens to a Redis server, and what a store that is connected to it makes of it.

#![cfg(feature = "redis")]

use futures_lite::future::block_on;
use idempotent_servers::{Redis, RedisCluster, SteppedClock};
use idempotently::backend::redis::{RedisOptions, RedisStore, RedisWarning, redis};
use idempotently::record::{OnInterruption, Owner};
use idempotently::store::{
    AdoptRequest, Adopted, Answer, Claim, Claimed, CompleteRequest, Hold, Place, Recorded, Release, Standing, Store,
    StoreError,
};
use idempotently::{ErrorKind, InFlight as InFlightPolicy, Operation, SharedStore};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_hours(1);
/// How long something may take that is not about time.
const PATIENCE: Duration = Duration::from_secs(20);
/// How soon the engine wants to know that there is no server.
const PROMISED: Duration = Duration::from_secs(5);

fn server() -> Redis {
    Redis::start().unwrap_or_else(|error| panic!("no server: {error:?}"))
}

fn connect(server: &Redis) -> RedisStore {
    RedisStore::connect(&server.url()).unwrap_or_else(|error| panic!("not connected: {error:?}"))
}

/// A connection that sees the server as an operator does.
fn operator(server: &Redis) -> redis::Connection {
    let client = redis::Client::open(server.url()).unwrap_or_else(|error| panic!("no client: {error}"));
    client.get_connection().unwrap_or_else(|error| panic!("not connected: {error}"))
}

#[track_caller]
fn tell<T: redis::FromRedisValue>(operator: &mut redis::Connection, words: &[&str]) -> T {
    let mut command = redis::Cmd::new();
    for word in words {
        command.arg(word);
    }
    command.query(operator).unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

/// How often a command was run, by whomever, since `CONFIG RESETSTAT`.
fn runs(operator: &mut redis::Connection, command: &str) -> u64 {
    let stats: String = tell(operator, &["INFO", "commandstats"]);
    let begin = format!("cmdstat_{command}:calls=");
    let line = stats.lines().find_map(|line| line.strip_prefix(&begin));
    line.and_then(|line| line.split(',').next()?.parse().ok()).unwrap_or(0)
}

/// Whether every look was one whose next change is told.
#[track_caller]
fn assert_told_each_time(operator: &mut redis::Connection) {
    let (looked, asked) = (runs(operator, "getrange"), runs(operator, "client|caching"));
    // Before 7.0 the server counts `CLIENT CACHING` with everything else that a client says of itself.
    let of_clients = runs(operator, "client");
    assert!(
        asked == looked || (asked == 0 && of_clients > looked),
        "{looked} looks, {asked} of {of_clients} to be told"
    );
}

fn place(key: &str) -> Place {
    Place { scope: "shop::pay".into(), key: key.into() }
}

/// What `place("key")` is called on the server.
const NAME: &str = "idempotently/shop::pay/key";

fn claim(key: &str) -> Claim {
    static OWNERS: AtomicU64 = AtomicU64::new(1);
    let mut owner = [0; 16];
    owner[..8].copy_from_slice(&OWNERS.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    Claim::new(place(key), Owner(owner), LONG, OnInterruption::Retry)
}

#[track_caller]
fn answered<T>(answer: Answer<'_, T>) -> T {
    block_on(answer).unwrap_or_else(|error| panic!("{error:?}"))
}

#[track_caller]
fn error_of<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> StoreError {
    match answer {
        Ok(answer) => panic!("it was to be refused, and is {answer:?}"),
        Err(error) => error,
    }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, StoreError>, because: &str) {
    let error = error_of(answer);
    assert!(error.to_string().contains(because), "{error:?}");
}

#[track_caller]
fn hold(store: &RedisStore, key: &str) -> Hold {
    match answered(store.claim(claim(key))) {
        Claimed::Granted { token, .. } => Hold { place: place(key), token },
        other => panic!("the claim was to be granted, and is {other:?}"),
    }
}

/// What `look` finds as soon as it finds something.
#[track_caller]
fn soon<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn signal(server: &Redis, signal: &str) {
    let sent = Command::new("kill").args([signal, &server.pid().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "no signal was sent");
}

/// Waits on a thread of its own until the record may have changed, and tells when it did. It has looked when this
/// returns.
fn watch(store: &RedisStore, operator: &mut redis::Connection) -> mpsc::Receiver<Instant> {
    let looked = runs(operator, "getrange");
    let (woken, is_woken) = mpsc::channel();
    let store = store.clone();
    thread::spawn(move || {
        answered(store.changed(&place("key")));
        let _ = woken.send(Instant::now());
    });
    soon(|| (runs(operator, "getrange") > looked).then_some(()));
    is_woken
}

#[test]
fn a_replay_costs_one_command_and_a_first_execution_two() {
    let server = server();
    let (store, mut operator) = (connect(&server), operator(&server));
    let warm = hold(&store, "warm");
    answered(store.complete(CompleteRequest::new(warm, b"outcome".to_vec())));
    tell::<()>(&mut operator, &["CONFIG", "RESETSTAT"]);
    let asked = |operator: &mut redis::Connection| {
        assert_eq!(runs(operator, "client|caching") + runs(operator, "client"), 0, "nobody waits");
        runs(operator, "evalsha") + runs(operator, "eval")
    };
    let held = hold(&store, "key");
    assert_eq!(asked(&mut operator), 1);
    answered(store.complete(CompleteRequest::new(held, b"outcome".to_vec()).retention(Some(LONG))));
    assert_eq!(asked(&mut operator), 2);
    assert_eq!(answered(store.claim(claim("key"))), Claimed::Completed { outcome: b"outcome".to_vec() });
    assert_eq!(asked(&mut operator), 3);
}

#[test]
fn only_an_outcome_with_a_retention_has_an_end_on_the_server() {
    let server = server();
    let (store, mut operator) = (connect(&server), operator(&server));
    let mut left = || tell::<i64>(&mut operator, &["PTTL", NAME]);
    let held = hold(&store, "key");
    assert_eq!(left(), -1, "a body that runs");
    answered(store.release(held.clone(), Release::Interrupt));
    assert_eq!(left(), -1, "an interrupted one");
    answered(store.complete(CompleteRequest::new(held, b"outcome".to_vec()).retention(Some(LONG))));
    let left = left();
    assert!(left > 3_500_000 && left < 3_600_100, "{left}");
}

/// Does something up to five times until it is followed by something else so soon that it was not found by looking,
/// which is done once a second.
#[track_caller]
fn assert_told(mut how_long: impl FnMut() -> Duration) {
    let fastest = (0..5).map(|_| how_long()).find(|span| *span < Duration::from_millis(500));
    assert!(fastest.is_some(), "it takes as long as looking does");
}

#[track_caller]
fn until_woken(woken: &mpsc::Receiver<Instant>, since: Instant) -> Duration {
    let when = woken.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it was not woken"));
    when.saturating_duration_since(since)
}

#[test]
fn who_waits_is_told_and_does_not_look_for_it() {
    let server = server();
    let (store, other, mut operator) = (connect(&server), connect(&server), operator(&server));
    assert_told(|| {
        let held = hold(&store, "key");
        let woken = watch(&other, &mut operator);
        let before = Instant::now();
        answered(store.release(held, Release::Free));
        until_woken(&woken, before)
    });
    assert_told_each_time(&mut operator);
}

#[test]
fn a_lease_that_goes_on_wakes_nobody() {
    let server = server();
    let (store, other, mut operator) = (connect(&server), connect(&server), operator(&server));
    let held = hold(&store, "key");
    let woken = watch(&other, &mut operator);
    for _ in 0..3 {
        let looked = runs(&mut operator, "getrange");
        assert_eq!(answered(store.renew(vec![held.clone()], LONG)), [true]);
        soon(|| (runs(&mut operator, "getrange") > looked).then_some(()));
    }
    assert!(woken.recv_timeout(Duration::from_millis(20)).is_err(), "a renewal is no news");
    answered(store.complete(CompleteRequest::new(held, b"outcome".to_vec())));
    assert!(woken.recv_timeout(PATIENCE).is_ok());
}

#[test]
fn many_who_wait_look_once() {
    let server = server();
    let (store, mut operator) = (connect(&server), operator(&server));
    let held = hold(&store, "key");
    let many: Vec<_> = (0..200).map(|_| store.changed(&held.place)).collect();
    soon(|| (runs(&mut operator, "getrange") > 0).then_some(()));
    // One look is a second from the next; what takes longer here may see that one as well.
    assert!(runs(&mut operator, "getrange") < 10);
    answered(store.complete(CompleteRequest::new(held, b"outcome".to_vec())));
    for changed in many {
        answered(changed);
    }
}

#[test]
fn a_flush_wakes_whoever_waits() {
    let server = server();
    let (store, mut operator) = (connect(&server), operator(&server));
    assert_told(|| {
        hold(&store, "key");
        let woken = watch(&store, &mut operator);
        let before = Instant::now();
        tell::<()>(&mut operator, &["FLUSHALL"]);
        until_woken(&woken, before)
    });
}

#[test]
fn a_connection_that_is_killed_is_made_again_and_tells_again() {
    let server = server();
    let (store, other, mut operator) = (connect(&server), connect(&server), operator(&server));
    let waiting = |operator: &mut redis::Connection| (hold(&other, "key"), watch(&store, operator));
    let kill = |operator: &mut redis::Connection| {
        let looked = runs(operator, "getrange");
        let before = Instant::now();
        assert!(tell::<u64>(operator, &["CLIENT", "KILL", "TYPE", "normal"]) >= 2);
        // On the new connection it looks again, at once.
        soon(|| (runs(operator, "getrange") > looked).then_some(()));
        before.elapsed()
    };
    assert_told(|| {
        let (held, woken) = waiting(&mut operator);
        let looked_after = kill(&mut operator);
        answered(other.release(held, Release::Free));
        until_woken(&woken, Instant::now());
        looked_after
    });
    assert_told(|| {
        let (held, woken) = waiting(&mut operator);
        kill(&mut operator);
        let before = Instant::now();
        answered(other.release(held, Release::Free));
        until_woken(&woken, before)
    });
    assert_told_each_time(&mut operator);
}

#[test]
fn scripts_that_the_server_forgot_are_told_again() {
    let server = server();
    let (store, mut operator) = (connect(&server), operator(&server));
    let held = hold(&store, "key");
    tell::<()>(&mut operator, &["SCRIPT", "FLUSH"]);
    assert_eq!(answered(store.renew(vec![held.clone(), held.clone()], LONG)), [true, true]);
    tell::<()>(&mut operator, &["SCRIPT", "FLUSH"]);
    assert_eq!(answered(store.complete(CompleteRequest::new(held, b"outcome".to_vec()))), Recorded::Done);
    tell::<()>(&mut operator, &["SCRIPT", "FLUSH"]);
    assert_eq!(answered(store.claim(claim("key"))), Claimed::Completed { outcome: b"outcome".to_vec() });
}

#[test]
fn a_full_server_begins_nothing_and_records_what_has_happened() {
    let server = server();
    let (store, mut operator) = (connect(&server), operator(&server));
    let (held, given_up) = (hold(&store, "key"), hold(&store, "given up"));
    tell::<()>(&mut operator, &["CONFIG", "SET", "maxmemory", "1"]);
    refused(block_on(store.claim(claim("another"))), "Redis is full");
    assert_eq!(answered(store.renew(vec![held.clone()], LONG)), [true]);
    assert!(answered(store.release(given_up, Release::Interrupt)));
    assert_eq!(answered(store.complete(CompleteRequest::new(held, vec![7; 10_000]))), Recorded::Done);
    assert_eq!(answered(store.claim(claim("key"))), Claimed::Completed { outcome: vec![7; 10_000] });
    tell::<()>(&mut operator, &["CONFIG", "SET", "maxmemory", "0"]);
    hold(&store, "another");
}

#[test]
fn a_record_that_is_lost_is_lost() {
    let server = server();
    let (store, mut operator) = (connect(&server), operator(&server));
    let held = hold(&store, "key");
    assert_eq!(tell::<u64>(&mut operator, &["DEL", NAME]), 1);
    assert_eq!(answered(store.renew(vec![held.clone()], LONG)), [false]);
    assert_eq!(answered(store.complete(CompleteRequest::new(held.clone(), b"outcome".to_vec()))), Recorded::Lost);
    assert!(hold(&store, "key").token > held.token);
}

#[test]
fn a_record_that_cannot_be_read_is_neither_answered_nor_run_again() {
    let server = server();
    let (store, mut operator) = (connect(&server), operator(&server));
    let held = hold(&store, "key");
    let whole: Vec<u8> = tell(&mut operator, &["GET", NAME]);
    let with = |at: usize, byte: u8| {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        bytes
    };
    let cut = whole[..whole.len() - 1].to_vec();
    for broken in [b"".to_vec(), b"anything".to_vec(), with(0, 2), with(1, 4), with(75, b'?'), cut] {
        let written: redis::RedisResult<()> = redis::cmd("SET").arg(NAME).arg(&broken).query(&mut operator);
        assert!(written.is_ok());
        refused(block_on(store.claim(claim("key"))), "not one that this version can read");
        refused(block_on(store.peek(place("key"))), "not one that this version can read");
        refused(
            block_on(store.complete(CompleteRequest::new(held.clone(), vec![]))),
            "not one that this version can read",
        );
        refused(block_on(store.resolve(place("key"), vec![], None)), "not one that this version can read");
        assert_eq!(answered(store.renew(vec![held.clone()], LONG)), [false], "nobody can believe it");
        let still: Vec<u8> = tell(&mut operator, &["GET", NAME]);
        assert_eq!(still, broken);
    }
    assert!(answered(store.forget(place("key"))));
    hold(&store, "key");
    tell::<()>(&mut operator, &["DEL", NAME]);
    tell::<()>(&mut operator, &["RPUSH", NAME, "of another program"]);
    refused(block_on(store.claim(claim("key"))), "choose another `prefix`");
    refused(block_on(store.forget(place("key"))), "choose another `prefix`");
}

#[test]
fn stores_with_another_prefix_have_other_records() {
    let server = server();
    let (store, mut operator) = (connect(&server), operator(&server));
    let options = RedisOptions::new().prefix("shop/{eu}*");
    let Ok(other) = RedisStore::connect_with(&server.url(), &options) else { panic!("not connected") };
    hold(&store, "key");
    hold(&other, "key");
    for store in [&store, &other] {
        assert_eq!(answered(store.list("shop::pay".into(), Standing::InFlight, None, 10)).len(), 1);
    }
    let mut names: Vec<String> = tell(&mut operator, &["KEYS", "*"]);
    names.sort();
    let tokens = ["idempotently/last_token", "shop%2F{eu}*/last_token"];
    assert_eq!(names, [tokens[0], NAME, tokens[1], "shop%2F{eu}*/shop::pay/key"]);
}

#[test]
fn a_long_key_is_listed_in_its_order() {
    let server = server();
    let store = connect(&server);
    let keys = ["a".to_owned(), "k".repeat(600), "k".repeat(601), "z".to_owned()];
    for key in &keys {
        hold(&store, key);
    }
    let mut after = None;
    for key in &keys {
        let listed = answered(store.list("shop::pay".into(), Standing::InFlight, after.take(), 1));
        assert_eq!(&*listed[0].place.key, key);
        after = Some(listed[0].place.key.clone());
    }
}

#[test]
fn a_server_that_is_silent_is_an_error_in_time_and_works_when_it_speaks_again() {
    let server = server();
    let store = connect(&server);
    let held = hold(&store, "key");
    signal(&server, "-STOP");
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let started = Instant::now();
                assert!(block_on(store.claim(claim("another"))).is_err());
                assert!(started.elapsed() < PROMISED, "{:?}", started.elapsed());
            });
        }
        scope.spawn(|| {
            let started = Instant::now();
            assert!(block_on(store.complete(CompleteRequest::new(held.clone(), b"outcome".to_vec()))).is_err());
            assert!(started.elapsed() < PROMISED, "{:?}", started.elapsed());
        });
    });
    signal(&server, "-CONT");
    assert_eq!(answered(store.complete(CompleteRequest::new(held, b"outcome".to_vec()))), Recorded::Done);
}

#[test]
fn a_claim_whose_answer_was_lost_is_made_again_by_the_same_owner() {
    let server = server();
    let (store, mut operator) = (connect(&server), operator(&server));
    hold(&store, "warm");
    // Longer than an answer is waited for: the first question is run by the server, and nobody hears the answer.
    tell::<()>(&mut operator, &["CLIENT", "PAUSE", "2000", "ALL"]);
    let claimed = answered(store.claim(claim("key")));
    assert!(matches!(claimed, Claimed::Granted { attempt: 1, .. }), "{claimed:?}");
}

#[test]
fn credentials_that_are_refused_are_an_error_that_says_so_and_does_not_repeat_them() {
    let server = server();
    let mut operator = operator(&server);
    tell::<()>(&mut operator, &["CONFIG", "SET", "requirepass", "the right one"]);
    tell::<()>(&mut operator, &["ACL", "SETUSER", "reader", "on", ">its secret", "~*", "+@read", "+hello", "+client"]);
    let address = server.url().replace("redis://", "");
    let address = address.trim_end_matches('/');
    for user in ["", ":a%20secret@", "nobody:a%20secret@"] {
        let error = error_of(RedisStore::connect(&format!("redis://{user}{address}")));
        assert!(error.to_string().contains("refused the credentials"), "{error:?}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
    let Ok(store) = RedisStore::connect(&format!("redis://:the%20right%20one@{address}")) else { panic!("shut out") };
    hold(&store, "key");
    let Ok(reader) = RedisStore::connect(&format!("redis://reader:its%20secret@{address}")) else { panic!("shut out") };
    assert_eq!(reader.warnings(), [RedisWarning::EvictionUnknown]);
    refused(block_on(reader.claim(claim("key"))), "may not do this");
}

/// A user of whom a right is taken away, and where it connects.
fn user(server: &Redis, rights: &[&str]) -> String {
    let words = ["ACL", "SETUSER", "waiter", "on", ">word", "~*", "+@all"];
    tell::<()>(&mut operator(server), &[&words, rights].concat());
    server.url().replace("redis://", "redis://waiter:word@")
}

#[test]
fn a_user_that_may_not_look_is_refused_when_the_store_is_opened() {
    let server = server();
    refused(RedisStore::connect(&user(&server, &["-getrange"])), "may not do this");
    assert!(RedisStore::connect(&user(&server, &["+getrange"])).is_ok());
}

#[test]
fn a_look_that_fails_makes_no_loop_of_claims() {
    let server = server();
    let Ok(store) = RedisStore::connect(&user(&server, &[])) else { panic!("not connected") };
    let mut operator = operator(&server);
    hold(&connect(&server), "key");
    user(&server, &["-getrange"]);
    tell::<()>(&mut operator, &["CONFIG", "RESETSTAT"]);
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(2) {
        answered(store.changed(&place("key")));
        assert!(matches!(answered(store.claim(claim("key"))), Claimed::InFlight { .. }));
    }
    let claims = runs(&mut operator, "evalsha");
    assert!((1..50).contains(&claims), "{claims} claims in two seconds");
}

#[test]
fn a_replica_takes_no_claims() {
    let (primary, replica) = (server(), server());
    let store = connect(&replica);
    let port = primary.url().trim_end_matches('/').rsplit(':').next().map(str::to_owned).unwrap_or_default();
    tell::<()>(&mut operator(&replica), &["REPLICAOF", "127.0.0.1", &port]);
    refused(block_on(store.claim(claim("key"))), "read-only replica");
    tell::<()>(&mut operator(&replica), &["REPLICAOF", "NO", "ONE"]);
    hold(&store, "key");
}

#[test]
fn a_server_that_evicts_is_warned_about() {
    let server = server();
    assert_eq!(connect(&server).warnings(), [RedisWarning::NoAppendOnlyFile]);
    for policy in ["allkeys-lru", "volatile-ttl"] {
        tell::<()>(&mut operator(&server), &["CONFIG", "SET", "maxmemory-policy", policy]);
        let store = connect(&server);
        let evicts = RedisWarning::Evicts { policy: policy.into() };
        assert_eq!(store.warnings(), [evicts, RedisWarning::NoAppendOnlyFile]);
        assert!(store.warnings()[0].to_string().contains(policy));
    }
}

#[test]
fn a_server_that_writes_nothing_down_is_warned_about() {
    let server = Redis::with_arguments(&["--save", "", "--appendonly", "yes"]);
    let server = server.unwrap_or_else(|error| panic!("no server: {error:?}"));
    assert_eq!(connect(&server).warnings(), []);
    tell::<()>(&mut operator(&server), &["CONFIG", "SET", "appendonly", "no"]);
    assert_eq!(connect(&server).warnings(), [RedisWarning::NoAppendOnlyFile]);
    assert!(RedisWarning::NoAppendOnlyFile.to_string().contains("appendonly yes"));
}

#[test]
fn a_store_is_opened_and_used_inside_a_runtime() {
    let server = server();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap_or_else(|error| panic!("{error}"));
    runtime.block_on(async {
        let store = connect(&server);
        let held = hold(&store, "key");
        assert!(store.complete(CompleteRequest::new(held, b"outcome".to_vec())).await.is_ok());
        let client = redis::Client::open(server.url()).unwrap_or_else(|error| panic!("{error}"));
        let Ok(other) = RedisStore::from_client(&client, &RedisOptions::new()) else { panic!("not connected") };
        assert!(matches!(other.claim(claim("key")).await, Ok(Claimed::Completed { .. })));
    });
}

#[test]
fn a_server_that_is_not_there_is_an_error_at_once() {
    let started = Instant::now();
    let error = error_of(RedisStore::connect("redis://127.0.0.1:1"));
    assert!(error.to_string().contains("cannot be reached"), "{error:?}");
    let error = error_of(RedisStore::connect("redis+cluster://127.0.0.1:1,127.0.0.1:2"));
    assert!(error.to_string().contains("cannot be reached"), "{error:?}");
    assert!(started.elapsed() < PROMISED);
    assert!(idempotently::connect("redis://127.0.0.1:1").is_err());
}

#[test]
fn a_server_that_ends_is_an_error_in_time_and_works_when_it_is_back() {
    let mut server = server();
    let store = connect(&server);
    let held = hold(&store, "key");
    server.stop();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let started = Instant::now();
                refused(block_on(store.claim(claim("another"))), "cannot be reached");
                assert!(started.elapsed() < PROMISED, "{:?}", started.elapsed());
            });
        }
        scope.spawn(|| {
            let started = Instant::now();
            refused(
                block_on(store.complete(CompleteRequest::new(held.clone(), b"outcome".to_vec()))),
                "cannot be reached",
            );
            assert!(started.elapsed() < PROMISED, "{:?}", started.elapsed());
        });
    });
    // Who waits is told to ask, and then told what is wrong.
    answered(store.changed(&held.place));
    server.start_again().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        answered(store.complete(CompleteRequest::new(held.clone(), vec![]))),
        Recorded::Lost,
        "it kept nothing on a disk"
    );
    assert!(hold(&store, "key").token > held.token);
}

#[test]
fn a_short_absence_is_only_a_delay() {
    let mut server = server();
    let store = connect(&server);
    hold(&store, "key");
    server.stop();
    thread::scope(|scope| {
        let claiming = scope.spawn(|| hold(&store, "another"));
        server.start_again().unwrap_or_else(|error| panic!("{error}"));
        assert!(claiming.join().is_ok());
    });
}

#[test]
fn a_grant_that_nobody_heard_of_is_given_back() {
    let server = server();
    let (store, other) = (connect(&server), connect(&server));
    // From here on the server knows the script.
    hold(&store, "warm");
    let late = claim("asked again");
    signal(&server, "-STOP");
    thread::scope(|scope| {
        // Longer than it is tried: what was sent is run when the server goes on.
        scope.spawn(|| assert!(block_on(store.claim(claim("key"))).is_err()));
        scope.spawn(|| assert!(block_on(store.claim(late.clone())).is_err()));
    });
    let again = store.clone();
    let asked_again = thread::spawn(move || answered(again.claim(late)));
    signal(&server, "-CONT");
    let granted = asked_again.join().unwrap_or_else(|_| panic!("it was not answered"));
    assert!(matches!(granted, Claimed::Granted { attempt: 1, .. }), "{granted:?}");
    soon(|| matches!(answered(other.claim(claim("key"))), Claimed::Granted { attempt: 1, .. }).then_some(()));
    assert!(answered(other.peek(place("asked again"))).is_some(), "it went with the claim before");
}

#[test]
fn what_nobody_awaits_is_done_when_the_server_is_back() {
    let server = server();
    let (store, other) = (connect(&server), connect(&server));
    let (held, given_back) = (hold(&store, "key"), hold(&store, "given back"));
    signal(&server, "-STOP");
    drop(store.complete(CompleteRequest::new(held, b"outcome".to_vec())));
    drop(store.release(given_back, Release::Free));
    // Not before they were given up for the first time, which a claim that is made now is as well.
    assert!(block_on(store.claim(claim("another"))).is_err());
    signal(&server, "-CONT");
    soon(|| matches!(answered(other.claim(claim("key"))), Claimed::Completed { .. }).then_some(()));
    soon(|| matches!(answered(other.claim(claim("given back"))), Claimed::Granted { .. }).then_some(()));
}

fn adoption(key: &str, owner: u8, outcome: &[u8]) -> AdoptRequest {
    AdoptRequest::new(place(key), Owner([owner; 16]), OnInterruption::Retry, outcome.to_vec())
}

/// A claim whose lease is over by the server's clock.
fn lapsed(store: &RedisStore, key: &str) -> Hold {
    let Claim { place, owner, .. } = claim(key);
    let brief = Claim::new(place.clone(), owner, Duration::from_micros(1), OnInterruption::Retry);
    match answered(store.claim(brief)) {
        Claimed::Granted { token, .. } => Hold { place, token },
        other => panic!("the claim was to be granted, and is {other:?}"),
    }
}

#[test]
fn an_outcome_is_adopted_where_a_claim_would_be_granted() {
    let server = server();
    let store = connect(&server);
    let held = hold(&store, "key");
    let InFlight { remaining } = in_flight(answered(store.adopt(adoption("key", 200, b"late"))));
    assert!(remaining <= LONG && remaining > LONG / 2, "{remaining:?}");
    assert!(answered(store.release(held.clone(), Release::Free)));
    let request = adoption("key", 200, b"late").fingerprint(Some([7; 16]));
    assert_eq!(answered(store.adopt(request.clone())), Adopted::Recorded);
    assert_eq!(answered(store.adopt(request)), Adopted::Completed { outcome: b"late".to_vec() });
    assert_eq!(answered(store.adopt(adoption("key", 201, b"other"))), Adopted::Mismatch);
    let seen = answered(store.peek(place("key"))).map(|seen| (seen.standing, seen.attempt, seen.token > held.token));
    assert_eq!(seen, Some((Standing::Completed, 1, true)));
    assert_eq!(answered(store.claim(claim("key"))), Claimed::Mismatch);
    let same = claim("key").fingerprint(Some([7; 16]));
    assert_eq!(answered(store.claim(same)), Claimed::Completed { outcome: b"late".to_vec() });
}

struct InFlight {
    remaining: Duration,
}

#[track_caller]
fn in_flight(adopted: Adopted) -> InFlight {
    match adopted {
        Adopted::InFlight { remaining } => InFlight { remaining },
        other => panic!("another holder has the key, but {other:?}"),
    }
}

#[test]
fn a_lapsed_lease_is_adopted_or_interrupted_as_the_caller_says() {
    let server = server();
    let (store, mut operator) = (connect(&server), operator(&server));
    lapsed(&store, "key");
    let second = lapsed(&store, "key");
    let careful = AdoptRequest::new(place("key"), Owner([200; 16]), OnInterruption::RetryUpTo(2), b"late".to_vec());
    assert_eq!(answered(store.adopt(careful.retention(Some(LONG)))), Adopted::Recorded);
    assert!(tell::<i64>(&mut operator, &["PTTL", NAME]) > 0, "its retention is over some time");
    let seen = answered(store.peek(place("key"))).map(|seen| (seen.attempt, seen.token > second.token));
    assert_eq!(seen, Some((2, true)));
    assert_eq!(
        answered(store.complete(CompleteRequest::new(second, b"later".to_vec()))),
        Recorded::Superseded { outcome: b"late".to_vec() }
    );
    lapsed(&store, "unknown");
    let careful = AdoptRequest::new(place("unknown"), Owner([200; 16]), OnInterruption::Fail, b"late".to_vec());
    assert_eq!(answered(store.adopt(careful)), Adopted::Interrupted);
    assert_eq!(answered(store.adopt(adoption("unknown", 200, b"late"))), Adopted::Interrupted);
    let seen = answered(store.peek(place("unknown"))).map(|seen| seen.standing);
    assert_eq!(seen, Some(Standing::Interrupted));
}

#[test]
fn of_many_adoptions_one_is_recorded_and_the_others_get_its_outcome() {
    let server = server();
    let stores = [connect(&server), connect(&server)];
    for round in 0..20 {
        let key = round.to_string();
        let adopting: Vec<_> =
            (0..8_u8).map(|owner| stores[usize::from(owner % 2)].adopt(adoption(&key, owner, &[owner]))).collect();
        let answers: Vec<Adopted> = adopting.into_iter().map(answered).collect();
        let recorded: Vec<usize> =
            answers.iter().enumerate().filter(|(_, one)| **one == Adopted::Recorded).map(|(owner, _)| owner).collect();
        let [winner] = recorded[..] else { panic!("{answers:?}") };
        let outcome = vec![u8::try_from(winner).unwrap_or(u8::MAX)];
        assert_eq!(answers.iter().filter(|one| **one == Adopted::Completed { outcome: outcome.clone() }).count(), 7);
    }
}

#[test]
fn an_adoption_wakes_who_waits_and_is_written_on_a_full_server() {
    let server = server();
    let (store, mut operator) = (connect(&server), operator(&server));
    lapsed(&store, "key");
    let woken = watch(&store, &mut operator);
    tell::<()>(&mut operator, &["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(answered(store.adopt(adoption("key", 200, &[7; 10_000]))), Adopted::Recorded);
    assert!(woken.recv_timeout(PATIENCE).is_ok());
    assert_eq!(answered(store.adopt(adoption("new", 200, &[7; 10_000]))), Adopted::Recorded);
}

#[test]
fn an_adoption_that_nobody_awaits_is_done_when_the_server_is_back() {
    let server = server();
    let (store, other) = (connect(&server), connect(&server));
    hold(&store, "warm");
    signal(&server, "-STOP");
    drop(store.adopt(adoption("key", 200, b"late")));
    // It is given up for the first time before a claim that is made now.
    assert!(block_on(store.claim(claim("another"))).is_err());
    signal(&server, "-CONT");
    // A claim would take the key before the adoption comes.
    soon(|| answered(other.peek(place("key"))).filter(|seen| seen.outcome.as_deref() == Some(b"late")));
}

#[test]
fn a_call_that_failed_can_be_made_again_at_once() {
    static AGAIN: Operation =
        Operation::new("tests.redis.again").in_flight(InFlightPolicy::Reject).interrupted(OnInterruption::Fail);
    type Failure = Box<dyn std::error::Error + Send + Sync>;
    let server = server();
    let store = SharedStore::new(connect(&server));
    let in_flight = (0..200_u64).filter(|&key| {
        let call = async |fails: bool| {
            let body = async || if fails { Err(Failure::from("it failed")) } else { Ok(key) };
            AGAIN.call(&key).store(&store).try_run_async(body).await
        };
        let (failed, again) = block_on(async { (call(true).await, call(false).await) });
        assert!(failed.is_err_and(|error| error.to_string() == "it failed"));
        let error = again.err().and_then(|error| error.downcast::<idempotently::Error>().ok());
        error.is_some_and(|error| error.kind() == ErrorKind::InFlight)
    });
    assert_eq!(in_flight.count(), 0, "of 200 calls after a failure");
}

/// A caller's waker that has a bug.
#[derive(Default)]
struct Panics(AtomicU64);

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
        panic!("the caller's waker");
    }
}

#[test]
fn a_waker_that_panics_ends_no_thread() {
    let server = server();
    let store = connect(&server);
    let held = hold(&store, "key");
    let panics = Arc::new(Panics::default());
    let waker = Waker::from(panics.clone());
    let called = || panics.0.load(Ordering::Relaxed);
    signal(&server, "-STOP");
    // A timer wakes who waits for a server that is silent, on the thread of all connections.
    let mut asked = store.claim(claim("another"));
    assert!(asked.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    soon(|| (called() > 0).then_some(()));
    signal(&server, "-CONT");
    drop(asked);
    let before = called();
    let mut changed = store.changed(&held.place);
    assert!(changed.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let (ended, end) = mpsc::channel();
    let used = store.clone();
    thread::spawn(move || {
        let second = used.changed(&held.place);
        assert_eq!(answered(used.complete(CompleteRequest::new(held, b"outcome".to_vec()))), Recorded::Done);
        answered(second);
        let _ = ended.send(answered(used.claim(claim("key"))));
    });
    assert_eq!(end.recv_timeout(PATIENCE), Ok(Claimed::Completed { outcome: b"outcome".to_vec() }));
    assert!(called() > before);
}

/// Microseconds, by which a clock is stepped.
const HOUR: i64 = 3_600_000_000;

#[test]
fn tokens_grow_although_the_clock_was_set_back_while_the_server_was_down() {
    let clock = SteppedClock::new().unwrap_or_else(|error| panic!("no clock: {error}"));
    let kept = ["--save", "", "--appendonly", "yes", "--appendfsync", "always"];
    let mut server = Redis::with_clock(&kept, &clock).unwrap_or_else(|error| panic!("no server: {error:?}"));
    let store = connect(&server);
    let mut last = 0;
    let mut grows = |token: u64, what: &str| {
        assert!(token > last, "{what}: {token} after {last}");
        last = token;
    };
    let freed = hold(&store, "key");
    grows(freed.token, "a first claim");
    assert!(answered(store.release(freed, Release::Free)));
    server.stop();
    clock.step_to(-HOUR).unwrap_or_else(|error| panic!("{error}"));
    server.start_again().unwrap_or_else(|error| panic!("{error}"));
    let held = hold(&store, "key");
    grows(held.token, "after the release and the restart");
    assert!(answered(store.release(held, Release::Interrupt)));
    assert!(answered(store.forget(place("key"))));
    clock.step_to(-2 * HOUR).unwrap_or_else(|error| panic!("{error}"));
    grows(hold(&store, "key").token, "after it was forgotten");
    assert!(answered(store.forget(place("key"))));
    clock.step_to(-3 * HOUR).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(answered(store.adopt(adoption("key", 200, b"late"))), Adopted::Recorded);
    grows(answered(store.peek(place("key"))).map_or(0, |seen| seen.token), "an adoption");
    assert!(answered(store.forget(place("key"))));
    grows(hold(&store, "key").token, "after the adoption");
}

/// A store on a cluster, which keeps the rules that depend on where a record lies.
#[test]
fn a_cluster_keeps_records_on_all_of_its_servers() {
    let cluster = RedisCluster::start().unwrap_or_else(|error| panic!("no cluster: {error}"));
    let nodes: Vec<String> = cluster.urls().iter().map(|url| url.replace("redis://", "")).collect();
    let connect = || {
        let url = format!("redis+cluster://{}", nodes[..2].join(","));
        RedisStore::connect(&url).unwrap_or_else(|error| panic!("not connected: {error:?}"))
    };
    let (store, other) = (connect(), connect());
    assert_eq!(store.warnings(), [RedisWarning::NoAppendOnlyFile]);
    let mut keys: Vec<String> = (0..100).map(|key| format!("key {key} {{of}} one tag")).collect();
    keys.sort();
    let holds: Vec<Hold> = keys.iter().map(|key| hold(&store, key)).collect();
    assert!(answered(other.renew(holds.clone(), LONG)).into_iter().all(|held| held));
    let listed = answered(other.list("shop::pay".into(), Standing::InFlight, None, 1000));
    assert_eq!(listed.iter().map(|seen| seen.place.key.to_string()).collect::<Vec<_>>(), keys);
    for url in cluster.urls() {
        let Ok(mut operator) = redis::Client::open(url).and_then(|client| client.get_connection()) else {
            panic!("not connected")
        };
        assert!(tell::<u64>(&mut operator, &["DBSIZE"]) > 10, "the braces of a key choose its server");
    }
    for held in holds.iter().take(20) {
        let changed = other.changed(&held.place);
        assert_eq!(
            answered(store.complete(CompleteRequest::new(held.clone(), b"outcome".to_vec()).retention(Some(LONG)))),
            Recorded::Done
        );
        answered(changed);
        let replayed = answered(other.claim(claim(&held.place.key)));
        assert_eq!(replayed, Claimed::Completed { outcome: b"outcome".to_vec() });
    }
    refused(RedisStore::connect(&cluster.urls()[0]).and_then(|one| every(&one, &keys)), "write `redis+cluster://`");
}

fn every(store: &RedisStore, keys: &[String]) -> Result<(), StoreError> {
    keys.iter().try_for_each(|key| block_on(store.claim(claim(key))).map(drop))
}
