//! What a client is told that gets no answer: `application/problem+json` (RFC 9457).

use super::caller::Unknown;
use super::key::InvalidKey;
use super::stored::Lost;
use crate::error::{Error, ErrorKind};
use ::http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, HeaderValue, LINK, RETRY_AFTER};
use ::http::{Response, StatusCode};
use serde::Serialize;
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// Where the problems are explained, unless the layer is told otherwise.
const DOCS: &str = "https://docs.rs/idempotently/latest/idempotently/over_http/index.html";

/// How long a client is to wait before it asks again, unless told otherwise.
pub(super) const RETRY: Duration = Duration::from_secs(1);

/// Why a request got no answer of the service; more may be added in any version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProblemKind {
    /// 400: the header is required and is not there.
    KeyMissing,
    /// 400: the header's value is no key.
    KeyInvalid,
    /// 400, or 500 where it is the server's fault: it is not known who sends the request.
    CallerUnknown,
    /// 400: the request's body broke off.
    RequestUnreadable,
    /// 406: the answer is kept in an encoding that the request does not accept.
    EncodingNotAccepted,
    /// 408: the request's body took too long to be sent.
    UploadTimedOut,
    /// 409 with `Retry-After`: the first request with this key is still being worked on.
    InFlight,
    /// 409: an earlier request ended without an answer, and is not run again.
    Interrupted,
    /// 409: the request was executed, and its response could not be kept; 500 where it cannot be read.
    ResponseNotKept,
    /// 413: the request's body is over the cap.
    RequestTooLarge,
    /// 422: the key was used for another request.
    KeyReused,
    /// 500: the service is set up wrongly.
    Misconfigured,
    /// 503 with `Retry-After`: too many requests with keys are being worked on.
    Overloaded,
    /// 503 with `Retry-After`: the records cannot be reached, so nothing was run.
    StoreUnavailable,
    /// 503 with `Retry-After`: the answer of the database was lost, so it is not known whether the request was done.
    OutcomeUnknown,
}

impl ProblemKind {
    /// The last part of the problem's `type`: `key-missing`, `in-flight`, …
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.sent().1
    }

    /// Its status, and the last part of its `type`.
    const fn sent(self) -> (StatusCode, &'static str) {
        match self {
            Self::KeyMissing => (StatusCode::BAD_REQUEST, "key-missing"),
            Self::KeyInvalid => (StatusCode::BAD_REQUEST, "key-invalid"),
            Self::CallerUnknown => (StatusCode::BAD_REQUEST, "caller-unknown"),
            Self::RequestUnreadable => (StatusCode::BAD_REQUEST, "request-unreadable"),
            Self::EncodingNotAccepted => (StatusCode::NOT_ACCEPTABLE, "encoding-not-accepted"),
            Self::UploadTimedOut => (StatusCode::REQUEST_TIMEOUT, "upload-timed-out"),
            Self::InFlight => (StatusCode::CONFLICT, "in-flight"),
            Self::Interrupted => (StatusCode::CONFLICT, "interrupted"),
            Self::ResponseNotKept => (StatusCode::CONFLICT, "response-not-kept"),
            Self::RequestTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "request-too-large"),
            Self::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "key-reused"),
            Self::Misconfigured => (StatusCode::INTERNAL_SERVER_ERROR, "misconfigured"),
            Self::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
            Self::StoreUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "store-unavailable"),
            Self::OutcomeUnknown => (StatusCode::SERVICE_UNAVAILABLE, "outcome-unknown"),
        }
    }

    /// Its title, and what happened and what to do.
    const fn says(self) -> (&'static str, &'static str) {
        match self {
            Self::KeyMissing => (
                "Idempotency-Key is missing",
                "This operation needs a key: send a new, unique one with each new request, and the same one when you send a request again.",
            ),
            Self::KeyInvalid => (
                "Idempotency-Key is invalid",
                "Send one key of 1 to 255 visible ASCII characters, such as a UUID, bare or in quotes.",
            ),
            Self::CallerUnknown => (
                "The caller is not known",
                "A key belongs to whoever sends it, and this request does not say who that is.",
            ),
            Self::RequestUnreadable => {
                ("The request broke off", "Nothing was done. Send the request again with the same key.")
            }
            Self::EncodingNotAccepted => (
                "The answer is kept in an encoding that the request does not accept",
                "The request was executed, once. Send it again with the same key and the Accept-Encoding of the first try.",
            ),
            Self::UploadTimedOut => {
                ("The request took too long to be sent", "Nothing was done. Send the request again with the same key.")
            }
            Self::InFlight => (
                "A request is outstanding for this Idempotency-Key",
                "The first request with this key is still being worked on. Send it again later, with the same key, for its answer.",
            ),
            Self::Interrupted => (
                "An earlier request with this Idempotency-Key was interrupted",
                "It may or may not have had its effect, and is not run again. Look at what it did before you use a new key.",
            ),
            Self::ResponseNotKept => (
                "The answer to this Idempotency-Key was not kept",
                "The request was executed, once, and its response was delivered but could not be kept. Do not send it again with a new key.",
            ),
            Self::RequestTooLarge => {
                ("The request is too large", "Nothing was done: the body is larger than this operation accepts.")
            }
            Self::KeyReused => (
                "Idempotency-Key is already used",
                "The key was used before for a different request. Use a new key for a new request.",
            ),
            Self::Misconfigured => (
                "The request cannot be protected",
                "Nothing was done. The service cannot tell requests that are sent again, so it refuses them.",
            ),
            Self::Overloaded => (
                "Too many requests are being worked on",
                "Nothing was done. Send the request again later, with the same key.",
            ),
            Self::StoreUnavailable => (
                "The records of requests cannot be reached",
                "Nothing was done. Send the request again later, with the same key.",
            ),
            Self::OutcomeUnknown => (
                "It is not known whether the request was done",
                "It is not known whether it was done. Send it again with the same key to find out, and not with a new one.",
            ),
        }
    }

    /// Whether the same request can succeed later, so that the client is told when.
    const fn is_passing(self) -> bool {
        matches!(self, Self::InFlight | Self::Overloaded | Self::StoreUnavailable | Self::OutcomeUnknown)
    }
}

