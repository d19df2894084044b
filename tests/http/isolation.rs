//! Two callers with the same key never see each other's answers: a test for each way in. And nobody sees a key.

use crate::client::{Ask, Reply};
use crate::shop::{Shop, Till, layer, memory, order, routes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use idempotently::http::{Caller, IdempotencyLayer};
use idempotently::{InFlight, Records, SharedStore};
use std::sync::Arc;

#[derive(Clone)]
struct Account(String);

/// An authentication that knows everybody but Eve.
async fn authenticate(mut request: Request, next: Next) -> Response {
    let token = request.headers().get("authorization").and_then(|token| token.to_str().ok());
    match token.and_then(|token| token.strip_prefix("Bearer ")) {
        None | Some("eve") => StatusCode::UNAUTHORIZED.into_response(),
        Some(name) => {
            let account = Account(name.to_owned());
            request.extensions_mut().insert(account.0.clone());
            request.extensions_mut().insert(account);
            next.run(request).await
        }
    }
}

/// A shop for each way of telling callers apart, behind an authentication.
async fn shops() -> Vec<Shop> {
    let by = Caller::by(|parts| parts.extensions.get::<Account>().map(|account| account.0.clone()));
    let mut shops = Vec::new();
    for caller in [Caller::header("authorization"), Caller::extension::<String>(), by] {
        let builder = IdempotencyLayer::builder(caller).store(&memory()).in_flight(InFlight::Reject);
        let till = Arc::new(Till::default());
        let router = routes().layer(builder.max_response(1000).build()).layer(from_fn(authenticate));
        shops.push(Shop::serve(till.clone(), router.with_state(till)).await);
    }
    shops
}

fn ask(who: &str, path: &str) -> Ask {
    Ask::post(path).by(who).key("k")
}

#[tokio::test]
async fn case_35_by_the_header() {
    for shop in shops().await {
        let alices = shop.send(&order("k")).await;
        for key in ["k", "\"k\"", " k "] {
            let bobs = shop.send(&Ask::post("/orders").by("bob").key(key).body("{\"lift\":1}")).await;
            assert_ne!(bobs.body, alices.body);
            for name in ["location", "etag"] {
                assert_ne!(bobs.header(name), alices.header(name), "nothing of it");
            }
        }
        assert_eq!(shop.sold(), 2, "Bob's own answer is replayed to Bob");
        assert_eq!(shop.send(&order("k")).await.body, alices.body);
    }
}

#[tokio::test]
async fn case_35_by_the_body() {
    for shop in shops().await {
        shop.send(&ask("alice", "/orders").body("1")).await;
        // With another body an answer of 422 would say that somebody has the key.
        let other = shop.send(&ask("bob", "/orders").body("2")).await;
        assert_eq!((other.status, other.is_replayed()), (201, false));
        let same = shop.send(&ask("carol", "/orders").body("1")).await;
        assert_eq!((same.status, same.is_replayed()), (201, false));
        assert_eq!(shop.sold(), 3);
    }
}

#[tokio::test]
async fn case_35_by_the_path() {
    for shop in shops().await {
        shop.send(&ask("alice", "/orders/7?x=1")).await;
        for path in ["/orders/7?x=1", "/orders/7", "/orders"] {
            let reply = shop.send(&ask(&format!("bob{}", path.len()), path)).await;
            assert_eq!((reply.status, reply.is_replayed()), (201, false), "{path}");
        }
        assert_eq!(shop.sold(), 4);
    }
}

/// Who waits for another's handler would learn that it runs.
#[tokio::test]
async fn case_35_by_the_timing() {
    let shop = Shop::with(layer(&memory()).in_flight(InFlight::Wait)).await;
    let (alice, bob) = (ask("alice", "/slow").body("hers"), ask("bob", "/orders").body("his"));
    let (hers, ()) = tokio::join!(shop.send(&alice), async {
        shop.till.entered().await;
        // Hers cannot end before his has.
        let his = shop.send(&bob).await;
        assert_eq!((his.status, his.is_replayed()), (201, false));
        shop.till.go(1);
    });
    assert_eq!(hers.text(), "2 of hers");
}

#[tokio::test]
async fn case_35_by_the_tombstone() {
    for shop in shops().await {
        shop.send(&ask("alice", "/big/5000")).await;
        assert_eq!(shop.send(&ask("alice", "/big/5000")).await.problem(), "response-not-kept");
        let bobs = shop.send(&ask("bob", "/big/5000")).await;
        assert_eq!((bobs.status, bobs.body.len(), shop.sold()), (200, 5000, 2));
    }
}

#[tokio::test]
async fn case_35_by_the_error_of_what_is_in_flight() {
    for shop in shops().await {
        let (alice, bob) = (ask("alice", "/slow").body("hers"), ask("bob", "/slow").body("his"));
        let (hers, his) = tokio::join!(shop.send(&alice), async {
            shop.till.entered().await;
            assert_eq!(shop.send(&alice).await.problem(), "in-flight");
            let (his, ()) = tokio::join!(shop.send(&bob), async {
                shop.till.entered().await;
                shop.till.go(2);
            });
            his
        });
        assert_eq!((hers.status, his.status, shop.sold()), (200, 200, 2));
    }
}

/// Else all who have no credential would share their answers.
#[tokio::test]
async fn case_35_an_empty_credential_is_nobody() {
    for value in ["", "  ", "\t"] {
        let shop = Shop::new().await;
        let ask = Ask::post("/orders").header("authorization", value).key("k").body("1");
        let refused = shop.send(&ask).await;
        assert_eq!((refused.status, &*refused.problem(), shop.sold()), (400, "caller-unknown", 0), "{value:?}");
    }
}

/// A scheme has no case (RFC 9110, section 11.1).
#[tokio::test]
async fn a_credential_that_is_written_otherwise_is_the_same_caller() {
    let shop = Shop::new().await;
    let ask = |credentials: &str| Ask::post("/orders").header("authorization", credentials).key("k").body("1");
    assert_eq!(shop.send(&ask("Bearer alice")).await.status, 201);
    for same in ["bearer alice", "BEARER   alice"] {
        assert!(shop.send(&ask(same)).await.is_replayed(), "{same}");
    }
    assert!(!shop.send(&ask("Bearer ALICE")).await.is_replayed());
    assert_eq!(shop.sold(), 2);
}

#[tokio::test]
async fn case_35_crafted_callers_and_keys_do_not_collide() {
    let caller = Caller::by(|parts| parts.headers.get("x-tenant")?.to_str().ok().map(str::to_owned));
    let shop = Shop::with(IdempotencyLayer::builder(caller).store(&memory())).await;
    let ask = |tenant: &str, key: &str| Ask::post("/orders").header("x-tenant", tenant).key(key).body("1");
    let pairs = [
        ("a", "b"),
        ("a\",\"b", "c"),
        ("a", "b\\\",\\\"c"),
        ("a:b", "c"),
        ("a", "b:c"),
        ("by", "a"),
        ("ab", "c"),
        ("a", "bc"),
        ("(\"a\"", "b)"),
        ("%61", "b"),
    ];
    for (at, (tenant, key)) in pairs.iter().enumerate() {
        let reply = shop.send(&ask(tenant, &format!("\"{key}\""))).await;
        assert_eq!((reply.status, reply.is_replayed(), shop.sold()), (201, false, at + 1), "{tenant} {key}");
    }
}

/// The record is there, and its owner's rights are not any more.
#[tokio::test]
async fn a_replay_is_no_way_around_the_authentication() {
    let shops = shops().await;
    let shop = &shops[1];
    assert_eq!(shop.send(&order("k")).await.status, 201);
    for who in [Ask::post("/orders").by("eve"), Ask::post("/orders")] {
        let reply = shop.send(&who.key("k").body("{\"lift\":1}")).await;
        assert_eq!((reply.status, reply.text().as_str(), reply.is_replayed()), (401, "", false));
    }
}

/// Whoever registers a key before its owner does has it for himself only.
#[tokio::test]
async fn a_key_cannot_be_taken_from_another_one() {
    let shop = Shop::new().await;
    for number in 0..20 {
        shop.send(&ask("mallory", "/throw?").key(format!("k-{number}"))).await;
        shop.send(&Ask::post("/orders").by("mallory").key(format!("k-{number}")).body("squat")).await;
    }
    assert!(!shop.send(&order("k-7")).await.is_replayed());
    assert!(shop.send(&order("k-7")).await.is_replayed());
}

#[tokio::test]
async fn case_36_a_caller_that_is_not_known() {
    let header = Shop::new().await;
    let reply = header.send(&Ask::post("/orders").key("k").body("1")).await;
    assert_eq!((reply.status, &*reply.problem()), (400, "caller-unknown"));
    for caller in [Caller::extension::<String>(), Caller::by(|_| None::<u8>), Caller::by(|_| Some(""))] {
        let shop = Shop::with(IdempotencyLayer::builder(caller).store(&memory())).await;
        let reply = shop.send(&order("k")).await;
        assert_eq!((reply.status, &*reply.problem(), shop.sold()), (500, "caller-unknown", 0));
        assert_eq!(
            shop.send(&Ask::post("/orders").by("alice").body("1")).await.status,
            201,
            "without a key it is unasked"
        );
    }
    assert_eq!(header.sold(), 0);
}

#[tokio::test]
async fn everybody_is_one_caller_where_that_was_said() {
    let shop = Shop::with(IdempotencyLayer::builder(Caller::shared()).store(&memory())).await;
    let hers = shop.send(&order("k")).await;
    let his = shop.send(&Ask::post("/orders").by("bob").key("k").body("{\"lift\":1}")).await;
    assert_eq!((his.is_replayed(), his.body), (true, hers.body));
}

/// One store for two services: each has its scope.
#[tokio::test]
async fn services_that_share_a_store_do_not_share_keys() {
    let store = memory();
    let (lifts, stairs) =
        (Shop::with(layer(&store).scope("lifts")).await, Shop::with(layer(&store).scope("stairs")).await);
    assert!(!lifts.send(&order("k")).await.is_replayed());
    assert!(!stairs.send(&order("k")).await.is_replayed());
    let again = Shop::with(layer(&store).scope("lifts")).await;
    assert!(again.send(&order("k")).await.is_replayed());
}

const SECRET: &str = "4111111111111111";

/// Every kind of answer to a request with this key.
async fn all_answers(store: &SharedStore) -> Vec<Reply> {
    let shop = Shop::with(layer(store).max_request(50).max_response(1000)).await;
    let mut replies = Vec::new();
    for (path, key) in [
        ("/orders", SECRET.to_owned()),
        ("/orders", SECRET.to_owned()),
        ("/orders/1", SECRET.to_owned()),
        ("/big/5000", format!("{SECRET}-big")),
        ("/big/5000", format!("{SECRET}-big")),
        ("/status/503", format!("{SECRET}-down")),
        ("/orders", format!("{SECRET},")),
        ("/orders", SECRET.repeat(20)),
    ] {
        replies.push(shop.send(&Ask::post(path).by(SECRET).key(key).body("1")).await);
    }
    replies.push(shop.send(&Ask::post("/orders").by("alice").key(SECRET).body("x".repeat(51))).await);
    replies.push(shop.send(&Ask::post("/orders").key(SECRET).body("1")).await);
    replies
}

#[tokio::test]
async fn case_37_the_key_is_in_no_answer_and_in_nothing_that_is_shown() {
    let store = memory();
    let line = crate::store::Line::to(&store);
    let mut replies = all_answers(&line.shared()).await;
    assert_eq!(replies.iter().map(|reply| reply.status).max(), Some(503));
    line.cut();
    replies.extend(all_answers(&line.shared()).await);
    let shown = format!("{replies:?} {:?}", layer(&store).build());
    let text: String = replies.iter().map(Reply::text).collect();
    assert!(!shown.contains(SECRET) && !text.contains(SECRET));
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn case_37_the_key_is_in_no_log() {
    crate::worker::Worker::start("log").ends_well();
}

/// What everything logs is looked at, also what the store and the server say. It has a process of its own: whether a
/// place in the code is watched is decided for all threads, by whichever comes there first.
#[cfg(feature = "tracing")]
pub(crate) async fn look_at_the_log() {
    let log = crate::log::Log::default();
    let watching = tracing::subscriber::set_default(log.clone());
    let store = memory();
    let line = crate::store::Line::to(&store);
    all_answers(&line.shared()).await;
    line.cut();
    all_answers(&line.shared()).await;
    drop(watching);
    let log = log.written();
    for word in ["idempotent", "replayed", "mismatched", "executed"] {
        assert!(log.contains(word), "it was not watched: {log}");
    }
    assert!(!log.contains(SECRET), "{log}");
}

/// The caller's credentials are not in the store either.
#[tokio::test]
async fn credentials_are_kept_as_a_digest() {
    let (store, other) = (memory(), memory());
    all_answers(&store).await;
    let lift = Shop::with(layer(&other)).await;
    lift.send(&Ask::post("/orders").by(SECRET).key("k").body("1")).await;
    let listed = tokio::task::spawn_blocking(move || {
        let records = Records::of(&other).list("http", idempotently::store::Standing::Completed, None, 10);
        records.unwrap().into_iter().map(|seen| format!("{}", seen.place.key)).collect::<Vec<_>>()
    });
    let listed = listed.await.unwrap();
    assert!(listed.len() == 1 && listed[0].contains("\"k\"") && !listed[0].contains(SECRET), "{listed:?}");
}
