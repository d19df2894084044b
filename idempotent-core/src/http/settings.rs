//! What can be chosen about the layer.

use super::body::RequestBody;
use super::caller::Caller;
use super::grpc;
use super::headers::HeadersKept;
use super::keeping::Keeps;
use super::key::IDEMPOTENCY_KEY;
use super::print::BodyFingerprint;
use super::problem::{Problem, RETRY};
use super::service::IdempotencyLayer;
use crate::lease::SharedStore;
use crate::policy::{Durable, InFlight, OnInterruption, Policy, Retention};
use ::http::header::HeaderName;
use ::http::request::Parts as RequestParts;
use ::http::response::Parts;
use ::http::{Method, Response, Uri};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

const MEBIBYTE: usize = 1024 * 1024;

/// What the layer does to a problem before it is sent.
type Telling = dyn Fn(Problem) -> Problem + Send + Sync;

/// A handler at work, as [`Builder::around`] gets it. It is to be awaited to its end.
pub type HandlerFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What is done to a handler's future before it runs.
pub(super) type Enter = Box<dyn FnOnce(HandlerFuture) -> HandlerFuture + Send>;

/// What captures the surroundings of a request.
pub(super) type Around = dyn Fn(&RequestParts) -> Enter + Send + Sync;

/// How long a client may take to send its body, unless told otherwise.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Everything that was chosen.
pub(super) struct Settings {
    pub(super) caller: Caller,
    pub(super) methods: Vec<Method>,
    pub(super) header: HeaderName,
    pub(super) is_required: bool,
    pub(super) scope: &'static str,
    pub(super) store: Option<SharedStore>,
    pub(super) policy: Policy,
    pub(super) keeps: Keeps,
    pub(super) keeps_streamed: bool,
    pub(super) headers: HeadersKept,
    pub(super) print: BodyFingerprint,
    pub(super) max_request: usize,
    pub(super) max_response: usize,
    pub(super) max_in_flight: usize,
    pub(super) max_in_flight_per_caller: Option<usize>,
    pub(super) max_buffered_bytes: usize,
    pub(super) upload_timeout: Option<Duration>,
    pub(super) around: Option<Arc<Around>>,
    /// The address that counts as the one that was asked for.
    pub(super) uri: fn(&RequestParts) -> &Uri,
    retry_after: Duration,
    docs: Option<String>,
    telling: Option<Arc<Telling>>,
}

impl Settings {
    /// What a client gets that is refused, in the words of its protocol.
    pub(super) fn refuse<B: From<String>>(&self, problem: Problem, is_grpc: bool) -> Response<B> {
        let problem = self.tell(problem);
        if is_grpc { grpc::refusal(&problem) } else { problem.into_response() }
    }

    /// A problem as this layer tells it.
    fn tell(&self, problem: Problem) -> Problem {
        let mut problem = match &self.docs {
            Some(docs) => problem.documented_at(docs),
            None => problem,
        };
        if problem.retry_after().is_some() {
            problem = problem.with_retry_after(Some(self.retry_after));
        }
        match &self.telling {
            Some(telling) => telling(problem),
            None => problem,
        }
    }
}

/// Makes an [`IdempotencyLayer`]; every method says what holds where it is not called.
#[must_use = "a layer is made by `build`"]
pub struct Builder {
    settings: Settings,
}

impl Builder {
    pub(super) fn new(caller: Caller) -> Self {
        let durable =
            Durable { interrupted: OnInterruption::Retry, lease: Policy::DEFAULT.durable.lease, max_run: None };
        Self {
            settings: Settings {
                caller,
                methods: vec![Method::POST, Method::PATCH],
                header: IDEMPOTENCY_KEY,
                is_required: false,
                scope: "http",
                store: None,
                policy: Policy { in_flight: InFlight::Reject, durable, ..Policy::DEFAULT },
                keeps: Keeps::default(),
                keeps_streamed: false,
                headers: HeadersKept::default(),
                print: BodyFingerprint::default(),
                max_request: MEBIBYTE,
                max_response: MEBIBYTE,
                max_in_flight: 1024,
                max_in_flight_per_caller: None,
                max_buffered_bytes: 48 * MEBIBYTE,
                upload_timeout: Some(UPLOAD_TIMEOUT),
                around: None,
                uri: |parts| &parts.uri,
                retry_after: RETRY,
                docs: None,
                telling: None,
            },
        }
    }