/// A problem with what it tells the client. It never holds a key or a payload.
///
/// It is an error that an `#[idempotent]` function behind HTTP can return as it is: an
/// [`Error`] becomes the problem that the layer would send.
///
/// ```
/// use idempotently::http::{Problem, ProblemKind};
///
/// let problem = Problem::new(ProblemKind::InFlight).with_detail("Your payment is being made.");
/// assert_eq!(problem.status(), 409);
/// let response: http::Response<String> = problem.into_response();
/// assert_eq!(response.headers()["content-type"], "application/problem+json");
/// assert_eq!(response.headers()["retry-after"], "1");
/// assert!(response.body().contains("Your payment is being made."));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    kind: ProblemKind,
    status: StatusCode,
    uri: String,
    title: Cow<'static, str>,
    detail: Cow<'static, str>,
    retry_after: Option<Duration>,
    original_status: Option<StatusCode>,
}

#[derive(Serialize)]
struct Written<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_status: Option<u16>,
}

impl Problem {
    /// The problem as the layer tells it unless it is told otherwise.
    #[must_use]
    pub fn new(kind: ProblemKind) -> Self {
        let ((status, _), (title, detail)) = (kind.sent(), kind.says());
        Self {
            kind,
            status,
            uri: documented(DOCS, kind),
            title: title.into(),
            detail: detail.into(),
            retry_after: kind.is_passing().then_some(RETRY),
            original_status: None,
        }
    }

    /// Which problem it is.
    #[must_use]
    pub fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// The response's status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The same with another `type`: a URI that stands for the problem, and where it is explained.
    #[must_use]
    pub fn with_type(mut self, uri: impl Into<String>) -> Self {
        self.uri = uri.into();
        self
    }

    /// The same with another title.
    #[must_use]
    pub fn with_title(mut self, title: impl Into<Cow<'static, str>>) -> Self {
        self.title = title.into();
        self
    }

