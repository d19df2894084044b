//! Several at once.

use crate::client::{Ask, Reply};
use crate::shop::{Shop, layer, memory, order};
use crate::store::Line;
use crate::worker::Ledger;
use idempotently::{InFlight, SharedStore};
use std::time::Duration;
use tokio::task::JoinSet;

fn slow(key: &str) -> Ask {
    Ask::post("/slow").by("alice").key(key).body("it")
}

async fn all_of(set: JoinSet<Reply>) -> Vec<Reply> {
    set.join_all().await
}

fn many(shop: &Shop, asks: impl IntoIterator<Item = Ask>) -> JoinSet<Reply> {
    let mut set = JoinSet::new();
    for ask in asks {
        let address = shop.address;
        set.spawn(async move { ask.send(address).await });
    }
    set
}

#[tokio::test]
async fn case_19_a_second_while_the_first_runs() {
    let shop = Shop::with(layer(&memory()).retry_after(Duration::from_secs(7))).await;
    let first = many(&shop, [slow("k")]);
    shop.till.entered().await;
    let second = shop.send(&slow("k")).await;
    assert_eq!((second.status, &*second.problem(), second.header("retry-after")), (409, "in-flight", Some("7")));
    shop.till.go(1);
    assert_eq!(all_of(first).await[0].text(), "1 of it");
    let third = shop.send(&slow("k")).await;
    assert_eq!((third.text().as_str(), third.is_replayed(), shop.sold()), ("1 of it", true, 1));
}

#[tokio::test]
async fn case_19_a_second_that_waits_gets_the_firsts_answer() {
    for crowd in [2, 10, 100] {
        let shop = Shop::with(layer(&memory()).in_flight(InFlight::Wait)).await;
        let set = many(&shop, vec![slow("k"); crowd]);
        shop.till.entered().await;
        shop.till.go(1);
        let replies = all_of(set).await;
        assert!(replies.iter().all(|reply| reply.status == 200 && reply.text() == "1 of it"), "{replies:?}");
        assert_eq!(replies.iter().filter(|reply| !reply.is_replayed()).count(), 1);
        assert_eq!(shop.sold(), 1);
    }
}

#[tokio::test]
async fn case_19_a_second_that_waits_for_too_long() {
    let shop = Shop::with(layer(&memory()).in_flight(InFlight::WaitFor(Duration::from_millis(20)))).await;
    let first = many(&shop, [slow("k")]);
    shop.till.entered().await;
    let second = shop.send(&slow("k")).await;
    assert_eq!((second.status, &*second.problem(), second.header("retry-after")), (409, "in-flight", Some("1")));
    shop.till.go(1);
    assert_eq!(all_of(first).await[0].status, 200);
}

#[tokio::test]
async fn case_20_a_crowd_has_one_effect() {
    for crowd in [8, 100] {
        let shop = Shop::new().await;
        let replies = all_of(many(&shop, vec![order("k"); crowd])).await;
        assert_eq!(shop.sold(), 1);
        assert_eq!(replies.iter().filter(|reply| reply.status == 201 && !reply.is_replayed()).count(), 1);
        assert!(replies.iter().all(|reply| matches!(reply.status, 201 | 409)), "never 503: {replies:?}");
    }
    let shop = Shop::new().await;
    let replies = all_of(many(&shop, (0..50).map(|key| order(&format!("k-{key}"))))).await;
    assert!(replies.iter().all(|reply| reply.status == 201 && !reply.is_replayed()));
    assert_eq!(shop.sold(), 50);
}

/// The two see each other only in the store.
#[tokio::test]
async fn case_20_a_crowd_at_two_servers_has_one_effect() {
    let (store, ledger) = (memory(), Ledger::new());
    for stores in [[Line::to(&store).shared(), Line::to(&store).shared()], [ledger.open(), ledger.open()]] {
        one_effect_at(&stores).await;
    }
}

async fn one_effect_at(stores: &[SharedStore; 2]) {
    let wait = |store| layer(store).in_flight(InFlight::Wait);
    let (one, two) = (Shop::with(wait(&stores[0])).await, Shop::with(wait(&stores[1])).await);
    let (here, there) = (many(&one, vec![order("k"); 30]), many(&two, vec![order("k"); 30]));
    let (here, there) = tokio::join!(all_of(here), all_of(there));
    assert_eq!(one.sold() + two.sold(), 1);
    let firsts = here.iter().chain(&there).filter(|reply| !reply.is_replayed());
    assert_eq!(firsts.count(), 1);
    assert!(here.iter().chain(&there).all(|reply| reply.body == here[0].body));
}

