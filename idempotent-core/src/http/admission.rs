//! A request with a key, from its caller to its answer: what is asked of the engine, and what it answers.

use super::body::{BoxError, RequestBody};
use super::grpc::is_grpc;
use super::handler::{self, Ended, KeepRecord};
use super::headers::Accepted;
use super::key::IdempotencyKey;
use super::limits::{CallerId, Limits, SharedPermit, share_of};
use super::problem::{Problem, ProblemKind};
use super::reading::{self, Bounds, Uploaded};
use super::service::Answered;
use super::settings::{Enter, Settings};
use super::stored::Stored;
use crate::clock::Clock;
use crate::engine::{Ask, Errand, Shared, run_durable_detached};
use crate::error::{Error, ErrorKind};
use crate::installed::installed;
use crate::key::{Fingerprint, Print, Text};
use crate::lease::SharedStore;
use crate::outcome::Plan;
use crate::report::{Opened, Place as Told};
use crate::store::Place;
use crate::table::{Table, TableRef};
use ::http::{Request, Response};
use dashmap::DashMap;
use http_body::Body;
use std::sync::Arc;
use tower_service::Service;

type Flights = Table<Shared<Stored>, Fingerprint>;

/// What a layer, its clones and its services share.
pub(super) struct State {
    pub(super) settings: Settings,
    pub(super) limits: Limits,
    /// What is in flight here, for each store: the one that is installed may be another one in another test.
    flights: DashMap<u64, Arc<Flights>>,
}

impl State {
    pub(super) fn new(settings: Settings) -> Self {
        let (requests, bytes) = (settings.max_in_flight, settings.max_buffered_bytes);
        let limits = if settings.caller.is_everybody() {
            Limits::new((requests, requests), (bytes, bytes))
        } else {
            let share = settings.max_in_flight_per_caller.unwrap_or_else(|| share_of(requests));
            // One body always fits.
            let bytes_share = (bytes / 4).max(settings.max_request.saturating_mul(2)).min(bytes);
            Limits::new((requests, share), (bytes, bytes_share))
        };
        Self { settings, limits, flights: DashMap::new() }
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

    /// Whether a request may go on to the store: where no handler can begin, only one whose key has a record.
    async fn admits(&self, caller: CallerId, errand: &Errand) -> Result<(), Problem> {
        if self.limits.running.has_room(caller) {
            return Ok(());
        }
        match errand.store.store().peek(errand.place.clone()).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(Problem::new(ProblemKind::Overloaded)),
            Err(_) => Err(Problem::new(ProblemKind::StoreUnavailable)),
        }
    }
}

/// A request with a key, from its caller to its answer.
pub(super) async fn answer<S, B, ReqBody, ResBody>(
    state: Arc<State>,
    service: S,
    convert: fn(RequestBody) -> B,
    request: Request<ReqBody>,
    key: IdempotencyKey,
) -> Answered<ResBody, S::Error>
where
    S: Service<Request<B>, Response = Response<ResBody>, Future: Send, Error: Send + 'static> + Send + 'static,
    B: Send + 'static,
    ReqBody: Body<Error: Into<BoxError>> + Send + 'static,
    ResBody: Body<Data: Send, Error: Send + 'static> + Send + 'static,
{
    let settings = &state.settings;
    let is_grpc = is_grpc(request.headers());
    let accepted = Accepted::of(request.headers());
    let prepared = match prepare(&state, request, &key).await {
        Ok(prepared) => prepared,
        Err(problem) => return Ok(settings.refuse(problem, is_grpc)),
    };
    let Prepared { ask, errand, table, told, request, caller, waiting, enter } = prepared;
    let body = handler::run(service, request.map(convert), state.clone(), caller, waiting.clone());
    let body = handler::enter(body, enter, settings.scope);
    let ended = run_durable_detached(table, ask, errand, Plan::returning(KeepRecord), body, told).await;
    waiting.give_back();
    match ended {
        Ended::Answered { response, .. } => Ok(response),
        Ended::Failed(error) => Err(error),
        Ended::Kept(stored) => Ok(stored.replay(&accepted).unwrap_or_else(|problem| settings.refuse(problem, is_grpc))),
        Ended::Refused(error) => Ok(settings.refuse(Problem::from(error), is_grpc)),
        Ended::Shed => Ok(settings.refuse(Problem::new(ProblemKind::Overloaded), is_grpc)),
    }
}

/// All that the engine is asked, and the request for the service.
struct Prepared {
    ask: Ask<'static, Fingerprint>,
    errand: Errand,
    table: TableRef<'static, Shared<Stored>, Fingerprint>,
    told: Told,
    request: Request<RequestBody>,
    caller: CallerId,
    waiting: SharedPermit,
    enter: Option<Enter>,
}

/// Everything before the store is asked for the key.
async fn prepare<ReqBody>(state: &State, request: Request<ReqBody>, key: &IdempotencyKey) -> Result<Prepared, Problem>
where
    ReqBody: Body<Error: Into<BoxError>>,
{
    let settings = &state.settings;
    let overloaded = || Problem::new(ProblemKind::Overloaded);
    let (parts, body) = request.into_parts();
    let who = settings.caller.of(&parts)?;
    let Some(store) = settings.store.clone().or_else(installed) else {
        return Err(Problem::from(Error::new(ErrorKind::NoStore, settings.scope)));
    };
    let caller = state.limits.caller(&who);
    let upload = state.limits.uploads.take(caller, 1).ok_or_else(overloaded)?;
    let memory = state.limits.bytes.take(caller, 0).ok_or_else(overloaded)?;
    let bounds = Bounds { max: settings.max_request, timeout: settings.upload_timeout, memory };
    let Uploaded { bytes, trailers, memory } = reading::request(body, bounds).await?;
    drop(upload);
    let waiting = state.limits.waiting.take(caller, 1).ok_or_else(overloaded)?;
    let uri = (settings.uri)(&parts);
    let Some(print) = settings.print.of(&parts, uri, &bytes) else {
        return Err(Problem::new(ProblemKind::Misconfigured));
    };
    let text = settings.caller.place(&who, key);
    let table = TableRef::Owned(state.flights(&store));
    let errand = state.errand(store, &text, print);
    state.admits(caller, &errand).await?;
    let enter = settings.around.as_ref().map(|capture| capture(&parts));
    let told = Told::take().goes_on(Opened::new(settings.scope, &text));
    let ask = Ask { text, print, retention: None };
    let request = Request::from_parts(parts, RequestBody::read(bytes, trailers, Some(memory)));
    let waiting = SharedPermit::new(waiting);
    Ok(Prepared { ask, errand, table, told, request, caller, waiting, enter })
}
