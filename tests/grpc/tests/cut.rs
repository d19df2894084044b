//! A request that HTTP/2 ends early without calling it an error, as proxies do whose client is gone.

use crate::server::{layer, soon};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use idempotently::http::RequestBody;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::{ServiceBuilder, service_fn};

type Bodies = Arc<Mutex<Vec<Bytes>>>;

/// A server that keeps what its handler was given.
async fn serve() -> (SocketAddr, Bodies) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let bodies = Bodies::default();
    let seen = bodies.clone();
    let handler = service_fn(move |request: Request<RequestBody>| {
        let seen = seen.clone();
        async move {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            seen.lock().unwrap().push(body);
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"paid"))))
        }
    });
    let service = ServiceBuilder::new().layer(layer().build()).service(handler);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service));
        }
    });
    (address, bodies)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A head in literals, which need no table.
fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

const WHOLE: &str = "to=bob&amount=1000";

#[tokio::test]
async fn a_body_that_was_cut_is_not_taken_for_whole() {
    let (address, bodies) = serve().await;
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/orders"),
        (":authority", "shop.example"),
        ("idempotency-key", "k"),
        ("content-length", "18"),
    ];
    let mut stream = TcpStream::connect(address).await.unwrap();
    let frames = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(4, 0, 0, b""),
        frame(1, 4, 1, &head(&fields)),
        frame(0, 0, 1, &WHOLE.as_bytes()[..16]),
        frame(3, 0, 1, &[0; 4]),
        frame(6, 0, 0, b"finished"),
    ];
    stream.write_all(&frames.concat()).await.unwrap();
    let answered = frame(6, 1, 0, b"finished");
    let mut read = Vec::new();
    while !read.windows(answered.len()).any(|window| window == answered) {
        assert!(soon(stream.read_buf(&mut read)).await.unwrap() > 0, "the connection ended");
    }
    let (client, connection) = h2::client::handshake(TcpStream::connect(address).await.unwrap()).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post("http://shop.example/orders").header("idempotency-key", "k");
    let request = request.header("content-length", "18").body(()).unwrap();
    let (response, mut body) = client.ready().await.unwrap().send_request(request, false).unwrap();
    body.send_data(Bytes::from_static(WHOLE.as_bytes()), true).unwrap();
    let response = soon(response).await.unwrap();
    assert_eq!(response.status(), 200, "the key is free");
    assert!(!response.headers().contains_key("idempotent-replayed"));
    assert_eq!(*bodies.lock().unwrap(), [WHOLE]);
}
