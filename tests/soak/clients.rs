//! 64 clients who share their keys, and hang up at any moment.

use crate::connection::{Connection, Reply, post};
use crate::server::{INJECTED, RETENTION};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const CLIENTS: u64 = 64;
/// How many keys are used in a second: as many on a slow machine as on a fast one, so that they need the same room.
const KEYS: u64 = 250;

pub(crate) struct Load {
    address: SocketAddr,
    generations: AtomicU64,
    seen: Arc<Mutex<Seen>>,
}

/// What the clients saw.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) first: u64,
    pub(crate) replayed: u64,
    pub(crate) in_flight: u64,
    pub(crate) reused: u64,
    pub(crate) injected: u64,
    /// After sending, half way through the body, before reading.
    pub(crate) resets: [u64; 3],
    /// Every text that was the answer to a key.
    pub(crate) answers: BTreeMap<String, BTreeSet<String>>,
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { first, replayed, in_flight, reused, injected, resets, .. } = self;
        write!(
            f,
            "{first} first, {replayed} replayed, {in_flight} in flight, {reused} reused, {injected} injected, {resets:?} resets"
        )
    }
}

impl Load {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, generations: AtomicU64::new(0), seen: Arc::default() }
    }

    /// All clients at once, for so long.
    pub(crate) async fn run(&self, span: Duration) {
        let began = Instant::now();
        // No key of an earlier run comes again.
        let first = self.generations.load(Ordering::Relaxed);
        let mut clients = JoinSet::new();
        for number in 1..=CLIENTS {
            let client = Client {
                address: self.address,
                seen: self.seen.clone(),
                // Another one in each run, and the same in each test.
                random: (first + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_mul(number),
                connection: None,
            };
            clients.spawn(client.run(began, first, span));
        }
        while let Some(client) = clients.join_next().await {
            client.unwrap();
        }
        self.generations.store(first + began.elapsed().as_secs() + 2, Ordering::Relaxed);
    }

    pub(crate) fn ended(&self) -> Seen {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

struct Client {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    random: u64,
    connection: Option<Connection>,
}

impl Client {
    /// Numbers that look random.
    fn next(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    async fn connected(&mut self) -> Connection {
        match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(self.address).await,
        }
    }

    async fn run(mut self, began: Instant, first: u64, span: Duration) {
        while began.elapsed() < span {
            // Each second has its keys, so that what comes late still comes in the time that its record is kept.
            let generation = first + began.elapsed().as_secs();
            let number = self.next() % KEYS;
            // A second that is in flight waits in one half of the keys, and is refused in the other.
            let path = if number.is_multiple_of(2) { "/orders" } else { "/orders/wait" };
            let key = format!("key-{generation}-{number}");
            match self.next() % 16 {
                0 => self.reset_after_sending(path, &key).await,
                1 => self.reset_half_way(path, &key).await,
                2 => self.reset_before_reading(path, &key).await,
                3 => self.another_body(path, &key).await,
                _ => drop(self.order(path, &key).await),
            }
        }
    }

    async fn reset_after_sending(&mut self, path: &str, key: &str) {
        let mut connection = self.connected().await;
        connection.write(&post(path, key, &body(key))).await;
        connection.reset();
        self.seen.lock().unwrap().resets[0] += 1;
    }

    async fn reset_half_way(&mut self, path: &str, key: &str) {
        let mut connection = self.connected().await;
        let (request, body) = (post(path, key, &body(key)), body(key));
        connection.write(&request[..request.len() - body.len() / 2]).await;
        connection.reset();
        self.seen.lock().unwrap().resets[1] += 1;
    }

    async fn reset_before_reading(&mut self, path: &str, key: &str) {
        let mut connection = self.connected().await;
        connection.write(&post(path, key, &body(key))).await;
        connection.readable().await;
        connection.reset();
        self.seen.lock().unwrap().resets[2] += 1;
    }

    /// The key with its own body, and once it has an answer with another one.
    async fn another_body(&mut self, path: &str, key: &str) {
        let sent = Instant::now();
        if self.order(path, key).await.status != 201 {
            return;
        }
        let mut connection = self.connected().await;
        let reply = connection.ask(&post(path, key, "something else")).await;
        self.connection = Some(connection);
        match reply.status {
            422 => self.seen.lock().unwrap().reused += 1,
            // On a machine that stood still for so long, the answer may be gone before the other body came.
            _ => assert!(sent.elapsed() >= RETENTION, "{reply:?}"),
        }
    }

    async fn order(&mut self, path: &str, key: &str) -> Reply {
        let mut connection = self.connected().await;
        let reply = connection.ask(&post(path, key, &body(key))).await;
        self.connection = Some(connection);
        self.note(key, &reply);
        reply
    }

    /// Every answer is one of those that there may be.
    fn note(&self, key: &str, reply: &Reply) {
        let mut seen = self.seen.lock().unwrap();
        match (reply.status, reply.header("idempotent-replayed"), reply.header(INJECTED)) {
            (201, replayed, None) => {
                *(if replayed.is_some() { &mut seen.replayed } else { &mut seen.first }) += 1;
                seen.answers.entry(key.to_owned()).or_default().insert(reply.body.clone());
            }
            (409, None, None) if reply.body.contains("#in-flight") => seen.in_flight += 1,
            (500 | 503, None, Some(_)) => seen.injected += 1,
            _ => panic!("{key}: {reply:?}"),
        }
    }
}

/// What belongs to a key.
fn body(key: &str) -> String {
    format!("{{\"order\":\"{key}\",\"for\":\"{}\"}}", "lift ".repeat(40))
}
