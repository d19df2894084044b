//! The handler at work: in the task that outlives its client, until its response is read.

use super::admission::State;
use super::body::ResponseBody;
use super::grpc;
use super::headers::{FALSE, STORED};
use super::keeping::{said, unreadable};
use super::limits::{CallerId, SharedPermit};
use super::reading::{Read, read, read_unary};
use super::settings::{Enter, HandlerFuture, Settings};
use super::stored::{Lost, Stored};
use crate::context::current;
use crate::error::{Error, ErrorKind};
use crate::outcome::{Fallible, Keep};
use crate::table::Settled;
use ::http::{HeaderMap, Request, Response, response};
use bytes::Bytes;
use http_body::Body;
use std::sync::{Arc, Mutex, PoisonError};
use tower_service::Service;

/// How a request with a key ended.
#[expect(clippy::large_enum_variant, reason = "it is moved a few times, and mostly the large one")]
pub(super) enum Ended<B: Body, E> {
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
    /// There was no room for another handler, so it did not begin.
    Shed,
}

impl<B: Body, E> Fallible for Ended<B, E> {
    fn refused(error: Error) -> Self {
        Self::Refused(error)
    }

    fn has_failed(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Refused(_) | Self::Shed)
    }
}

/// What is kept was decided when the response was read.
pub(super) struct KeepRecord;

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

/// Runs the service, and reads its response.
pub(super) async fn run<S, B, ResBody>(
    mut service: S,
    request: Request<B>,
    state: Arc<State>,
    caller: CallerId,
    waiting: SharedPermit,
) -> Ended<ResBody, S::Error>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    ResBody: Body,
{
    waiting.give_back();
    let Some(running) = state.limits.running.take(caller, 1).map(SharedPermit::new) else { return Ended::Shed };
    if let Some(execution) = current() {
        // A handler that hangs past `max_run` no longer counts, so that it shuts no other request out.
        execution.when_given_up(running.give_back_later());
    }
    let response = match service.call(request).await {
        Ok(response) => response,
        Err(error) => return Ended::Failed(error),
    };
    let settings = &state.settings;
    let (mut parts, body) = response.into_parts();
    if grpc::is_grpc(&parts.headers) {
        return read_grpc(settings, parts, body).await;
    }
    if !settings.keeps.keeps(&mut parts) {
        return passed(parts, ResponseBody::passed(body));
    }
    let cap = settings.max_response;
    if let Some(lost) = unreadable(&parts, &body.size_hint(), cap, settings.keeps_streamed) {
        return delivered(parts, ResponseBody::passed(body), lost);
    }
    match read(body, cap).await {
        Read::Whole(bytes, trailers) => recorded(settings, parts, bytes, trailers),
        unread => unfinished(parts, unread),
    }
}

/// Reads an answer of gRPC, whose length is never told and whose code comes last.
async fn read_grpc<ResBody: Body, E>(
    settings: &Settings,
    mut parts: response::Parts,
    body: ResBody,
) -> Ended<ResBody, E> {
    let cap = settings.max_response;
    let said = said(&mut parts.extensions, &mut parts.headers);
    let body = if settings.keeps_streamed { read(body, cap).await } else { read_unary(body, cap).await };
    match body {
        Read::Whole(bytes, trailers) => {
            if settings.keeps.decide_by_code(said, &mut parts, trailers.as_ref()) {
                recorded(settings, parts, bytes, trailers)
            } else {
                passed(parts, ResponseBody::whole(bytes, trailers))
            }
        }
        unread if settings.keeps.decide(said, &parts) => unfinished(parts, unread),
        Read::Over(bytes, rest) | Read::Streamed(bytes, rest) => passed(parts, ResponseBody::rest(bytes, rest)),
        Read::Broken(bytes, error) => passed(parts, ResponseBody::broken(bytes, error)),
    }
}

/// A response that is delivered and frees the key.
fn passed<B: Body, E>(parts: response::Parts, body: ResponseBody<B>) -> Ended<B, E> {
    Ended::Answered { response: Response::from_parts(parts, body), record: None }
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

/// A response that was not read to its end, and so cannot be kept.
fn unfinished<B: Body, E>(parts: response::Parts, read: Read<B>) -> Ended<B, E> {
    match read {
        Read::Whole(bytes, trailers) => delivered(parts, ResponseBody::whole(bytes, trailers), Lost::Streamed),
        Read::Streamed(bytes, rest) => delivered(parts, ResponseBody::rest(bytes, rest), Lost::Streamed),
        Read::Over(bytes, rest) => delivered(parts, ResponseBody::rest(bytes, rest), Lost::TooLarge),
        Read::Broken(bytes, error) => delivered(parts, ResponseBody::broken(bytes, error), Lost::Broken),
    }
}

/// A response that is delivered and cannot be kept; its client is told.
fn delivered<B: Body, E>(mut parts: response::Parts, body: ResponseBody<B>, lost: Lost) -> Ended<B, E> {
    let record = Some(Stored::tombstone(parts.status, lost));
    parts.headers.insert(STORED, FALSE);
    Ended::Answered { response: Response::from_parts(parts, body), record }
}

/// Runs a handler inside of what was captured for it.
pub(super) async fn enter<B, E>(
    handler: impl Future<Output = Ended<B, E>> + Send + 'static,
    enter: Option<Enter>,
    scope: &'static str,
) -> Ended<B, E>
where
    B: Body<Data: Send, Error: Send> + Send + 'static,
    E: Send + 'static,
{
    let Some(enter) = enter else { return handler.await };
    let ended = Arc::new(Mutex::new(None));
    let slot = ended.clone();
    let whole: HandlerFuture = Box::pin(async move {
        let ended = handler.await;
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
    });
    enter(whole).await;
    let ended = ended.lock().unwrap_or_else(PoisonError::into_inner).take();
    ended.unwrap_or_else(|| {
        Ended::Refused(Error::detailed(
            ErrorKind::Misdeclared,
            scope,
            "what `around` returned did not run the handler to its end",
        ))
    })
}
