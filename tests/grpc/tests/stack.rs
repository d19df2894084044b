//! The layer among others of tonic.

use crate::server::soon;
use idempotently::SharedStore;
use idempotently::backend::memory::MemoryStore;
use idempotently::http::{Caller, IdempotencyLayer};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Request;
use tonic::codegen::http::Request as HttpRequest;
use tonic::transport::{Endpoint, Server};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tower::util::MapRequestLayer;

/// As it stands in docs/http.md.
#[tokio::test]
async fn a_layer_inside_that_insists_on_tonics_body() {
    let store = SharedStore::new(MemoryStore::new());
    let (_, health) = tonic_health::server::health_reporter();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();

    let layer = IdempotencyLayer::builder(Caller::header("authorization")).store(&store).build();
    let inside = MapRequestLayer::new(|request: HttpRequest<tonic::body::Body>| request);
    let server = Server::builder()
        .layer(layer.map_body(tonic::body::Body::new))
        .layer(inside)
        .add_service(health)
        .serve_with_incoming(TcpListenerStream::new(listener));

    let server = tokio::spawn(server);
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    for is_replayed in [false, true] {
        let mut request = Request::new(HealthCheckRequest::default());
        request.metadata_mut().insert("authorization", "Bearer alice".parse().unwrap());
        request.metadata_mut().insert("idempotency-key", "k".parse().unwrap());
        let answer = soon(HealthClient::new(channel.clone()).check(request)).await.unwrap();
        assert_eq!(answer.get_ref().status, 1, "it serves");
        assert_eq!(answer.metadata().contains_key("idempotent-replayed"), is_replayed);
    }
    server.abort();
}

/// What the page shows is what is compiled here.
#[test]
fn the_page_shows_this_stack() {
    let shown = include_str!("../../../docs/http.md");
    let here = include_str!("stack.rs");
    let of = |text: &str, begin: &str| -> Vec<String> {
        let lines = text.lines().map(str::trim).skip_while(|line| !line.starts_with(begin));
        lines.take_while(|line| !line.starts_with(".serve")).map(str::to_owned).collect()
    };
    let begin = "let layer = IdempotencyLayer::builder(Caller::header(\"authorization\")).store(&store).build();";
    let (shown, here) = (of(shown, begin), of(here, begin));
    assert!(shown.len() > 3, "the page does not show it");
    assert_eq!(shown, here);
}