/// The till's first effect is a panic.
#[tokio::test]
async fn case_21_one_that_waits_takes_over_when_the_first_fails() {
    let shop = Shop::with(layer(&memory()).in_flight(InFlight::Wait)).await;
    let ask = Ask::post("/slow-throw").by("alice").key("k").body("it");
    let mut set = JoinSet::new();
    for _ in 0..2 {
        let (ask, address) = (ask.clone(), shop.address);
        set.spawn(async move { ask.try_send(address).await });
    }
    shop.till.entered().await;
    shop.till.go(2);
    let replies = set.join_all().await;
    let answers: Vec<_> = replies.iter().flatten().map(Reply::text).collect();
    assert_eq!(answers, ["caught"], "the first had no answer, the second its own");
    assert_eq!(shop.sold(), 2);
}

#[tokio::test]
async fn case_38_more_than_are_worked_on_at_once() {
    let line = Line::to(&memory());
    let shop = Shop::with(layer(&line.shared()).max_in_flight(2)).await;
    let set = many(&shop, [slow("k-1"), slow("k-2")]);
    shop.till.entered().await;
    shop.till.entered().await;
    let asked = line.asked();
    let shed = shop.send(&slow("k-3")).await;
    assert_eq!((shed.status, &*shed.problem(), shed.header("retry-after")), (503, "overloaded", Some("1")));
    assert_eq!((line.asked(), line.claims()), (asked + 1, 2), "it was looked up, and took no key");
    assert_eq!(shop.send(&Ask::new("GET", "/orders")).await.status, 200, "what has no key is not counted");
    shop.till.go(3);
    assert!(all_of(set).await.iter().all(|reply| reply.status == 200));
    assert_eq!(shop.send(&slow("k-3")).await.status, 200);
}

/// Numbers that look random and are the same in every run.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// 64 clients of whom every third hangs up at some moment, and who share their keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_break_leave_one_effect_for_each_key() {
    const KEYS: u64 = 300;
    let shop = Shop::new().await;
    let mut clients = JoinSet::new();
    for client in 1..=64_u64 {
        let address = shop.address;
        clients.spawn(async move {
            let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(client);
            for _ in 0..50 {
                let ask = order(&format!("k-{}", next(&mut state) % KEYS));
                match next(&mut state) % 6 {
                    0 => drop(ask.open(address).await),
                    1 => drop(ask.open_partly(address, 4).await),
                    _ => {
                        let reply = ask.send(address).await;
                        assert!(matches!(reply.status, 201 | 409), "{reply:?}");
                    }
                }
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    for key in 0..KEYS {
        // The last handlers of clients that hung up may still be at it.
        let answer = order(&format!("k-{key}")).send_until_answered(shop.address).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    assert_eq!(shop.sold(), 300);
}

/// Whoever is being told an outcome is no reason to refuse the next one who asks for it.
#[tokio::test]
async fn two_replays_at_once_are_both_answered() {
    let line = Line::to(&memory());
    let shop = Shop::with(layer(&line.shared())).await;
    let first = shop.send(&order("k")).await;
    let gate = line.hold_up();
    let set = many(&shop, [order("k")]);
    while line.claims() < 2 {
        tokio::task::yield_now().await;
    }
    let meanwhile = many(&shop, [order("k")]);
    // Until it has come, which nothing tells.
    tokio::time::sleep(Duration::from_millis(50)).await;
    gate.add_permits(10);
    let (replies, meanwhile) = (all_of(set).await, all_of(meanwhile).await);
    for reply in replies.iter().chain(&meanwhile) {
        assert_eq!((reply.status, &reply.body), (201, &first.body), "{}", reply.text());
    }
}

/// One who comes with another body is refused, and nobody else for it.
#[tokio::test]
async fn another_body_spoils_no_replay() {
    let line = Line::to(&memory());
    let shop = Shop::with(layer(&line.shared())).await;
    let first = shop.send(&order("k")).await;
    let gate = line.hold_up();
    let wrong = many(&shop, [Ask::post("/orders").by("alice").key("k").body("another")]);
    while line.claims() < 2 {
        tokio::task::yield_now().await;
    }
    let right = many(&shop, [order("k")]);
    // Until it has come, which nothing tells.
    tokio::time::sleep(Duration::from_millis(50)).await;
    gate.add_permits(10);
    assert_eq!(all_of(wrong).await[0].problem(), "key-reused");
    let right = &all_of(right).await[0];
    assert_eq!((right.status, &right.body), (201, &first.body), "{}", right.text());
}