    /// The same with another explanation.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = detail.into();
        self
    }

    /// The same with another `Retry-After`, in whole seconds, or none.
    #[must_use]
    pub fn with_retry_after(mut self, span: Option<Duration>) -> Self {
        self.retry_after = span;
        self
    }

    /// When the client is to come back, where it is.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// What happened, and what to do.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// Its `type`.
    pub(super) fn uri(&self) -> &str {
        &self.uri
    }

    /// The same, explained elsewhere.
    pub(super) fn documented_at(mut self, docs: &str) -> Self {
        self.uri = documented(docs, self.kind);
        self
    }

    /// What is left of an answer that was not kept.
    pub(super) fn not_kept(status: StatusCode, lost: Lost) -> Self {
        let problem = Self { original_status: Some(status), ..Self::new(ProblemKind::ResponseNotKept) };
        match lost {
            Lost::TooLarge | Lost::Streamed => problem,
            Lost::Broken => problem.with_detail(
                "The request was executed, once, and its response broke off before it was complete. Do not send it again with a new key.",
            ),
        }
    }

    /// It was executed, and its record is not one that this version reads.
    fn unreadable_record() -> Self {
        Self::new(ProblemKind::ResponseNotKept).with_status(StatusCode::INTERNAL_SERVER_ERROR).with_detail(
            "The request was executed, and the record of its answer cannot be read here. Do not send it again with a new key.",
        )
    }

    /// A handler needs a runtime, which may have ended under it.
    fn runtime_ended() -> Self {
        Self::new(ProblemKind::Misconfigured).with_detail(
            "The service could not work on the request to its end, and it is not known whether it was done. Send it again later, with the same key.",
        )
    }

    /// The response, with any body that can be made of text.
    #[must_use]
    pub fn into_response<B: From<String>>(self) -> Response<B> {
        let written = Written {
            r#type: &self.uri,
            title: &self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            original_status: self.original_status.map(|status| status.as_u16()),
        };
        // Strings and numbers are always written.
        let body = serde_json::to_string(&written).unwrap_or_default();
        let mut response = Response::new(B::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static("en"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let link = format!("<{}>; rel=\"describedby\"; type=\"text/html\"", self.uri);
        if let Ok(link) = HeaderValue::from_str(&link) {
            headers.insert(LINK, link);
        }
        if let Some(span) = self.retry_after {
            // Whole seconds, and never zero: that would ask for a storm.
            let seconds = span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0));
            headers.insert(RETRY_AFTER, seconds.max(1).into());
        }
        response
    }
}

fn documented(docs: &str, kind: ProblemKind) -> String {
    format!("{docs}#{}", kind.as_str())
}

/// The problem that a refused call is to a client.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        Self::new(match error.kind() {
            ErrorKind::InFlight | ErrorKind::WaitTimedOut | ErrorKind::LeaseLost => ProblemKind::InFlight,
            ErrorKind::KeyReused => ProblemKind::KeyReused,
            ErrorKind::MissingKey => ProblemKind::KeyMissing,
            ErrorKind::InvalidKey => ProblemKind::KeyInvalid,
            ErrorKind::Interrupted => ProblemKind::Interrupted,
            ErrorKind::OutcomeLost => ProblemKind::ResponseNotKept,
            ErrorKind::Full => ProblemKind::Overloaded,
            ErrorKind::Store | ErrorKind::Contended => ProblemKind::StoreUnavailable,
            ErrorKind::OutcomeUnknown => ProblemKind::OutcomeUnknown,
            ErrorKind::Codec => return Self::unreadable_record(),
            ErrorKind::NoRuntime => return Self::runtime_ended(),
            ErrorKind::Reentrant
            | ErrorKind::NoStore
            | ErrorKind::NoTransaction
            | ErrorKind::Aborted
            | ErrorKind::Misdeclared => ProblemKind::Misconfigured,
        })
    }
}

impl From<InvalidKey> for Problem {
    fn from(error: InvalidKey) -> Self {
        Self::new(ProblemKind::KeyInvalid).with_detail(format!(
            "The key cannot be used: {}. {}",
            error.why(),
            ProblemKind::KeyInvalid.says().1
        ))
    }
}

