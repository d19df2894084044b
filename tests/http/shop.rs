//! The service that the layer is tried on: it counts what it does.

use crate::client::{Ask, Reply, soon};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use idempotently::SharedStore;
use idempotently::backend::memory::MemoryStore;
use idempotently::http::{Builder, Caller, IdempotencyLayer, Keeping};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// What the handlers share with their test.
pub(crate) struct Till {
    effects: AtomicUsize,
    entered: Semaphore,
    go: Semaphore,
}

impl Default for Till {
    fn default() -> Self {
        Self { effects: AtomicUsize::new(0), entered: Semaphore::new(0), go: Semaphore::new(0) }
    }
}

impl Till {
    pub(crate) fn sell(&self) -> usize {
        self.effects.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn sold(&self) -> usize {
        self.effects.load(Ordering::SeqCst)
    }

    /// Says that a handler has begun, and waits until it may end.
    pub(crate) async fn wait(&self) {
        self.entered.add_permits(1);
        self.go.acquire().await.unwrap().forget();
    }

    /// Waits until a handler has begun.
    pub(crate) async fn entered(&self) {
        soon(self.entered.acquire()).await.unwrap().forget();
    }

    pub(crate) fn go(&self, handlers: usize) {
        self.go.add_permits(handlers);
    }
}

/// A server on a port of its own.
pub(crate) struct Shop {
    pub(crate) address: SocketAddr,
    pub(crate) till: Arc<Till>,
    server: JoinHandle<()>,
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub(crate) fn memory() -> SharedStore {
    SharedStore::new(MemoryStore::new())
}

/// A layer that tells callers apart by their token, on this store.
pub(crate) fn layer(store: &SharedStore) -> Builder {
    IdempotencyLayer::builder(Caller::header("authorization")).store(store)
}

impl Shop {
    /// With the layer's defaults, on a store of its own.
    pub(crate) async fn new() -> Self {
        Self::with(layer(&memory())).await
    }

    pub(crate) async fn with(layer: Builder) -> Self {
        let till = Arc::new(Till::default());
        Self::serve(till.clone(), routes().layer(layer.build()).with_state(till)).await
    }

    pub(crate) async fn serve(till: Arc<Till>, router: Router) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, till, server }
    }

    pub(crate) async fn send(&self, ask: &Ask) -> Reply {
        ask.send(self.address).await
    }

    pub(crate) fn sold(&self) -> usize {
        self.till.sold()
    }
}

/// An order by Alice.
pub(crate) fn order(key: &str) -> Ask {
    Ask::post("/orders").by("alice").key(key).body("{\"lift\":1}")
}

pub(crate) fn routes() -> Router<Arc<Till>> {
    Router::new()
        .route("/orders", post(sold).patch(sold).put(sold).delete(sold).get(count))
        .route("/orders/{id}", post(sold))
        .route("/slow", post(slow))
        .route("/status/{status}", post(status))
        .route("/body/{kind}", post(body))
        .route("/stream", post(stream))
        .route("/broken", post(broken))
        .route("/zipped", post(zipped))
        .route("/numbered", post(numbered))
        .route("/throw", post(throw))
        .route("/slow-throw", post(slow_throw))
        .route("/big/{bytes}", post(big))
        .route("/release", post(release))
        .route("/release/header", post(release_by_header))
}

type Counted = State<Arc<Till>>;

async fn sold(State(till): Counted, uri: Uri, body: Bytes) -> impl IntoResponse {
    let number = till.sell();
    let headers = [
        ("location", HeaderValue::from_str(&format!("/orders/{number}")).unwrap()),
        ("etag", HeaderValue::from_str(&format!("\"{number}\"")).unwrap()),
        ("content-type", HeaderValue::from_static("application/vnd.order+json")),
        ("x-latin", HeaderValue::from_bytes(b"gr\xfc\xdfe").unwrap()),
        ("vary", HeaderValue::from_static("origin")),
        ("www-authenticate", HeaderValue::from_static("Bearer")),
        ("authorization", HeaderValue::from_static("Bearer one-of-ours")),
        ("x-hop", HeaderValue::from_static("1")),
        ("connection", HeaderValue::from_static("x-hop")),
        ("cache-control", HeaderValue::from_static("private, max-age=60")),
    ];
    let mut headers: HeaderMap = headers.into_iter().map(|(name, value)| (name.parse().unwrap(), value)).collect();
    headers.append("set-cookie", HeaderValue::from_static("session=one"));
    headers.append("set-cookie", HeaderValue::from_static("cart=two"));
    (StatusCode::CREATED, headers, format!("{{\"order\":{number},\"at\":\"{uri}\",\"bytes\":{}}}", body.len()))
}

async fn count(State(till): Counted) -> String {
    till.sold().to_string()
}

async fn slow(State(till): Counted, body: Bytes) -> String {
    till.wait().await;
    format!("{} of {}", till.sell(), String::from_utf8_lossy(&body))
}

async fn status(State(till): Counted, Path(status): Path<u16>) -> impl IntoResponse {
    (StatusCode::from_u16(status).unwrap(), till.sell().to_string())
}

async fn body(State(till): Counted, Path(kind): Path<String>) -> Response {
    till.sell();
    match &*kind {
        "empty" => StatusCode::NO_CONTENT.into_response(),
        "accepted" => StatusCode::ACCEPTED.into_response(),
        "binary" => (0..=255u8).collect::<Bytes>().into_response(),
        _ => "große Lifte\n".into_response(),
    }
}

/// Two pieces, of which the second comes when the test lets it.
async fn stream(State(till): Counted) -> Response {
    let number = till.sell();
    let pieces = futures_lite::stream::unfold(0, move |at| {
        let till = till.clone();
        async move {
            match at {
                0 => Some((Ok::<_, std::io::Error>(format!("first of {number};")), 1)),
                1 => {
                    till.wait().await;
                    Some((Ok("second".to_owned()), 2))
                }
                _ => None,
            }
        }
    });
    Body::from_stream(pieces).into_response()
}

async fn broken(State(till): Counted) -> Response {
    till.sell();
    let pieces = [Ok("it begins"), Err(std::io::Error::other("and breaks off"))];
    Body::from_stream(futures_lite::stream::iter(pieces)).into_response()
}

/// As a compression inside the layer answers.
async fn zipped(State(till): Counted, headers: HeaderMap) -> Response {
    let text = till.sell().to_string();
    let mut response = format!("zipped {text}").into_response();
    if headers.get("accept-encoding").is_some_and(|accepted| accepted == "gzip") {
        response.headers_mut().insert("content-encoding", HeaderValue::from_static("gzip"));
    }
    response
}

/// With what belongs to one request alone.
async fn numbered(State(till): Counted) -> impl IntoResponse {
    let number = till.sell().to_string();
    let own = [("x-request-id", number.clone()), ("ratelimit-remaining", "9".into()), ("server-timing", "db".into())];
    (own, [("x-order", number)])
}

async fn throw(State(till): Counted) -> String {
    assert!(till.sell() > 1, "on purpose");
    "caught".to_owned()
}

async fn slow_throw(till: Counted) -> String {
    till.wait().await;
    throw(till).await
}

async fn big(State(till): Counted, Path(bytes): Path<usize>) -> String {
    till.sell();
    "x".repeat(bytes)
}

async fn release(State(till): Counted) -> Response {
    let mut response = till.sell().to_string().into_response();
    response.extensions_mut().insert(Keeping::Release);
    response
}

async fn release_by_header(State(till): Counted) -> impl IntoResponse {
    ([("idempotency-keep", "false")], till.sell().to_string())
}
