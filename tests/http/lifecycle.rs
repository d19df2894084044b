//! Records, servers, clients and stores that end, and requests that go on.

use crate::client::{Ask, soon};
use crate::shop::{Shop, Till, layer, memory, order, routes};
use crate::store::Line;
use crate::worker::Worker;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use idempotently::http::{Caller, IdempotencyLayer};
use idempotently::{InFlight, testing};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

fn slow(key: &str) -> Ask {
    Ask::post("/slow").by("alice").key(key).body("it")
}

#[tokio::test]
async fn case_29_a_key_is_new_when_its_time_is_over() {
    let test = testing::isolate();
    let shop = Shop::with(IdempotencyLayer::builder(Caller::header("authorization"))).await;
    let first = shop.send(&order("k")).await;
    for _ in 0..2 {
        test.advance("11h 59m");
        let again = shop.send(&order("k")).await;
        assert_eq!((again.is_replayed(), again.body), (true, first.body.clone()), "asking does not extend it");
    }
    test.advance("2m");
    let new = shop.send(&order("k")).await;
    assert_eq!((new.status, new.is_replayed(), shop.sold()), (201, false, 2));
    test.advance("23h");
    assert_eq!(shop.send(&order("k")).await.body, new.body);
}

#[tokio::test]
async fn case_29_the_time_can_be_chosen() {
    let test = testing::isolate();
    let layer = IdempotencyLayer::builder(Caller::shared()).retention(Duration::from_mins(10));
    let shop = Shop::with(layer).await;
    shop.send(&order("k")).await;
    test.advance("9m");
    assert!(shop.send(&order("k")).await.is_replayed());
    test.advance("1m");
    assert!(!shop.send(&order("k")).await.is_replayed());
}

/// Long enough for a busy machine to renew it, short enough to be waited for.
const LEASE: Duration = Duration::from_millis(1_500);

#[tokio::test]
async fn case_30_a_server_that_is_killed() {
    let worker = Worker::start("serve");
    let store = worker.ledger.open();
    let shop = Shop::with(layer(&store)).await;
    let address = worker.address();
    let mut gone = slow("k").open(address).await;
    crate::client::read_until(&mut Ask::post("/entered").open(address).await, b"entered").await;
    worker.kill();
    assert_eq!(crate::client::Reply::read(&mut gone).await, None);
    let again = shop.send(&slow("k")).await;
    assert_eq!((again.status, &*again.problem(), again.header("retry-after")), (409, "in-flight", Some("1")));
    shop.till.go(1);
    let taken_over = slow("k").send_until_answered(shop.address).await;
    assert_eq!((taken_over.text().as_str(), taken_over.is_replayed()), ("1 of it", false));
    assert!(shop.send(&slow("k")).await.is_replayed());
}

/// A server that is cut off from its store is taken for dead, and comes back with an answer of its own.
#[tokio::test]
async fn case_30_a_stale_servers_client_gets_the_winners_answer() {
    let store = memory();
    let line = Line::to(&store);
    let stale = Shop::with(layer(&line.shared()).lease(Duration::from_millis(50))).await;
    let winner = Shop::with(layer(&store).in_flight(InFlight::Wait)).await;
    winner.till.sell(); // so that their answers differ
    let (ask, other) = (slow("k"), slow("k"));
    let late = stale.send(&ask);
    let first = async {
        stale.till.entered().await;
        line.cut();
        winner.till.go(1);
        let first = winner.send(&other).await;
        line.mend();
        stale.till.go(1);
        first
    };
    let (late, first) = tokio::join!(late, first);
    assert_eq!((first.text().as_str(), first.is_replayed()), ("2 of it", false));
    assert_eq!((late.text().as_str(), late.is_replayed()), ("2 of it", true), "not its own `1 of it`");
    assert_eq!(stale.send(&ask).await.text(), "2 of it");
}

#[tokio::test]
async fn case_31_a_handler_that_is_slower_than_its_lease_keeps_its_key() {
    let store = memory();
    let shop = Shop::with(layer(&store).lease(LEASE)).await;
    let other = Shop::with(layer(&store)).await;
    let ask = slow("k");
    let (first, ()) = tokio::join!(shop.send(&ask), async {
        shop.till.entered().await;
        let began = Instant::now();
        while began.elapsed() < LEASE * 2 {
            assert_eq!(other.send(&ask).await.problem(), "in-flight");
            tokio::time::sleep(LEASE / 50).await;
        }
        shop.till.go(1);
    });
    assert_eq!((first.text().as_str(), other.sold()), ("1 of it", 0));
    assert!(other.send(&ask).await.is_replayed());
}

#[tokio::test]
async fn case_31_past_the_ceiling_another_one_runs_and_both_are_answered() {
    let store = memory();
    let hangs = layer(&store).lease(Duration::from_millis(60)).max_run(Duration::from_millis(1));
    let (hangs, other) = (Shop::with(hangs).await, Shop::with(layer(&store).in_flight(InFlight::Wait)).await);
    let (one, two) = (slow("k"), slow("k"));
    let (late, first) = tokio::join!(hangs.send(&one), async {
        hangs.till.entered().await;
        other.till.go(1);
        let first = other.send(&two).await;
        hangs.till.go(1);
        first
    });
    assert_eq!((first.text().as_str(), late.text().as_str()), ("1 of it", "1 of it"));
    assert_eq!((first.is_replayed(), late.is_replayed()), (false, true));
}

