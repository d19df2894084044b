//! How much is worked on at once, and that one caller does not take the places of the others.

use crate::client::{Ask, Reply, soon};
use crate::shop::{Shop, Till, layer, memory, order, routes};
use crate::store::Line;
use crate::worker::Worker;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use http_body_util::BodyExt;
use idempotently::InFlight;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const MEBIBYTE: usize = 1024 * 1024;
/// As many as the layer works on at once, unless told otherwise.
const CROWD: usize = 1024;

fn loris(path: &str, key: usize) -> Ask {
    Ask::post(path).by("loris").key(format!("k-{key}"))
}

/// Another caller's replay, and a first call.
async fn others_are_served(shop: &Shop, first: &Reply) {
    let again = soon(shop.send(&order("k"))).await;
    assert_eq!((again.status, again.is_replayed()), (201, true), "{}", again.text());
    assert_eq!(again.body, first.body);
    let new = soon(shop.send(&order("k-new"))).await;
    assert_eq!((new.status, new.is_replayed()), (201, false), "{}", new.text());
}

/// Memory of this process in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// A connection on which the head and this much of a body of 1 MiB was sent.
async fn stall(address: SocketAddr, key: usize, bytes: &'static [u8]) -> TcpStream {
    let head = loris("/orders", key).header("content-length", MEBIBYTE.to_string());
    let mut stream = head.open(address).await;
    // A server that refuses has closed already.
    let _ = stream.write_all(bytes).await;
    stream
}

/// A shop that counts the requests that were answered, or of which this many bytes were read.
async fn counting(bytes: usize) -> (Shop, Arc<Semaphore>) {
    let settled = Arc::new(Semaphore::new(0));
    let permits = settled.clone();
    let count = move |request: Request, next: Next| {
        let (permits, is_settled) = (permits.clone(), AtomicBool::new(false));
        let settle = Arc::new(move || {
            if !is_settled.swap(true, Ordering::SeqCst) {
                permits.add_permits(1);
            }
        });
        let (at_bytes, mut read) = (settle.clone(), 0);
        let counted = request.map(|body| {
            Body::new(body.map_frame(move |frame| {
                read += frame.data_ref().map_or(0, Bytes::len);
                if read >= bytes {
                    at_bytes();
                }
                frame
            }))
        });
        async move {
            let response = next.run(counted).await;
            settle();
            response
        }
    };
    let till = Arc::new(Till::default());
    let layer = layer(&memory()).upload_timeout(Duration::MAX).build();
    let router = routes().layer(layer).layer(from_fn(count)).with_state(till.clone());
    (Shop::serve(till, router).await, settled)
}

async fn stalled_uploads(bytes: usize) {
    let sent = vec![b'x'; bytes].leak();
    let (shop, settled) = counting(bytes).await;
    let first = shop.send(&order("k")).await;
    let before = resident();
    settled.acquire().await.unwrap().forget();
    let mut stalled = Vec::new();
    // No more at a time than the system keeps for a listener.
    for keys in (0..CROWD).collect::<Vec<_>>().chunks(64) {
        let mut some = JoinSet::new();
        for key in keys {
            some.spawn(stall(shop.address, *key, sent));
        }
        stalled.extend(soon(some.join_all()).await);
        soon(settled.acquire_many(64)).await.unwrap().forget();
    }
    others_are_served(&shop, &first).await;
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 * MEBIBYTE, "{} MiB for uploads of {bytes} bytes", grown / MEBIBYTE);
    assert_eq!((stalled.len(), shop.sold()), (CROWD, 2));
}

/// What the child of the next test does: memory is that of a whole process.
pub(crate) async fn uploads() {
    stalled_uploads(1).await;
    stalled_uploads(MEBIBYTE - 1).await;
}

#[test]
fn uploads_that_stall_shut_nobody_out_and_fill_no_memory() {
    Worker::start("uploads").ends_well();
}

