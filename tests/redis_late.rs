//! Claims that reach Redis after they were given up, or were asked again on another connection. What is under way is the
//! whole process's, so this is a program of its own.

#![cfg(feature = "redis")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use futures_lite::future::{block_on, poll_once};
use idempotent_servers::{Passing, Proxy, Redis};
use idempotently::backend::redis::{RedisOptions, RedisStore, redis};
use idempotently::record::{OnInterruption, Owner};
use idempotently::store::{Claim, Claimed, Hold, Place, Release, Standing, Store};
use idempotently::{Shutdown, blocking};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const LEASE: Duration = Duration::from_hours(1);
/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);
const BRIEF: Duration = Duration::from_millis(50);
/// How long an answer is waited for; a request is given up after two and a half times as long.
const ANSWER: Duration = Duration::from_millis(800);

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(blocking::shutdown(LONG), Shutdown::default(), "an earlier test left something behind");
    guard
}

/// Where requests are stranded.
#[derive(Default)]
struct Straits {
    /// Those of the connections up to this one.
    stranded: Mutex<usize>,
    changed: Condvar,
}

impl Straits {
    fn strand(&self, connections: usize) {
        *self.stranded.lock().unwrap() = connections;
        self.changed.notify_all();
    }

    fn pass(&self, connection: usize) {
        drop(self.changed.wait_while(self.stranded.lock().unwrap(), |stranded| connection <= *stranded).unwrap());
    }
}

/// A store, and the way to its server.
struct Scene {
    store: RedisStore,
    direct: RedisStore,
    operator: Mutex<redis::Connection>,
    straits: Arc<Straits>,
    proxy: Proxy,
    _server: Redis,
    _alone: MutexGuard<'static, ()>,
}

impl Scene {
    fn new() -> Self {
        let alone = alone();
        let server = Redis::start().unwrap();
        let (proxy, straits) = (Proxy::to(server.port()).unwrap(), Arc::new(Straits::default()));
        let passed = straits.clone();
        proxy.attend(move |connection, passing, _| {
            if passing == Passing::Request {
                passed.pass(connection);
            }
            true
        });
        let url = format!("redis://127.0.0.1:{}", proxy.port());
        let store = RedisStore::connect_with(&url, &RedisOptions::new().response_timeout(ANSWER)).unwrap();
        let operator = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
        let direct = RedisStore::connect(&server.url()).unwrap();
        let operator = Mutex::new(operator);
        let scene = Self { store, direct, operator, straits, proxy, _server: server, _alone: alone };
        // So that the server knows the script, and the store the server's clock.
        granted(&scene.store, "warm");
        scene
    }

    /// What is asked by the connections that there are is on its way until it is delivered; later ones are not concerned.
    fn strand(&self) {
        self.straits.strand(self.proxy.connections());
    }

    /// The same for all connections, also later ones.
    fn strand_all(&self) {
        self.straits.strand(usize::MAX);
    }

    /// What was stranded arrives.
    fn deliver(&self) {
        self.straits.strand(0);
    }

    /// How many verbs were carried out: each asks what time it is.
    fn carried_out(&self) -> u64 {
        let mut operator = self.operator.lock().unwrap();
        let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut *operator).unwrap();
        let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_time:calls="));
        line.and_then(|line| line.split(',').next()?.parse().ok()).unwrap_or(0)
    }

    fn standing(&self, key: &str) -> Option<Standing> {
        block_on(self.direct.peek(place(key))).unwrap().map(|seen| seen.standing)
    }
}

fn place(key: &str) -> Place {
    Place { scope: "shop::pay".into(), key: key.into() }
}

fn claim(key: &str) -> Claim {
    Claim::new(place(key), Owner([1; 16]), LEASE, OnInterruption::Fail)
}

#[track_caller]
fn granted(store: &RedisStore, key: &str) -> Hold {
    match block_on(store.claim(claim(key))).unwrap() {
        Claimed::Granted { token, attempt: 1 } => Hold { place: place(key), token },
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn soon(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < LONG, "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[track_caller]
fn assert_one_is_left() {
    let left = blocking::shutdown(BRIEF);
    assert_eq!((left.bodies, left.unrecorded, left.releases), (0, 0, 1));
}

#[test]
fn a_claim_that_arrives_after_its_key_was_given_back_is_not_granted() {
    let scene = Scene::new();
    scene.strand_all();
    let before = scene.carried_out();
    assert!(block_on(scene.store.claim(claim("k"))).is_err());
    assert_one_is_left();
    // A connection that is made now comes through, and with it the question what became of the claim.
    scene.strand();
    soon("nothing is given back", || scene.carried_out() > before);
    assert!(blocking::shutdown(LONG).is_complete());
    let before = scene.carried_out();
    scene.deliver();
    soon("the claim never arrives", || scene.carried_out() > before);
    assert_eq!(scene.standing("k"), None, "it was granted to nobody");
    granted(&scene.store, "k");
}

/// Asks for a key; what was asked is stranded, and asked again on another connection.
fn granted_again(scene: &Scene, key: &str) -> Hold {
    scene.strand();
    let hold = granted(&scene.store, key);
    assert_one_is_left();
    hold
}

#[test]
fn a_claim_that_arrives_after_it_was_asked_again_takes_nothing_from_its_holder() {
    let scene = Scene::new();
    let hold = granted_again(&scene, "k");
    let before = scene.carried_out();
    scene.deliver();
    soon("the claim never arrives", || scene.carried_out() > before);
    assert!(blocking::shutdown(LONG).is_complete());
    assert_eq!(block_on(scene.direct.renew(vec![hold], LEASE)).unwrap(), [true]);
}

#[test]
fn a_claim_that_arrives_after_its_holder_has_gone_is_given_back() {
    let scene = Scene::new();
    let hold = granted_again(&scene, "k");
    assert!(block_on(scene.store.release(hold, Release::Free)).unwrap());
    let before = scene.carried_out();
    scene.deliver();
    soon("the claim never arrives", || scene.carried_out() > before);
    // It may have been granted again; that is found out when no other one can arrive.
    assert!(blocking::shutdown(LONG).is_complete());
    assert_eq!(scene.standing("k"), None);
}

#[test]
fn a_claim_that_was_dropped_on_its_way_is_given_back_before_the_end() {
    let scene = Scene::new();
    scene.strand();
    let before = scene.carried_out();
    let mut asking = scene.store.claim(claim("k"));
    assert!(block_on(poll_once(&mut asking)).is_none());
    drop(asking);
    assert_one_is_left();
    scene.deliver();
    assert!(blocking::shutdown(LONG).is_complete());
    assert!(scene.carried_out() > before, "it did not arrive");
    assert_eq!(scene.standing("k"), None);
}
