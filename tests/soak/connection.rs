//! A connection that is kept from one request to the next, until it is reset.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut pairs = self.head.lines().filter_map(|line| line.split_once(": "));
        pairs.find(|pair| pair.0 == name).map(|pair| pair.1)
    }
}

/// A request in full.
pub(crate) fn post(path: &str, key: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: shop.example\r\nauthorization: Bearer alice\r\nidempotency-key: {key}\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), read: Vec::new() }
    }

    /// Writes these bytes.
    pub(crate) async fn write(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Waits until the answer has begun to come.
    pub(crate) async fn readable(&self) {
        tokio::time::timeout(PATIENCE, self.stream.readable()).await.expect("no answer").unwrap();
    }

    /// Ends it as a crash does: with a reset, and whatever came in unread.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }

    pub(crate) async fn ask(&mut self, request: &str) -> Reply {
        self.write(request).await;
        self.read.clear();
        loop {
            let reading = self.stream.read_buf(&mut self.read);
            let length = tokio::time::timeout(PATIENCE, reading).await.expect("no answer").unwrap();
            assert!(length > 0, "it hung up after {:?}", String::from_utf8_lossy(&self.read));
            if let Some(reply) = parse(&self.read) {
                return reply;
            }
        }
    }
}

/// An answer that has come in whole.
fn parse(read: &[u8]) -> Option<Reply> {
    let (head, body) = std::str::from_utf8(read).ok()?.split_once("\r\n\r\n")?;
    let (line, head) = head.split_once("\r\n").unwrap();
    let status = line.split(' ').nth(1).unwrap().parse().unwrap();
    let reply = Reply { status, head: head.to_owned(), body: body.to_owned() };
    let length: usize = reply.header("content-length").expect("a length").parse().unwrap();
    (body.len() >= length).then_some(reply)
}
