//! The layer and its service: what is asked of the engine, and what it answers. All that is decided is decided elsewhere.

use super::body::{BoxError, RequestBody, ResponseBody};
use super::caller::Caller;
use super::headers::{FALSE, STORED};
use super::keeping::{forget_said, unreadable};
use super::key::IdempotencyKey;
use super::problem::{Problem, ProblemKind};
use super::reading::{self, Read, read};
use super::settings::{Builder, Settings};
use super::stored::{Lost, Stored};
use crate::clock::Clock;
use crate::context::current;
use crate::engine::{Ask, Errand, Shared, run_durable_detached};
use crate::error::{Error, ErrorKind};
use crate::installed::installed;
use crate::key::{Fingerprint, Print, Text};
use crate::lease::SharedStore;
use crate::outcome::{Fallible, Keep, Plan};
use crate::report::{Opened, Place as Told};
use crate::store::Place;
use crate::table::{Settled, Table, TableRef};
use ::http::{HeaderMap, Request, Response, response};
use bytes::Bytes;
use dashmap::DashMap;
use http_body::Body;
use pin_project_lite::pin_project;
use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

type Flights = Table<Shared<Stored>, Fingerprint>;

/// What a layer, its clones and its services share.
struct State {
    settings: Settings,
    /// What is in flight here, for each store: the one that is installed may be another one in another test.
    flights: DashMap<u64, Arc<Flights>>,
    seats: Arc<AtomicUsize>,
}

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
/// [`with_body`](Self::with_body).
pub struct IdempotencyLayer<B = RequestBody> {
    state: Arc<State>,
    body: PhantomData<fn() -> B>,
}

impl IdempotencyLayer {
    /// Begins a layer that tells callers apart in this way.
    pub fn builder(caller: Caller) -> Builder {
        Builder::new(caller)
    }

    pub(super) fn new(mut settings: Settings) -> Self {
        // Where it is installed already, so that a test's own is found by servers that it starts.
        settings.store = settings.store.or_else(installed);
        let state = State { settings, flights: DashMap::new(), seats: Arc::default() };
        Self { state: Arc::new(state), body: PhantomData }
    }
}

impl<B> IdempotencyLayer<B> {
    /// The same layer around a service that takes requests with this type of body, as axum's middleware functions do:
    /// `layer.with_body::<axum::body::Body>()` (feature `axum`).
    pub fn with_body<C: From<RequestBody>>(self) -> IdempotencyLayer<C> {
        IdempotencyLayer { state: self.state, body: PhantomData }
    }
}

impl<B> Clone for IdempotencyLayer<B> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), body: PhantomData }
    }
}

impl<B> fmt::Debug for IdempotencyLayer<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyLayer").field("settings", &self.state.settings).finish()
    }
}

impl<S, B> Layer<S> for IdempotencyLayer<B> {
    type Service = Idempotency<S, B>;

    fn layer(&self, service: S) -> Self::Service {
        Idempotency { service, state: self.state.clone(), body: PhantomData }
    }
}

/// A service that an [`IdempotencyLayer`] goes around.
pub struct Idempotency<S, B = RequestBody> {
    service: S,
    state: Arc<State>,
    body: PhantomData<fn() -> B>,
}

impl<S: Clone, B> Clone for Idempotency<S, B> {
    fn clone(&self) -> Self {
        Self { service: self.service.clone(), state: self.state.clone(), body: PhantomData }
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
    B: From<RequestBody> + Send + 'static,
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
                let request = request.map(|body| B::from(RequestBody::passed(body)));
                Stage::Passed { future: self.service.call(request) }
            }
            Way::Refused(problem) => Stage::Refused { response: Some(state.settings.tell(problem).into_response()) },
            Way::Keyed(key) => {
                // The one that is ready goes along, its clone stays.
                let clone = self.service.clone();
                let service = mem::replace(&mut self.service, clone);
                Stage::Keyed { future: Box::pin(answer(state.clone(), service, request, key)) }
            }
        };
        ResponseFuture { stage: begun }
    }
}

type Answered<B, E> = Result<Response<ResponseBody<B>>, E>;

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

