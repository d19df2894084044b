//! The same layer around a function, on hyper, with no framework.

use crate::client::{Ask, Reply, read_until};
use crate::shop::{Till, layer, memory};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use idempotently::InFlight;
use idempotently::http::{Builder, RequestBody};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower::{ServiceBuilder, service_fn};

struct Bare {
    address: SocketAddr,
    till: Arc<Till>,
    server: JoinHandle<()>,
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn sell(till: Arc<Till>, request: Request<RequestBody>) -> Result<Response<Full<bytes::Bytes>>, Infallible> {
    if request.uri().path() == "/slow" {
        till.wait().await;
    }
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let text = format!("{} of {} bytes", till.sell(), body.len());
    let response = Response::builder().status(201).header("set-cookie", "a=1").header("location", "/1");
    Ok(response.body(Full::from(text)).unwrap())
}

impl Bare {
    async fn with(layer: Builder) -> Self {
        let (till, layer) = (Arc::new(Till::default()), layer.build());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = {
            let till = till.clone();
            ServiceBuilder::new().layer(layer).service(service_fn(move |request| sell(till.clone(), request)))
        };
        let server = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = TowerToHyperService::new(service.clone());
                let connection =
                    http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        Self { address, till, server }
    }

    async fn send(&self, ask: &Ask) -> Reply {
        ask.send(self.address).await
    }
}

fn ask(body: &str) -> Ask {
    Ask::post("/orders?x=1").by("alice").key("k").body(body)
}

#[tokio::test]
async fn first_replayed_and_refused() {
    let bare = Bare::with(layer(&memory()).required()).await;
    let (first, again) = (bare.send(&ask("it")).await, bare.send(&ask("it")).await);
    assert_eq!((first.status, first.text().as_str(), first.is_replayed()), (201, "1 of 2 bytes", false));
    assert_eq!((again.status, again.text().as_str(), again.is_replayed()), (201, "1 of 2 bytes", true));
    assert_eq!((first.all("set-cookie").len(), again.all("set-cookie").len()), (1, 0));
    assert_eq!(again.header("location"), Some("/1"));
    assert_eq!(bare.send(&ask("other")).await.problem(), "key-reused");
    assert_eq!(bare.send(&Ask::post("/orders").by("alice").body("it")).await.problem(), "key-missing");
    assert_eq!(bare.send(&ask("it").key("k")).await.problem(), "key-invalid");
    let bobs = Ask::post("/orders?x=1").by("bob").key("k").body("it");
    assert!(!bare.send(&bobs).await.is_replayed());
    assert_eq!(bare.till.sold(), 2);
}

#[tokio::test]
async fn what_is_large_is_refused_and_what_has_no_key_goes_through() {
    let bare = Bare::with(layer(&memory()).max_request(10)).await;
    let chunked = || Ask::post("/orders").by("alice").chunked(&[b"12345678", b"90123"]);
    assert_eq!(bare.send(&chunked().key("k")).await.problem(), "request-too-large");
    assert_eq!(bare.send(&ask("12345678901")).await.problem(), "request-too-large");
    assert_eq!(bare.till.sold(), 0);
    assert_eq!(bare.send(&chunked()).await.text(), "1 of 13 bytes");
    assert_eq!(bare.send(&Ask::new("PUT", "/orders").key("k").body("123")).await.text(), "2 of 3 bytes");
}

#[tokio::test]
async fn a_client_that_hangs_up_and_one_that_comes_meanwhile() {
    let bare = Bare::with(layer(&memory())).await;
    let slow = Ask::post("/slow").by("alice").key("k").body("it");
    let gone = slow.open(bare.address).await;
    bare.till.entered().await;
    let meanwhile = bare.send(&slow).await;
    assert_eq!((meanwhile.status, &*meanwhile.problem()), (409, "in-flight"));
    drop(gone);
    bare.till.go(1);
    let again = slow.send_until_answered(bare.address).await;
    assert_eq!((again.text().as_str(), again.is_replayed(), bare.till.sold()), ("1 of 2 bytes", true, 1));
}

/// Both are answered on one connection, which is used again.
#[tokio::test]
async fn a_connection_that_is_kept() {
    use tokio::io::AsyncWriteExt;
    let bare = Bare::with(layer(&memory()).in_flight(InFlight::Wait)).await;
    let mut stream = tokio::net::TcpStream::connect(bare.address).await.unwrap();
    for (number, text) in ["idempotency-key: k\r\n", "idempotency-key: k\r\n", ""].iter().enumerate() {
        let request =
            format!("POST /orders HTTP/1.1\r\nhost: h\r\nauthorization: a\r\n{text}content-length: 2\r\n\r\nit");
        stream.write_all(request.as_bytes()).await.unwrap();
        let read = read_until(&mut stream, b" of 2 bytes").await;
        let replayed = String::from_utf8_lossy(&read).contains("idempotent-replayed: true");
        assert_eq!(replayed, number == 1, "{number}");
    }
    assert_eq!(bare.till.sold(), 2);
}
