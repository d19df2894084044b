//! A health service that counts its calls and does what the asked name says, behind the layer.

use idempotently::SharedStore;
use idempotently::backend::memory::MemoryStore;
use idempotently::http::{Builder, Caller, IdempotencyLayer};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Stream, StreamExt, iter};
use tonic::codegen::Service;
use tonic::codegen::http::{Request as HttpRequest, Response as HttpResponse};
use tonic::server::NamedService;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

/// What the service shares with its test.
#[derive(Clone)]
pub(crate) struct Ward {
    calls: Arc<AtomicUsize>,
    entered: Arc<Semaphore>,
    go: Arc<Semaphore>,
}

impl Ward {
    fn new() -> Self {
        Self { calls: Arc::default(), entered: Arc::new(Semaphore::new(0)), go: Arc::new(Semaphore::new(0)) }
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn count(&self) -> i32 {
        i32::try_from(self.calls.fetch_add(1, Ordering::SeqCst)).unwrap() + 1
    }

    /// Waits until a call waits for [`go`](Self::go).
    pub(crate) async fn entered(&self) {
        soon(self.entered.acquire()).await.unwrap().forget();
    }

    pub(crate) fn go(&self) {
        self.go.add_permits(1);
    }

    async fn wait(&self) {
        self.entered.add_permits(1);
        self.go.acquire().await.unwrap().forget();
    }
}

/// What must come before a deadline that is not about time.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), what).await.expect("it does not come")
}

/// `code 14`: the status that a name asks for.
fn asked_for(name: &str) -> Option<Status> {
    let code: i32 = name.strip_prefix("code ")?.parse().unwrap();
    Some(Status::new(Code::from_i32(code), "as you asked"))
}

#[tonic::async_trait]
impl Health for Ward {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        let number = self.count();
        let name = request.into_inner().service;
        if name == "slow" {
            self.wait().await;
        }
        match asked_for(&name) {
            Some(status) if status.code() != Code::Ok => Err(status),
            _ => Ok(Response::new(HealthCheckResponse { status: number })),
        }
    }

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let number = self.count();
        let message = HealthCheckResponse { status: number };
        let name = request.into_inner().service;
        if let Some(status) = asked_for(&name) {
            return Ok(Response::new(Box::pin(iter([Err(status)]))));
        }
        let live = self.clone();
        let last = async move {
            live.wait().await;
            Ok(message)
        };
        let first = iter(if name == "late" { vec![] } else { vec![Ok(message)] });
        Ok(Response::new(Box::pin(first.chain(async_stream(last)))))
    }
}

/// A stream of the one item that a future gives.
fn async_stream<T: Send + 'static>(item: impl Future<Output = T> + Send + 'static) -> impl Stream<Item = T> + Send {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        let _ = sender.send(item.await).await;
    });
    tokio_stream::wrappers::ReceiverStream::new(receiver)
}

/// A server on a port of its own, and a client of it.
pub(crate) struct Clinic {
    pub(crate) ward: Ward,
    client: HealthClient<Channel>,
    server: JoinHandle<()>,
}

impl Drop for Clinic {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A layer on a store of its own, for one client.
pub(crate) fn layer() -> Builder {
    IdempotencyLayer::builder(Caller::shared()).store(&SharedStore::new(MemoryStore::new()))
}

impl Clinic {
    pub(crate) async fn with(layer: Builder) -> Self {
        let ward = Ward::new();
        Self::serve(ward.clone(), layer, HealthServer::new(ward)).await
    }

    pub(crate) async fn serve<S>(ward: Ward, layer: Builder, service: S) -> Self
    where
        S: Service<HttpRequest<tonic::body::Body>, Response = HttpResponse<tonic::body::Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Server::builder().layer(layer.build()).add_service(service);
        let server = tokio::spawn(async move {
            router.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
        });
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        Self { ward, client: HealthClient::new(channel), server }
    }

    pub(crate) async fn check(&self, key: &str, name: &str) -> Result<Response<HealthCheckResponse>, Status> {
        soon(self.client.clone().check(request(key, name))).await
    }

    pub(crate) async fn watch(
        &self,
        key: &str,
        name: &str,
    ) -> Result<Response<tonic::Streaming<HealthCheckResponse>>, Status> {
        soon(self.client.clone().watch(request(key, name))).await
    }
}

fn request(key: &str, name: &str) -> Request<HealthCheckRequest> {
    let mut request = Request::new(HealthCheckRequest { service: name.to_owned() });
    if !key.is_empty() {
        request.metadata_mut().insert("idempotency-key", key.parse().unwrap());
    }
    request
}