impl From<Unknown> for Problem {
    fn from(unknown: Unknown) -> Self {
        let problem = Self::new(ProblemKind::CallerUnknown);
        match unknown {
            Unknown::Header => problem,
            Unknown::Server => problem.with_status(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status.as_u16(), self.title)
    }
}

impl StdError for Problem {}

#[cfg(test)]
mod tests {
    use super::{Problem, ProblemKind};
    use crate::error::{Error, ErrorKind};
    use crate::http::key::IdempotencyKey;
    use std::time::Duration;

    #[test]
    fn it_is_written_as_the_standard_says() {
        let response = Problem::new(ProblemKind::KeyReused).documented_at("https://shop.example/docs").into_response();
        let text: &String = response.body();
        assert_eq!(
            text,
            "{\"type\":\"https://shop.example/docs#key-reused\",\"title\":\"Idempotency-Key is already used\",\"status\":422,\
             \"detail\":\"The key was used before for a different request. Use a new key for a new request.\"}"
        );
        let headers = response.headers();
        assert_eq!(headers["link"], "<https://shop.example/docs#key-reused>; rel=\"describedby\"; type=\"text/html\"");
        assert_eq!(headers["content-language"], "en");
        assert!(!headers.contains_key("retry-after"));
    }

    #[test]
    fn a_client_is_never_asked_to_come_back_at_once() {
        for (span, seconds) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2"), (60_000, "60")] {
            let problem = Problem::new(ProblemKind::InFlight).with_retry_after(Some(Duration::from_millis(span)));
            assert_eq!(problem.into_response::<String>().headers()["retry-after"], seconds, "{span}");
        }
    }

    #[test]
    fn what_can_succeed_later_says_when_and_nothing_else_does() {
        for (error, kind, comes_back) in [
            (ErrorKind::InFlight, 409, true),
            (ErrorKind::WaitTimedOut, 409, true),
            (ErrorKind::LeaseLost, 409, true),
            (ErrorKind::Interrupted, 409, false),
            (ErrorKind::OutcomeLost, 409, false),
            (ErrorKind::KeyReused, 422, false),
            (ErrorKind::MissingKey, 400, false),
            (ErrorKind::Store, 503, true),
            (ErrorKind::Full, 503, true),
            (ErrorKind::NoStore, 500, false),
            (ErrorKind::Codec, 500, false),
            (ErrorKind::OutcomeUnknown, 503, true),
            (ErrorKind::NoRuntime, 500, false),
        ] {
            let error = Error::new(error, "shop");
            let response = Problem::from(&error).into_response::<String>();
            assert_eq!(
                (response.status().as_u16(), response.headers().contains_key("retry-after")),
                (kind, comes_back)
            );
            assert!(!comes_back || error.is_retryable(), "{error}");
        }
    }

    /// A client that believes it sends a new key, and what was done is done twice.
    #[test]
    fn nothing_was_done_is_said_only_where_it_is_so() {
        for (error, kind) in [
            (ErrorKind::OutcomeUnknown, ProblemKind::OutcomeUnknown),
            (ErrorKind::Codec, ProblemKind::ResponseNotKept),
            (ErrorKind::NoRuntime, ProblemKind::Misconfigured),
            (ErrorKind::OutcomeLost, ProblemKind::ResponseNotKept),
            (ErrorKind::Interrupted, ProblemKind::Interrupted),
            (ErrorKind::LeaseLost, ProblemKind::InFlight),
        ] {
            let problem = Problem::from(Error::new(error, "shop"));
            assert_eq!(problem.kind(), kind);
            let body = problem.into_response::<String>().into_body();
            assert!(!body.contains("Nothing was done"), "{body}");
        }
    }

    #[test]
    fn a_pause_too_long_to_count_is_the_longest() {
        let problem = Problem::new(ProblemKind::InFlight).with_retry_after(Some(Duration::MAX));
        assert_eq!(problem.into_response::<String>().headers()["retry-after"], u64::MAX.to_string());
    }

    #[test]
    fn a_key_that_is_refused_is_not_repeated() {
        let Err(invalid) = IdempotencyKey::parse(b"my secret") else { unreachable!() };
        let problem = Problem::from(invalid);
        let body: String = problem.clone().into_response().into_body();
        let text = format!("{invalid} {invalid:?} {problem:?} {problem} {body}");
        assert!(text.contains("visible ASCII") && !text.contains("secret"), "{text}");
    }
}