#[tokio::test]
async fn duplicates_that_wait_shut_nobody_out() {
    let shop = Shop::with(layer(&memory()).in_flight(InFlight::Wait).max_in_flight(64)).await;
    let first = shop.send(&order("k")).await;
    let mut crowd = JoinSet::new();
    for _ in 0..64 {
        let address = shop.address;
        crowd.spawn(async move { loris("/slow", 1).body("it").send(address).await });
    }
    shop.till.entered().await;
    // One runs, and a quarter of all may wait.
    for _ in 0..64 - 1 - 16 {
        let shed = soon(crowd.join_next()).await.unwrap().unwrap();
        assert_eq!((shed.status, &*shed.problem()), (503, "overloaded"));
    }
    others_are_served(&shop, &first).await;
    shop.till.go(1);
    let answered = soon(crowd.join_all()).await;
    assert_eq!(answered.iter().filter(|reply| reply.status == 200).count(), 17);
    assert_eq!(shop.sold(), 3);
}

#[tokio::test]
async fn handlers_whose_client_is_gone_shut_nobody_out() {
    let shop = Shop::with(layer(&memory()).max_in_flight(64)).await;
    let first = shop.send(&order("k")).await;
    let finished = loris("/orders", 1000).body("it");
    assert_eq!(shop.send(&finished).await.status, 201);
    let mut gone = Vec::new();
    for key in 0..16 {
        gone.push(loris("/slow", key).body("it").open(shop.address).await);
        shop.till.entered().await;
    }
    drop(gone);
    let shed = shop.send(&loris("/slow", 16).body("it")).await;
    assert_eq!((shed.status, &*shed.problem()), (503, "overloaded"));
    others_are_served(&shop, &first).await;
    let again = shop.send(&finished).await;
    assert_eq!((again.status, again.is_replayed()), (201, true), "its own answers are found all the same");
    assert_eq!(shop.send(&loris("/slow", 0).body("it")).await.problem(), "in-flight");
    shop.till.go(16);
    let freed = loris("/slow", 0).body("it");
    assert!(freed.send_until_answered(shop.address).await.is_replayed());
}

#[tokio::test]
async fn the_share_of_a_caller_can_be_chosen() {
    let shop = Shop::with(layer(&memory()).max_in_flight_per_caller(1)).await;
    let slow = loris("/slow", 1).body("it");
    let (answer, ()) = tokio::join!(shop.send(&slow), async {
        shop.till.entered().await;
        let shed = shop.send(&loris("/orders", 2).body("it")).await;
        assert_eq!((shed.status, &*shed.problem(), shed.header("retry-after")), (503, "overloaded", Some("1")));
        assert_eq!(shop.send(&order("k")).await.status, 201, "another caller's");
        shop.till.go(1);
    });
    assert_eq!(answer.status, 200);
    assert_eq!(shop.send(&loris("/orders", 2).body("it")).await.status, 201);
}

#[tokio::test]
async fn an_upload_that_takes_too_long_takes_no_key() {
    let line = Line::to(&memory());
    let shop = Shop::with(layer(&line.shared()).upload_timeout(Duration::from_millis(20))).await;
    let mut slow = order("k").open_partly(shop.address, 3).await;
    let refused = Reply::read(&mut slow).await.unwrap();
    assert_eq!((refused.status, &*refused.problem()), (408, "upload-timed-out"));
    assert_eq!((line.asked(), shop.sold()), (0, 0));
    assert_eq!(shop.send(&order("k")).await.status, 201);
}

#[tokio::test]
async fn memory_for_bodies_is_bounded() {
    let line = Line::to(&memory());
    let shop = Shop::with(layer(&line.shared()).max_buffered_bytes(1000)).await;
    let big = Ask::post("/orders").by("alice").key("k").chunked(&[&[b'x'; 600], &[b'x'; 600]]);
    let refused = shop.send(&big).await;
    assert_eq!((refused.status, &*refused.problem()), (503, "overloaded"));
    assert_eq!((line.asked(), shop.sold()), (0, 0));
    for key in 0..5 {
        let fits = Ask::post("/orders").by("alice").key(format!("k-{key}")).body([b'x'; 600]);
        assert_eq!(shop.send(&fits).await.status, 201, "what was taken is given back");
    }
}