/// One of the requests that may be worked on at once, for as long as any clone lives.
#[derive(Clone)]
struct Seat {
    taken: Arc<Taken>,
}

struct Taken {
    seats: Arc<AtomicUsize>,
    is_given_back: AtomicBool,
}

impl Taken {
    /// The seat is another request's, also while this one's handler still runs.
    fn give_back(&self) {
        if !self.is_given_back.swap(true, Ordering::Relaxed) {
            self.seats.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl State {
    fn seat(&self) -> Option<Seat> {
        let taken = Taken { seats: self.seats.clone(), is_given_back: AtomicBool::new(false) };
        let before = self.seats.fetch_add(1, Ordering::Relaxed);
        (before < self.settings.max_in_flight).then(|| Seat { taken: Arc::new(taken) })
    }

    fn flights(&self, store: &SharedStore) -> Arc<Flights> {
        let Settings { scope, policy, .. } = &self.settings;
        if let Some(flights) = self.flights.get(&store.id()) {
            return flights.clone();
        }
        let table = || Arc::new(Table::new(scope, policy, Clock::System));
        self.flights.entry(store.id()).or_insert_with(table).clone()
    }

    fn errand(&self, store: SharedStore, text: &Text<'_>, print: Fingerprint) -> Errand {
        let Settings { scope, policy, .. } = &self.settings;
        Errand {
            store,
            place: Place::of(scope, text),
            scope,
            fingerprint: print.digest(),
            durable: policy.durable,
            in_flight: policy.in_flight,
            // The layer has a cap of its own.
            max_outcome: usize::MAX,
        }
    }
}

/// A request with a key, from its caller to its answer.
async fn answer<S, B, ReqBody, ResBody>(
    state: Arc<State>,
    service: S,
    request: Request<ReqBody>,
    key: IdempotencyKey,
) -> Answered<ResBody, S::Error>
where
    S: Service<Request<B>, Response = Response<ResBody>, Future: Send, Error: Send + 'static> + Send + 'static,
    B: From<RequestBody> + Send + 'static,
    ReqBody: Body<Error: Into<BoxError>> + Send + 'static,
    ResBody: Body<Data: Send, Error: Send + 'static> + Send + 'static,
{
    let settings = &state.settings;
    let (seat, call) = match prepare(&state, request, &key).await {
        Ok(prepared) => prepared,
        Err(problem) => return Ok(settings.tell(problem).into_response()),
    };
    let Prepared { ask, errand, table, told, request } = call;
    let request = request.map(B::from);
    let body = attend(service, request, state.clone(), seat.clone());
    let ended = run_durable_detached(table, ask, errand, Plan::returning(KeepRecord), body, told).await;
    drop(seat);
    match ended {
        Ended::Answered { response, .. } => Ok(response),
        Ended::Failed(error) => Err(error),
        Ended::Kept(stored) => {
            Ok(stored.replay().unwrap_or_else(|lost| settings.tell(Problem::not_kept(lost)).into_response()))
        }
        Ended::Refused(error) => Ok(settings.tell(Problem::from(error)).into_response()),
    }
}

/// All that the engine is asked, and the request for the service.
struct Prepared {
    ask: Ask<'static, Fingerprint>,
    errand: Errand,
    table: TableRef<'static, Shared<Stored>, Fingerprint>,
    told: Told,
    request: Request<RequestBody>,
}

/// Everything before the store is asked.
async fn prepare<ReqBody>(
    state: &State,
    request: Request<ReqBody>,
    key: &IdempotencyKey,
) -> Result<(Seat, Prepared), Problem>
where
    ReqBody: Body<Error: Into<BoxError>>,
{
    let settings = &state.settings;
    let (parts, body) = request.into_parts();
    let who = settings.caller.of(&parts)?;
    let Some(store) = settings.store.clone().or_else(installed) else {
        return Err(Problem::from(Error::new(ErrorKind::NoStore, settings.scope)));
    };
    let Some(seat) = state.seat() else { return Err(Problem::new(ProblemKind::Overloaded)) };
    let (bytes, trailers) = reading::request(body, settings.max_request).await?;
    let Some(print) = settings.print.of(&parts, &bytes) else { return Err(Problem::new(ProblemKind::Misconfigured)) };
    let text = settings.caller.place(&who, key);
    let table = TableRef::Owned(state.flights(&store));
    let errand = state.errand(store, &text, print);
    let told = Told::take().goes_on(Opened::new(settings.scope, &text));
    let ask = Ask { text, print, retention: None };
    let request = Request::from_parts(parts, RequestBody::read(bytes, trailers));
    Ok((seat, Prepared { ask, errand, table, told, request }))
}

/// How a request with a key ended.
#[expect(clippy::large_enum_variant, reason = "it is moved a few times, and mostly the large one")]
enum Ended<B: Body, E> {
    /// The service answered; what is kept of it.
    Answered {
        response: Response<ResponseBody<B>>,
        record: Option<Stored>,
    },
    /// The service failed without an answer.
    Failed(E),
    /// An earlier answer, or another server's.
    Kept(Stored),
    Refused(Error),
}

impl<B: Body, E> Fallible for Ended<B, E> {
    fn refused(error: Error) -> Self {
        Self::Refused(error)
    }

    fn has_failed(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Refused(_))
    }
}

/// What is kept was decided when the response was read.
struct KeepRecord;

impl<B: Body, E> Keep<Ended<B, E>> for KeepRecord {
    type Kept = Stored;

    fn settle(&self, ended: &Ended<B, E>) -> Settled<Stored> {
        match ended {
            Ended::Answered { record: Some(record), .. } => Settled::Kept(record.clone()),
            _ => Settled::Released,
        }
    }

    fn revive(kept: Stored) -> Ended<B, E> {
        Ended::Kept(kept)
    }
}

/// Runs the service, in the task that outlives its client, and reads its response.
async fn attend<S, B, ResBody>(
    mut service: S,
    request: Request<B>,
    state: Arc<State>,
    seat: Seat,
) -> Ended<ResBody, S::Error>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    ResBody: Body,
{
    if let Some(execution) = current() {
        let taken = Arc::downgrade(&seat.taken);
        execution.when_given_up(move || taken.upgrade().iter().for_each(|taken| taken.give_back()));
    }
    let response = match service.call(request).await {
        Ok(response) => response,
        Err(error) => return Ended::Failed(error),
    };
    let settings = &state.settings;
    let (mut parts, body) = response.into_parts();
    if !settings.keeps.keeps(&mut parts) {
        let response = Response::from_parts(parts, ResponseBody::passed(body));
        return Ended::Answered { response, record: None };
    }
    let cap = settings.max_response;
    if let Some(lost) = unreadable(&parts, &body.size_hint(), cap, settings.keeps_streamed) {
        return delivered(parts, ResponseBody::passed(body), lost);
    }
    match read(body, cap).await {
        Read::Whole(bytes, trailers) => recorded(settings, parts, bytes, trailers),
        Read::Over(bytes, rest) => delivered(parts, ResponseBody::rest(bytes, rest), Lost::TooLarge),
        Read::Broken(bytes, error) => delivered(parts, ResponseBody::broken(bytes, error), Lost::Broken),
    }
}

/// A response that is kept.
fn recorded<B: Body, E>(
    settings: &Settings,
    parts: response::Parts,
    bytes: Bytes,
    trailers: Option<HeaderMap>,
) -> Ended<B, E> {
    let headers = settings.headers.of(&parts.headers);
    let record = Stored::new(parts.status, headers, bytes.clone(), trailers.as_ref());
    let body = ResponseBody::whole(bytes, trailers);
    if record.size() > settings.max_response {
        return delivered(parts, body, Lost::TooLarge);
    }
    Ended::Answered { response: Response::from_parts(parts, body), record: Some(record) }
}

/// A response that is delivered and cannot be kept; its client is told.
fn delivered<B: Body, E>(mut parts: response::Parts, body: ResponseBody<B>, lost: Lost) -> Ended<B, E> {
    let record = Some(Stored::tombstone(parts.status, lost));
    parts.headers.insert(STORED, FALSE);
    Ended::Answered { response: Response::from_parts(parts, body), record }
}
