//! The layer and its service, as tower knows them.

use super::admission::{State, answer};
use super::body::{BoxError, RequestBody, ResponseBody};
use super::caller::Caller;
use super::grpc::is_grpc;
use super::keeping::forget_said;
use super::key::IdempotencyKey;
use super::problem::{Problem, ProblemKind};
use super::settings::{Builder, Settings};
use crate::installed::installed;
use ::http::{HeaderMap, Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use std::convert::identity;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Answers a request that is sent again with its `Idempotency-Key` as the first one was answered.
///
/// ```
/// use axum::{Router, routing::post};
/// use idempotently::SharedStore;
/// use idempotently::backend::memory::MemoryStore;
/// use idempotently::http::{Caller, IdempotencyLayer};
///
/// let store = SharedStore::new(MemoryStore::new());
/// let layer = IdempotencyLayer::builder(Caller::header("authorization")).required().store(&store).build();
/// let shop: Router = Router::new().route("/orders", post(async || "ordered")).layer(layer);
/// # let _ = shop;
/// ```
///
/// The service behind it gets a [`RequestBody`]. One that insists on another type of body gets it by
/// [`with_body`](Self::with_body) or [`map_body`](Self::map_body).
pub struct IdempotencyLayer<B = RequestBody> {
    state: Arc<State>,
    body: fn(RequestBody) -> B,
}

impl IdempotencyLayer {
    /// Begins a layer that tells callers apart in this way.
    pub fn builder(caller: Caller) -> Builder {
        Builder::new(caller)
    }

    pub(super) fn new(mut settings: Settings) -> Self {
        // Where it is installed already, so that a test's own is found by servers that it starts.
        settings.store = settings.store.or_else(installed);
        Self { state: Arc::new(State::new(settings)), body: identity }
    }
}

impl<B> IdempotencyLayer<B> {
    /// The same layer around a service that takes requests with this type of body, as axum's middleware functions do:
    /// `layer.with_body::<axum::body::Body>()` (feature `axum`).
    pub fn with_body<C: From<RequestBody>>(self) -> IdempotencyLayer<C> {
        self.map_body(C::from)
    }

    /// The same layer around a service that takes requests with the body that this function makes, such as
    /// `tonic::body::Body::new`.
    pub fn map_body<C>(self, body: fn(RequestBody) -> C) -> IdempotencyLayer<C> {
        IdempotencyLayer { state: self.state, body }
    }
}

impl<B> Clone for IdempotencyLayer<B> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), body: self.body }
    }
}

impl<B> fmt::Debug for IdempotencyLayer<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyLayer").field("settings", &self.state.settings).finish_non_exhaustive()
    }
}

impl<S, B> Layer<S> for IdempotencyLayer<B> {
    type Service = Idempotency<S, B>;

    fn layer(&self, service: S) -> Self::Service {
        Idempotency { service, state: self.state.clone(), body: self.body }
    }
}

/// A service that an [`IdempotencyLayer`] goes around.
pub struct Idempotency<S, B = RequestBody> {
    service: S,
    state: Arc<State>,
    body: fn(RequestBody) -> B,
}

impl<S: Clone, B> Clone for Idempotency<S, B> {
    fn clone(&self) -> Self {
        Self { service: self.service.clone(), state: self.state.clone(), body: self.body }
    }
}

impl<S: fmt::Debug, B> fmt::Debug for Idempotency<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idempotency").field("service", &self.service).finish_non_exhaustive()
    }
}

/// What a request comes to before its body is looked at.
enum Way {
    /// It is none of this layer's business.
    Past,
    Keyed(IdempotencyKey),
    Refused(Problem),
}

fn way(settings: &Settings, method: &::http::Method, headers: &HeaderMap) -> Way {
    if !settings.methods.contains(method) {
        return Way::Past;
    }
    match IdempotencyKey::of(headers, &settings.header) {
        Ok(Some(key)) => Way::Keyed(key),
        Ok(None) if settings.is_required => Way::Refused(Problem::new(ProblemKind::KeyMissing)),
        Ok(None) => Way::Past,
        Err(invalid) => Way::Refused(invalid.into()),
    }
}

impl<S, B, ReqBody, ResBody> Service<Request<ReqBody>> for Idempotency<S, B>
where
    S: Service<Request<B>, Response = Response<ResBody>, Future: Send, Error: Send + 'static> + Clone + Send + 'static,
    B: Send + 'static,
    ReqBody: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    ResBody: Body<Data: Send, Error: Send + 'static> + Send + 'static,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResBody, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let state = &self.state;
        let begun = match way(&state.settings, request.method(), request.headers()) {
            Way::Past => {
                let request = request.map(|body| (self.body)(RequestBody::passed(body)));
                Stage::Passed { future: self.service.call(request) }
            }
            Way::Refused(problem) => {
                let response = state.settings.refuse(problem, is_grpc(request.headers()));
                Stage::Refused { response: Some(response) }
            }
            Way::Keyed(key) => {
                // The one that is ready goes along, its clone stays.
                let clone = self.service.clone();
                let service = mem::replace(&mut self.service, clone);
                Stage::Keyed { future: Box::pin(answer(state.clone(), service, self.body, request, key)) }
            }
        };
        ResponseFuture { stage: begun }
    }
}

pub(super) type Answered<B, E> = Result<Response<ResponseBody<B>>, E>;

pin_project! {
    /// What an [`Idempotency`] service answers. Dropping it stops waiting; a handler that has begun goes on.
    #[must_use = "a future does nothing unless it is awaited"]
    pub struct ResponseFuture<F, B: Body, E> {
        #[pin]
        stage: Stage<F, B, E>,
    }
}

pin_project! {
    #[project = StageProject]
    enum Stage<F, B: Body, E> {
        Passed { #[pin] future: F },
        Keyed { future: Pin<Box<dyn Future<Output = Answered<B, E>> + Send>> },
        Refused { response: Option<Response<ResponseBody<B>>> },
    }
}

impl<F, B, E> Future for ResponseFuture<F, B, E>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Answered<B, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().stage.project() {
            StageProject::Passed { future } => future.poll(cx).map_ok(|mut response| {
                forget_said(response.headers_mut());
                response.map(ResponseBody::passed)
            }),
            StageProject::Keyed { future } => future.as_mut().poll(cx),
            // Polled again after its answer, which no caller does twice.
            StageProject::Refused { response } => {
                response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(response)))
            }
        }
    }
}

impl<F, B: Body, E> fmt::Debug for ResponseFuture<F, B, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
