//! What axum adds: the extractor, nested routers, and middleware that insists on its body.

use crate::client::Ask;
use crate::shop::{Shop, Till, layer, memory};
use crate::store::Line;
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use idempotently::http::{HandlerFuture, IdempotencyKey, Problem};
use idempotently::{InFlight, OnInterruption, Operation, SharedStore, observe_async};
use std::sync::Arc;
use tower::ServiceBuilder;

static CHARGE: Operation = Operation::new("http.charge").in_flight(InFlight::Reject).interrupted(OnInterruption::Retry);

#[derive(Clone)]
struct Bank {
    till: Arc<Till>,
    store: SharedStore,
}

async fn charge(bank: &Bank, account: u64, key: &IdempotencyKey, cents: &str) -> Result<usize, Problem> {
    let till = bank.till.clone();
    let call = CHARGE.call(&(account, key)).fingerprint(cents).store(&bank.store);
    call.try_run_async(async move || {
        till.wait().await;
        Ok(till.sell())
    })
    .await
}

async fn pay(
    State(bank): State<Bank>,
    Path(account): Path<u64>,
    key: IdempotencyKey,
    cents: String,
) -> Result<impl IntoResponse, Problem> {
    let seen = observe_async(charge(&bank, account, &key, &cents)).await;
    Ok((seen.how, seen.value?.to_string()))
}

async fn perhaps(key: Option<IdempotencyKey>) -> String {
    key.map_or_else(|| "none".into(), |key| key.as_str().to_owned())
}

#[tokio::test]
async fn a_handler_can_hand_the_key_on() {
    let till = Arc::new(Till::default());
    let bank = Bank { till: till.clone(), store: memory() };
    let router = Router::new().route("/charges/{account}", post(pay)).route("/perhaps", post(perhaps)).with_state(bank);
    let shop = Shop::serve(till, router).await;
    let ask = |account: u64, cents: &str| Ask::post(&format!("/charges/{account}")).body(cents);
    let first = ask(1, "500").key("\"k\"");
    let (reply, ()) = tokio::join!(shop.send(&first), async {
        shop.till.entered().await;
        let meanwhile = shop.send(&first).await;
        assert_eq!(
            (meanwhile.status, &*meanwhile.problem(), meanwhile.header("retry-after")),
            (409, "in-flight", Some("1"))
        );
        shop.till.go(10);
    });
    assert_eq!((reply.status, reply.text().as_str(), reply.is_replayed()), (200, "1", false));
    let again = shop.send(&ask(1, "500").key("k")).await;
    assert_eq!(
        (again.text().as_str(), again.is_replayed(), again.header("cache-control")),
        ("1", true, Some("no-store"))
    );
    assert_eq!(shop.send(&ask(1, "501").key("k")).await.problem(), "key-reused");
    assert_eq!(shop.send(&ask(2, "500").key("k")).await.text(), "2", "another account's key is another key");
    assert_eq!(shop.send(&ask(1, "500")).await.problem(), "key-missing");
    assert_eq!(shop.send(&ask(1, "500").key("a,b")).await.problem(), "key-invalid");
    assert_eq!(shop.send(&Ask::post("/perhaps")).await.text(), "none");
    assert_eq!(shop.send(&Ask::post("/perhaps").key("k")).await.text(), "k");
    assert_eq!(shop.send(&Ask::post("/perhaps").key("")).await.problem(), "key-invalid");
}

/// Inside a nested router the path has lost its beginning; what the client asked for counts.
#[tokio::test]
async fn nested_routers_do_not_share_keys_of_other_paths() {
    let layer = layer(&memory()).original_uri().build();
    let till = Arc::new(Till::default());
    let inner = || crate::shop::routes().layer(layer.clone());
    let router = Router::new().nest("/one", inner()).nest("/two", inner()).with_state(till.clone());
    let shop = Shop::serve(till, router).await;
    let ask = |path: &str| Ask::post(path).by("alice").key("k").body("1");
    assert_eq!(shop.send(&ask("/one/orders")).await.status, 201);
    assert!(shop.send(&ask("/one/orders")).await.is_replayed());
    assert_eq!(shop.send(&ask("/two/orders")).await.problem(), "key-reused");
    assert_eq!(shop.sold(), 1);
}

/// The path as a layer inside sees it, unless it is told otherwise: no feature of any crate changes what it compares.
#[tokio::test]
async fn a_nested_router_takes_its_prefix_out_of_what_is_compared() {
    let layer = layer(&memory()).build();
    let till = Arc::new(Till::default());
    let inner = || crate::shop::routes().layer(layer.clone());
    let router = Router::new().nest("/one", inner()).nest("/two", inner()).with_state(till.clone());
    let shop = Shop::serve(till, router).await;
    let ask = |path: &str| Ask::post(path).by("alice").key("k").body("1");
    assert_eq!(shop.send(&ask("/one/orders")).await.status, 201);
    assert!(shop.send(&ask("/two/orders")).await.is_replayed());
}