    /// The methods whose requests may have a key; `POST` and `PATCH` unless this is said. On others the header is
    /// ignored.
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.settings.methods = methods.into_iter().collect();
        self
    }

    /// The header that the key is in; `Idempotency-Key` unless this is said, which is then ignored.
    pub fn key_header(mut self, name: HeaderName) -> Self {
        self.settings.header = name;
        self
    }

    /// Requests without a key are refused with 400; they are passed on unprotected unless this is said.
    pub fn required(mut self) -> Self {
        self.settings.is_required = true;
        self
    }

    /// The name under which records are kept, in the store and in traces; `http` unless this is said. Two services that
    /// share a store need two, or their keys are each other's.
    pub fn scope(mut self, scope: &'static str) -> Self {
        self.settings.scope = scope;
        self
    }

    /// Where records are kept; unless this is said, in the store that is [installed](crate::installed::install).
    pub fn store(mut self, store: &SharedStore) -> Self {
        self.settings.store = Some(store.clone());
        self
    }

    /// What a request does while the first one with its key is worked on. It is refused with 409 and `Retry-After`
    /// unless this is said; one that waits gets the answer of the first, or is the next to run.
    pub fn in_flight(mut self, in_flight: InFlight) -> Self {
        self.settings.policy.in_flight = in_flight;
        self
    }

    /// How long an answer is kept, from when it was given; a day unless this is said. Publish it: whoever sends a request
    /// again later sends a new one.
    pub fn retention(mut self, retention: impl Into<Retention>) -> Self {
        self.settings.policy.retention = retention.into();
        self
    }

    /// How long a server that died is believed to be working; 30 seconds unless this is said. Those that live renew it.
    ///
    /// # Panics
    /// For less than a millisecond: such a lease is over before the handler begins.
    pub fn lease(mut self, lease: Duration) -> Self {
        assert!(
            lease.as_millis() > 0,
            "a lease is at least a millisecond: a shorter one is over before its handler begins"
        );
        self.settings.policy.durable.lease = lease;
        self
    }

    /// When a handler that hangs is given up, so that the next request runs; never unless this is said.
    pub fn max_run(mut self, longest: Duration) -> Self {
        self.settings.policy.durable.max_run = Some(longest);
        self
    }

    /// What is done with a request whose handler panicked, or whose server died. The next request with its key runs the
    /// handler again unless this is said.
    ///
    /// With [`OnInterruption::Fail`] nobody does: it is 409 until an operator has looked and resolved or forgotten the
    /// record. Where handlers run again, hand a [`downstream_key`](crate::context::Execution::downstream_key) to the
    /// systems that they call.
    pub fn interrupted(mut self, interrupted: OnInterruption) -> Self {
        self.settings.policy.durable.interrupted = interrupted;
        self
    }

    /// Which responses are kept; unless this is said, those with a status below 500, except 401, 407, 408, 421, 423,
    /// 425 and 429. The others are delivered and free the key. A handler may say otherwise, by
    /// [`Keeping`](super::Keeping).
    ///
    /// An answer of gRPC is judged by its code, which the function finds as `grpc-status` among the headers, also where
    /// it came in the trailers. Unless this is said, these are not kept: `CANCELLED`, `UNKNOWN`, `DEADLINE_EXCEEDED`,
    /// `RESOURCE_EXHAUSTED`, `ABORTED`, `INTERNAL`, `UNAVAILABLE`, `UNAUTHENTICATED`.
    pub fn keep(mut self, keeps: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.settings.keeps = Keeps::By(Arc::new(keeps));
        self
    }

    /// Responses whose length is not known beforehand are read to their end, or to the cap, before they are delivered,
    /// and kept. Unless this is said they are delivered as they come and not kept, which suits streams without an end.
    /// Events (`text/event-stream`) always are. An answer of gRPC with one message is kept either way.
    pub fn keep_streamed(mut self) -> Self {
        self.settings.keeps_streamed = true;
        self
    }

    /// Only these headers of a response are kept, and never those that are one answer's own, such as `Set-Cookie`.
    pub fn only_headers(mut self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.settings.headers = HeadersKept::Only(names.into_iter().collect());
        self
    }

    /// These headers of a response are not kept either; unless this is said, all are that are not one answer's own.
    pub fn without_headers(mut self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.settings.headers = HeadersKept::AllBut(names.into_iter().collect());
        self
    }

    /// What of a body must be the same when a key is used again; every byte unless this is said.
    pub fn fingerprint(mut self, fingerprint: BodyFingerprint) -> Self {
        self.settings.print = fingerprint;
        self
    }

    /// The largest body of a request with a key, in bytes; 1 MiB unless this is said. A larger one is refused with 413,
    /// as soon as that is known.
    pub fn max_request(mut self, bytes: usize) -> Self {
        self.settings.max_request = bytes;
        self
    }

    /// The largest response that is kept, headers included, in bytes; 1 MiB unless this is said. A larger one is
    /// delivered, and whoever asks again is told that it was.
    pub fn max_response(mut self, bytes: usize) -> Self {
        self.settings.max_response = bytes;
        self
    }

    /// The most handlers of requests with a key that run at once; 1024 unless this is said. As many requests more may be
    /// sending their body, and as many may wait for an answer. Further ones are refused with 503; an answer that is kept
    /// is found all the same.
    pub fn max_in_flight(mut self, requests: usize) -> Self {
        self.settings.max_in_flight = requests;
        self
    }

    /// The same for each caller, so that one does not take the places of the others; unless this is said a quarter of
    /// [`max_in_flight`](Self::max_in_flight), and at least 8. It has no effect for [`Caller::shared`].
    pub fn max_in_flight_per_caller(mut self, requests: usize) -> Self {
        self.settings.max_in_flight_per_caller = Some(requests);
        self
    }

    /// The most memory for bodies of requests with a key that are being sent, or wait for their handler, in bytes; 48 MiB
    /// unless this is said. One caller has a quarter of it, and at least room for one body. A request that needs more is
    /// refused with 503.
    pub fn max_buffered_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_buffered_bytes = bytes;
        self
    }

    /// How long a client may take to send the body of a request with a key; 30 seconds unless this is said. Then it is
    /// refused with 408, and its key is as it was. `Duration::MAX` is for ever.
    pub fn upload_timeout(mut self, longest: Duration) -> Self {
        self.settings.upload_timeout = Some(longest);
        self
    }

    /// Runs the handlers of requests with a key inside of something, such as the scope of a task-local.
    ///
    /// These handlers run in a task of their own, so that a client that hangs up does not stop them. What belongs to the
    /// task of the connection is not there, unless it is taken along: the function is called in that task, with the
    /// head of the request, and what it returns goes around the handler in the other one.
    ///
    /// ```
    /// use idempotently::http::{Caller, HandlerFuture, IdempotencyLayer};
    ///
    /// tokio::task_local! {
    ///     static USER: String;
    /// }
    ///
    /// let layer = IdempotencyLayer::builder(Caller::header("authorization"))
    ///     .around(|_request| {
    ///         let user = USER.get();
    ///         move |handler: HandlerFuture| Box::pin(USER.scope(user, handler)) as HandlerFuture
    ///     })
    ///     .build();
    /// # let _ = layer;
    /// ```
    ///
    /// A handler whose future is dropped instead of awaited counts as one that did not run: its client gets 500.
    pub fn around<E>(mut self, capture: impl Fn(&RequestParts) -> E + Send + Sync + 'static) -> Self
    where
        E: FnOnce(HandlerFuture) -> HandlerFuture + Send + 'static,
    {
        self.settings.around = Some(Arc::new(move |parts| Box::new(capture(parts))));
        self
    }

    /// The path that the client asked for counts, also inside a nested router of axum, which takes the prefix away.
    /// Unless this is said, what counts is the path as this layer sees it.
    ///
    /// It changes the fingerprint of requests inside nested routers: a request that was answered before the change is
    /// refused with 422 when it is sent again after it.
    #[cfg(feature = "axum")]
    pub fn original_uri(mut self) -> Self {
        self.settings.uri = super::extract::original_uri;
        self
    }

    /// When a client that is refused is to come back, in whole seconds; after one unless this is said.
    pub fn retry_after(mut self, span: Duration) -> Self {
        self.settings.retry_after = span;
        self
    }

    /// Where the problems are explained: the `type` of a problem is this URL with the problem's name behind a `#`. This
    /// crate's own page unless this is said.
    pub fn docs(mut self, url: impl Into<String>) -> Self {
        self.settings.docs = Some(url.into());
        self
    }

    /// Changes what clients are told about problems.
    ///
    /// ```
    /// use idempotently::http::{Caller, IdempotencyLayer, ProblemKind};
    ///
    /// let layer = IdempotencyLayer::builder(Caller::header("authorization"))
    ///     .problems(|problem| match problem.kind() {
    ///         ProblemKind::InFlight => problem.with_detail("Your payment is being made."),
    ///         _ => problem,
    ///     })
    ///     .build();
    /// # let _ = layer;
    /// ```
    pub fn problems(mut self, telling: impl Fn(Problem) -> Problem + Send + Sync + 'static) -> Self {
        self.settings.telling = Some(Arc::new(telling));
        self
    }

    /// The layer. Its clones, and the services that they go around, share what is in flight.
    pub fn build(self) -> IdempotencyLayer<RequestBody> {
        IdempotencyLayer::new(self.settings)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("caller", &self.caller)
            .field("methods", &self.methods)
            .field("header", &self.header)
            .field("is_required", &self.is_required)
            .field("scope", &self.scope)
            .field("store", &self.store)
            .field("policy", &self.policy)
            .field("keeps", &self.keeps)
            .field("headers", &self.headers)
            .field("print", &self.print)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("settings", &self.settings).finish()
    }
}
