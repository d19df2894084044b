//! A client that writes what it is told, byte by byte: also what no library would send.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long something may take that is not about time.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks at what tells nobody that it has changed.
const PAUSE: Duration = Duration::from_millis(5);

/// What must come soon.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it does not come")
}

/// A request that can be sent again.
#[derive(Clone)]
pub(crate) struct Ask {
    line: String,
    headers: Vec<u8>,
    body: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Ask {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self { line: format!("{method} {path} HTTP/1.1\r\n"), headers: Vec::new(), body: Vec::new() }
            .header("host", "shop.example")
            .header("connection", "close")
    }

    pub(crate) fn post(path: &str) -> Self {
        Self::new("POST", path)
    }

    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.extend_from_slice(name.as_bytes());
        self.headers.extend_from_slice(b": ");
        self.headers.extend_from_slice(value.as_ref());
        self.headers.extend_from_slice(b"\r\n");
        self
    }

    pub(crate) fn key(self, key: impl AsRef<[u8]>) -> Self {
        self.header("Idempotency-Key", key)
    }

    pub(crate) fn by(self, who: &str) -> Self {
        self.header("authorization", format!("Bearer {who}"))
    }

    pub(crate) fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        let length = self.body.len().to_string();
        self.header("content-length", length)
    }

    /// In pieces, so that its length is not told beforehand.
    pub(crate) fn chunked(mut self, pieces: &[&[u8]]) -> Self {
        for piece in pieces {
            self.body.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            self.body.extend_from_slice(piece);
            self.body.extend_from_slice(b"\r\n");
        }
        self.body.extend_from_slice(b"0\r\n\r\n");
        self.header("transfer-encoding", "chunked")
    }

    fn head(&self) -> Vec<u8> {
        [self.line.as_bytes(), &self.headers, b"\r\n"].concat()
    }

    /// A connection on which the request was written.
    pub(crate) async fn open(&self, address: SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&self.head()).await.unwrap();
        // A server that refuses early may have closed already.
        let _ = stream.write_all(&self.body).await;
        stream
    }

    /// A connection on which the head and only this much of the body was written.
    pub(crate) async fn open_partly(&self, address: SocketAddr, bytes: usize) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&self.head()).await.unwrap();
        stream.write_all(&self.body[..bytes]).await.unwrap();
        stream
    }

    /// Sends it; nothing where the connection ends without an answer.
    pub(crate) async fn try_send(&self, address: SocketAddr) -> Option<Reply> {
        let reply = Reply::read(&mut self.open(address).await).await?;
        if !self.line.starts_with("HEAD") {
            reply.check_length();
        }
        Some(reply)
    }

    /// Sends it again until no earlier one with its key is being worked on.
    pub(crate) async fn send_until_answered(&self, address: SocketAddr) -> Reply {
        soon(async {
            loop {
                let reply = self.send(address).await;
                if reply.status != 409 || reply.problem() != "in-flight" {
                    return reply;
                }
                tokio::time::sleep(PAUSE).await;
            }
        })
        .await
    }

    pub(crate) async fn send(&self, address: SocketAddr) -> Reply {
        self.try_send(address).await.unwrap()
    }
}

/// Reads until there is this.
pub(crate) async fn read_until(stream: &mut TcpStream, text: &[u8]) -> Vec<u8> {
    let mut read = Vec::new();
    while !read.windows(text.len()).any(|window| window == text) {
        let mut more = [0; 1024];
        let length = soon(stream.read(&mut more)).await.unwrap();
        assert!(length > 0, "the connection ended: {}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&more[..length]);
    }
    read
}

impl Reply {
    /// The answer on a connection that ends with it.
    pub(crate) async fn read(stream: &mut TcpStream) -> Option<Self> {
        let mut bytes = Vec::new();
        // A reset after the answer is no concern of ours.
        let _ = soon(stream.read_to_end(&mut bytes)).await;
        Self::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let mut lines = bytes[..end].split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let status = std::str::from_utf8(lines.next()?).unwrap().split(' ').nth(1)?.parse().unwrap();
        let header = |line: &[u8]| {
            let colon = line.iter().position(|byte| *byte == b':').unwrap();
            (String::from_utf8_lossy(&line[..colon]).to_lowercase(), line[colon + 1..].trim_ascii().to_vec())
        };
        let mut reply = Self { status, headers: lines.map(header).collect(), body: bytes[end + 4..].to_vec() };
        if reply.header("transfer-encoding") == Some("chunked") {
            reply.body = unchunked(&reply.body);
        }
        Some(reply)
    }

    fn check_length(&self) {
        if let Some(length) = self.header("content-length") {
            assert_eq!(length, self.body.len().to_string(), "its length is right");
        }
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&[u8]> {
        self.headers.iter().filter(|header| header.0 == name).map(|header| &header.1[..]).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().map(|value| std::str::from_utf8(value).unwrap())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn is_replayed(&self) -> bool {
        self.header("idempotent-replayed") == Some("true")
    }

    /// The problem that it is, by the last part of its type.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.text());
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["status"], self.status);
        assert!(!problem["title"].as_str().unwrap().is_empty() && !problem["detail"].as_str().unwrap().is_empty());
        let uri = problem["type"].as_str().unwrap();
        assert_eq!(self.header("link"), Some(&*format!("<{uri}>; rel=\"describedby\"; type=\"text/html\"")));
        uri.rsplit_once('#').unwrap().1.to_owned()
    }
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|window| window == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            return whole;
        }
        whole.extend_from_slice(&body[end + 2..end + 2 + length]);
        body = &body[end + 4 + length..];
    }
    panic!("it broke off after {} bytes", whole.len());
}
