//! A client that costs little: connections that are kept, on a thread of their own, with one request after the other.

use super::super::caller::Random;
use super::super::{Effort, Work, must};
use crate::measure::{Contender, exact};
use std::cell::RefCell;
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

/// As long as a UUID.
const KEY: usize = 36;
const BODY: &str = "{\"product\":\"lift\",\"cents\":1299,\"currency\":\"EUR\"}";

/// The client of one server.
pub(super) struct Client {
    runtime: Runtime,
    address: SocketAddr,
    has_layer: bool,
    known: u64,
    turn: Duration,
}

impl Client {
    pub(super) fn new(address: SocketAddr, has_layer: bool, effort: &Effort) -> Self {
        let runtime = must("no runtime", Builder::new_current_thread().enable_all().build());
        Self { runtime, address, has_layer, known: effort.keys, turn: effort.turn }
    }

    /// Orders with every key that is replayed later.
    pub(super) fn order_all_known(&self) {
        self.runtime.block_on(async {
            let mut connection = Connection::open(self.address).await;
            for key in 0..self.known {
                connection.order(key).await;
            }
        });
    }

    /// One whose turns last as long as they should, with so many connections.
    pub(super) fn contender(&self, name: &'static str, (work, connections): (Work, u64)) -> Contender<'_> {
        let open = self.runtime.block_on(async {
            let mut open = Vec::new();
            for _ in 0..connections {
                open.push(Connection::open(self.address).await);
            }
            open
        });
        let open = RefCell::new(open);
        self.turn(&open, work, self.turn / 8);
        Contender::timed(name, move |_| self.turn(&open, work, self.turn))
    }

    /// How much time there is for each request that the connections make in a turn.
    fn turn(&self, open: &RefCell<Vec<Connection>>, work: Work, span: Duration) -> Duration {
        let replayed = self.has_layer && work == Work::Replay;
        let known = if work == Work::Replay { self.known } else { u64::MAX };
        let start = Instant::now();
        let made = self.runtime.block_on(async {
            let tasks: Vec<_> = open
                .take()
                .into_iter()
                .map(|mut connection| {
                    tokio::spawn(async move {
                        let mut made = 0;
                        while made == 0 || start.elapsed() < span {
                            let key = connection.random.next() % known;
                            let told = connection.order(key).await;
                            assert_eq!(told, replayed, "whether it says that it is a replay");
                            made += 1;
                        }
                        (connection, made)
                    })
                })
                .collect();
            let mut all = 0;
            for task in tasks {
                let (connection, made) = must("a connection failed", task.await);
                open.borrow_mut().push(connection);
                all += made;
            }
            all
        });
        start.elapsed().div_f64(exact(made))
    }
}

/// A connection, with a request in which only the key changes.
struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    key_at: usize,
    answer: Vec<u8>,
    random: Random,
}

impl Connection {
    async fn open(address: SocketAddr) -> Self {
        let stream = must("not connected", TcpStream::connect(address).await);
        must("not connected", stream.set_nodelay(true));
        let head = "POST /orders HTTP/1.1\r\nhost: shop.example\r\nauthorization: Bearer alice\r\nidempotency-key: ";
        let blank = " ".repeat(KEY);
        let length = BODY.len();
        let request =
            format!("{head}{blank}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{BODY}");
        let (answer, random) = (Vec::with_capacity(1024), Random::new());
        Self { stream, request: request.into_bytes(), key_at: head.len(), answer, random }
    }

    /// Whether the answer, which must be a good one, says that it is an earlier one.
    async fn order(&mut self, key: u64) -> bool {
        let mut place = &mut self.request[self.key_at..][..KEY];
        must("no key", write!(place, "{:08x}-0000-4000-8000-{:012x}", key >> 48, key & 0xffff_ffff_ffff));
        must("not sent", self.stream.write_all(&self.request).await);
        self.answer.clear();
        loop {
            assert!(must("no answer", self.stream.read_buf(&mut self.answer).await) > 0, "it hung up");
            let Some(head) = find(&self.answer, b"\r\n\r\n") else { continue };
            let (head, body) = (&self.answer[..head], &self.answer[head + 4..]);
            assert!(head.starts_with(b"HTTP/1.1 201 "), "{}", String::from_utf8_lossy(&self.answer));
            if body.len() >= length(head) {
                return find(head, b"\r\nidempotent-replayed: true").is_some();
            }
        }
    }
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    let mut from = 0;
    // Few bytes are the first of what is looked for.
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == text[0]) {
        if bytes[from + at..].starts_with(text) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

fn length(head: &[u8]) -> usize {
    let name = b"\r\ncontent-length: ";
    let Some(at) = find(head, name) else { panic!("its length is not told") };
    let digits = head[at + name.len()..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'))
}
