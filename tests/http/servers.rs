//! On the servers that records are kept on.

use crate::client::{read_until, soon};
use crate::shop::{Shop, layer};
use idempotently::{SharedStore, connect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The next answer on a connection, whole, so that nothing of it is left for the one after it.
async fn answer(stream: &mut TcpStream) -> String {
    let mut read = read_until(stream, b"\r\n\r\n").await;
    let text = String::from_utf8_lossy(&read).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut missing = vec![0; length.parse::<usize>().unwrap() - body.len()];
    soon(stream.read_exact(&mut missing)).await.unwrap();
    read.append(&mut missing);
    String::from_utf8(read).unwrap()
}

/// A failure gave the key back before its client was told: the next request on the same connection runs.
async fn the_key_is_free_once_the_failure_is_told(store: SharedStore) {
    const ROUNDS: usize = 50;
    let shop = Shop::with(layer(&store)).await;
    let mut stream = TcpStream::connect(shop.address).await.unwrap();
    let request = "POST /status/502 HTTP/1.1\r\nhost: shop.example\r\nauthorization: Bearer alice\r\n\
                   idempotency-key: k\r\ncontent-length: 0\r\n\r\n";
    for round in 1..=ROUNDS {
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 502"), "{round}: {answer}");
        assert_eq!(shop.sold(), round, "the handler runs each time");
    }
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn a_failure_frees_the_key_on_postgres() {
    let server = idempotent_servers::Postgres::start().unwrap();
    the_key_is_free_once_the_failure_is_told(connect(&server.url()).unwrap()).await;
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn a_failure_frees_the_key_on_redis() {
    let server = idempotent_servers::Redis::start().unwrap();
    the_key_is_free_once_the_failure_is_told(connect(&server.url()).unwrap()).await;
}