/// A request that is being answered; it says when it no longer is.
struct Answering(Arc<Semaphore>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

#[tokio::test]
async fn past_the_ceiling_the_same_server_goes_on() {
    let lease = Duration::from_millis(300);
    let hangs = layer(&memory()).lease(lease).max_run(lease).max_in_flight(1).in_flight(InFlight::Wait);
    let shop = Shop::with(hangs).await;
    let (ask, other) = (slow("k"), order("other"));
    let (late, again) = tokio::join!(shop.send(&ask), async {
        shop.till.entered().await;
        let began = Instant::now();
        while shop.send(&other).await.status != 201 {
            assert!(began.elapsed() < Duration::from_secs(20), "a handler that hangs keeps its seat");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let (again, ()) = tokio::join!(shop.send(&ask), async {
            // The second handler for this key, beside the one that hangs.
            shop.till.entered().await;
            shop.till.go(2);
        });
        again
    });
    assert_eq!((late.status, late.text()), (again.status, again.text()), "both have what was recorded");
}

#[tokio::test]
async fn case_32_a_client_that_hangs_up_does_not_stop_the_handler() {
    let till = Arc::new(Till::default());
    let dropped = Arc::new(Semaphore::new(0));
    let told = dropped.clone();
    let watch = move |request: Request, next: Next| {
        let answering = Answering(told.clone());
        async move {
            let response = next.run(request).await;
            drop(answering);
            response
        }
    };
    let layer = layer(&memory()).in_flight(InFlight::Wait).build();
    let router = routes().layer(layer).layer(from_fn(watch)).with_state(till.clone());
    let shop = Shop::serve(till, router).await;
    let gone = slow("k").open(shop.address).await;
    shop.till.entered().await;
    drop(gone);
    soon(dropped.acquire()).await.unwrap().forget();
    shop.till.go(1);
    let again = slow("k").send_until_answered(shop.address).await;
    assert_eq!((again.text().as_str(), again.is_replayed(), shop.sold()), ("1 of it", true, 1));
}

#[tokio::test]
async fn case_33_a_client_that_hangs_up_in_the_middle_of_its_request() {
    let line = Line::to(&memory());
    let shop = Shop::with(layer(&line.shared())).await;
    for bytes in [0, 1, 5] {
        drop(order("k").open_partly(shop.address, bytes).await);
    }
    let mut chunked = Ask::post("/orders").by("alice").key("k").header("transfer-encoding", "chunked");
    drop(chunked.open(shop.address).await);
    chunked = order("k");
    assert_eq!(line.asked(), 0, "no key was taken");
    let whole = shop.send(&chunked).await;
    assert_eq!((whole.status, whole.is_replayed(), shop.sold(), line.claims()), (201, false, 1, 1));
}

#[tokio::test]
async fn case_34_a_store_that_is_away_beforehand() {
    let line = Line::to(&memory());
    let shop = Shop::with(layer(&line.shared())).await;
    line.cut();
    let refused = shop.send(&order("k")).await;
    assert_eq!((refused.status, &*refused.problem()), (503, "store-unavailable"));
    assert_eq!((refused.header("retry-after"), shop.sold()), (Some("1"), 0));
    assert_eq!(shop.send(&Ask::new("GET", "/orders")).await.status, 200);
    line.mend();
    assert_eq!(shop.send(&order("k")).await.status, 201);
    line.cut();
    let refused = shop.send(&order("k")).await;
    assert_eq!((refused.status, shop.sold()), (503, 1), "nor is a replay made up");
}

#[tokio::test]
async fn case_34_a_store_that_is_away_afterwards() {
    let line = Line::to(&memory());
    let store = line.shared();
    let shop = Shop::with(layer(&store)).await;
    let ask = slow("k");
    let (first, ()) = tokio::join!(shop.send(&ask), async {
        shop.till.entered().await;
        line.cut();
        shop.till.go(1);
        line.failed().await;
    });
    assert_eq!((first.status, first.text().as_str()), (200, "1 of it"), "the client has its answer");
    assert_eq!(store.unrecorded(), 1);
    assert_eq!(shop.send(&ask).await.status, 503);
    line.mend();
    let patience = Instant::now();
    while store.unrecorded() > 0 {
        assert!(patience.elapsed() < Duration::from_secs(30), "it is never recorded");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let again = shop.send(&ask).await;
    assert_eq!((again.text().as_str(), again.is_replayed(), shop.sold()), ("1 of it", true, 1));
}

#[tokio::test]
async fn case_39_the_end_of_a_program_waits_for_what_goes_on() {
    Worker::start("shut down").ends_well();
}

/// A new server on the same file has the answers of the old one.
#[tokio::test]
async fn answers_are_still_there_after_a_restart() {
    let worker = Worker::start("serve");
    let first = order("k").send(worker.address()).await;
    assert_eq!((first.status, first.is_replayed()), (201, false));
    worker.kill();
    let store = worker.ledger.open();
    let shop = Shop::with(layer(&store)).await;
    let again = shop.send(&order("k")).await;
    assert_eq!((again.is_replayed(), again.body, shop.sold()), (true, first.body, 0));
}

#[test]
#[should_panic(expected = "a lease is at least a millisecond")]
fn a_lease_of_nothing_is_refused() {
    let _ = IdempotencyLayer::builder(Caller::shared()).lease(Duration::ZERO);
}