tokio::task_local! {
    static USER: String;
}

async fn whoami() -> String {
    USER.try_with(String::clone).unwrap_or_else(|_| "nobody".into())
}

/// What middleware outside puts into a task-local is not in the handler's task, unless it is taken along.
#[tokio::test]
async fn task_locals_can_be_taken_along() {
    let around = |builder: idempotently::http::Builder| {
        builder.around(|request| {
            assert!(request.headers.contains_key("idempotency-key"));
            let user = USER.get();
            move |handler: HandlerFuture| Box::pin(USER.scope(user, handler)) as HandlerFuture
        })
    };
    for (builder, user) in [(layer(&memory()), "nobody"), (around(layer(&memory())), "ada")] {
        let router = Router::new().route("/who", post(whoami)).layer(builder.build());
        let signed_in = from_fn(async |request: Request, next: Next| USER.scope("ada".into(), next.run(request)).await);
        let shop = Shop::serve(Arc::default(), router.layer(signed_in)).await;
        let ask = Ask::post("/who").by("alice");
        assert_eq!(shop.send(&ask).await.text(), "ada", "without a key");
        assert_eq!(shop.send(&ask.key("k")).await.text(), user);
    }
}

/// It is an error of the server, and not an answer that is kept.
#[tokio::test]
async fn a_handler_that_is_dropped_by_what_goes_around_it() {
    let dropping = layer(&memory()).around(|_| {
        |handler: HandlerFuture| {
            drop(handler);
            Box::pin(std::future::ready(())) as HandlerFuture
        }
    });
    let shop = Shop::with(dropping).await;
    let reply = shop.send(&Ask::post("/orders").by("alice").key("k").body("1")).await;
    assert_eq!((reply.status, &*reply.problem(), shop.sold()), (500, "misconfigured", 0));
}

async fn marked(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert("x-marked", http::HeaderValue::from_static("1"));
    response
}

#[tokio::test]
async fn middleware_inside_that_insists_on_axums_body() {
    let till = Arc::new(Till::default());
    let layer = layer(&memory()).build().with_body::<axum::body::Body>();
    let stack = ServiceBuilder::new().layer(layer).layer(from_fn(marked));
    let shop = Shop::serve(till.clone(), crate::shop::routes().layer(stack).with_state(till)).await;
    let ask = Ask::post("/orders").by("alice").key("k").body("1");
    for is_replayed in [false, true] {
        let reply = shop.send(&ask).await;
        assert_eq!((reply.is_replayed(), reply.header("x-marked")), (is_replayed, Some("1")));
    }
}

/// A limit outside the layer, which is over as soon as the handler has begun.
#[tokio::test]
async fn a_limit_of_time_outside_does_not_stop_the_handler() {
    let till = Arc::new(Till::default());
    let begun = till.clone();
    let limited = move |request: Request, next: Next| {
        let begun = begun.clone();
        async move {
            tokio::select! {
                answer = next.run(request) => answer,
                () = begun.entered() => http::StatusCode::GATEWAY_TIMEOUT.into_response(),
            }
        }
    };
    let router = crate::shop::routes().layer(layer(&memory()).build()).layer(from_fn(limited));
    let shop = Shop::serve(till.clone(), router.with_state(till)).await;
    let ask = Ask::post("/slow").by("alice").key("k").body("it");
    assert_eq!(shop.send(&ask).await.status, 504);
    shop.till.go(1);
    let again = ask.send_until_answered(shop.address).await;
    assert_eq!((again.text().as_str(), again.is_replayed(), shop.sold()), ("1 of it", true, 1));
}

/// A record that is no response is an error, and neither a replay nor another run.
#[tokio::test]
async fn a_record_that_cannot_be_read() {
    let ask = Ask::post("/orders").by("alice").key("k").body("1");
    let written =
        [&b"\x01v{\"v\":9,\"status\":200}"[..], b"\x01v{\"v\":1,\"status\":7}", b"\x01v\"text\"", b"\x02v{}", b""];
    for outcome in written {
        let line = Line::to(&memory());
        line.answers_with(outcome);
        let shop = Shop::with(layer(&line.shared())).await;
        let reply = shop.send(&ask).await;
        assert_eq!((reply.status, &*reply.problem(), shop.sold()), (500, "response-not-kept", 0));
        assert!(!reply.text().contains("Nothing was done"), "{}", reply.text());
    }
}
