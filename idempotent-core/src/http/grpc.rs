//! gRPC: refusals that its clients understand, and answers that are judged by their code.
//!
//! An answer of gRPC has the status 200 of HTTP, and its own code in the trailers, or in the head where there is no body.

use super::problem::{Problem, ProblemKind};
use ::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use ::http::response::Parts;
use ::http::{Response, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::fmt::Write;
use std::time::Duration;

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
/// When a client that tries again by itself is to do so (gRFC A6).
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// The `domain` of the `ErrorInfo` in every refusal.
const DOMAIN: &str = "idempotently";

/// The codes of `google/rpc/code.proto` that are sent or judged here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

/// Whether a head is one of gRPC. That of gRPC-Web is not: its codes are in the body.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let rest = headers.get(CONTENT_TYPE).and_then(|kind| kind.as_bytes().strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

/// Whether an answer's code says that it is one, and not that the call should be made again.
///
/// No code at all is a failure: the answer broke off.
pub(super) fn is_final(headers: &HeaderMap) -> bool {
    const PASSING: [Code; 8] = [
        Code::Cancelled,
        Code::Unknown,
        Code::DeadlineExceeded,
        Code::ResourceExhausted,
        Code::Aborted,
        Code::Internal,
        Code::Unavailable,
        Code::Unauthenticated,
    ];
    let code = headers.get(STATUS).and_then(|code| code.to_str().ok()?.parse::<u8>().ok());
    code.is_some_and(|code| code <= Code::Unauthenticated as u8 && !PASSING.iter().any(|other| *other as u8 == code))
}

/// Runs a decision with the code in the head, wherever the answer has it.
pub(super) fn with_code<T>(parts: &mut Parts, trailers: Option<&HeaderMap>, decide: impl FnOnce(&Parts) -> T) -> T {
    let code = trailers.and_then(|trailers| trailers.get(STATUS)).filter(|_| !parts.headers.contains_key(STATUS));
    let Some(code) = code else { return decide(parts) };
    parts.headers.insert(STATUS, code.clone());
    let decided = decide(parts);
    parts.headers.remove(STATUS);
    decided
}

/// Where an answer's first message ends, once that can be told: a flag and a length of four bytes come before it.
pub(super) fn end_of_message(head: &[u8]) -> Option<usize> {
    let length = head.get(1..5)?.try_into().ok().map(u32::from_be_bytes)?;
    usize::try_from(length).ok()?.checked_add(5)
}

fn code(problem: &Problem) -> Code {
    match problem.kind() {
        ProblemKind::KeyMissing | ProblemKind::KeyInvalid => Code::InvalidArgument,
        ProblemKind::CallerUnknown if problem.status().is_server_error() => Code::Internal,
        ProblemKind::CallerUnknown => Code::Unauthenticated,
        // Not `UNAVAILABLE`, which counts against a server that is well.
        ProblemKind::InFlight => Code::Aborted,
        // Not `ALREADY_EXISTS`, which clients that create something take for success.
        ProblemKind::KeyReused | ProblemKind::Interrupted | ProblemKind::EncodingNotAccepted => {
            Code::FailedPrecondition
        }
        ProblemKind::ResponseNotKept => Code::DataLoss,
        ProblemKind::RequestTooLarge => Code::ResourceExhausted,
        ProblemKind::Misconfigured => Code::Internal,
        ProblemKind::RequestUnreadable
        | ProblemKind::UploadTimedOut
        | ProblemKind::Overloaded
        | ProblemKind::StoreUnavailable
        | ProblemKind::OutcomeUnknown => Code::Unavailable,
    }
}

/// A problem as a client of gRPC reads it: a head and nothing else.
pub(super) fn refusal<B: From<String>>(problem: &Problem) -> Response<B> {
    let code = code(problem);
    let mut response = Response::new(B::from(String::new()));
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(STATUS, HeaderValue::from(code as u16));
    let details = BASE64.encode(status(code, problem));
    for (name, value) in [(MESSAGE, encoded(problem.detail())), (DETAILS, details)] {
        // Both are ASCII by now.
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    if let Some(span) = problem.retry_after() {
        let millis = i32::try_from(span.as_millis()).unwrap_or(i32::MAX);
        headers.insert(PUSHBACK, millis.into());
    }
    response
}

/// A text in a header: what is not visible ASCII, and `%`, by its bytes.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if matches!(byte, b' '..=b'~') && byte != b'%' {
            out.push(char::from(byte));
        } else {
            // A string takes whatever is written into it.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// `google.rpc.Status` with an `ErrorInfo`, and a `RetryInfo` where the client is to come back.
fn status(code: Code, problem: &Problem) -> Vec<u8> {
    let mut message = Message::default();
    message.number(1, code as u64);
    message.bytes(2, problem.detail().as_bytes());
    message.any(3, "google.rpc.ErrorInfo", &error_info(problem));
    if let Some(span) = problem.retry_after() {
        message.any(3, "google.rpc.RetryInfo", &retry_info(span));
    }
    message.0
}

fn error_info(problem: &Problem) -> Message {
    let mut info = Message::default();
    info.bytes(1, problem.kind().as_str().to_uppercase().replace('-', "_").as_bytes());
    info.bytes(2, DOMAIN.as_bytes());
    let mut entry = Message::default();
    entry.bytes(1, b"type");
    entry.bytes(2, problem.uri().as_bytes());
    info.bytes(3, &entry.0);
    info
}

fn retry_info(span: Duration) -> Message {
    // The longest that `google.protobuf.Duration` may hold.
    const MAX_SECONDS: u64 = 315_576_000_000;
    let mut duration = Message::default();
    duration.number(1, span.as_secs().min(MAX_SECONDS));
    duration.number(2, span.subsec_nanos().into());
    let mut info = Message::default();
    info.bytes(1, &duration.0);
    info
}

/// A message of protobuf, field by field.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value > 0x7f {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push((value & 0x7f) as u8);
    }

    /// A number that is not the default, which is left out.
    fn number(&mut self, field: u64, value: u64) {
        if value != 0 {
            self.varint(field << 3);
            self.varint(value);
        }
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    fn any(&mut self, field: u64, name: &str, value: &Self) {
        let mut any = Self::default();
        any.bytes(1, format!("type.googleapis.com/{name}").as_bytes());
        any.bytes(2, &value.0);
        self.bytes(field, &any.0);
    }
}

#[cfg(test)]
mod tests {
    use super::{Message, encoded, end_of_message, is_final, is_grpc};
    use ::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

    #[test]
    fn what_is_grpc() {
        for (kind, is_one) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;x=1", true),
            ("application/grpc-web+proto", false),
            ("application/json", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
            assert_eq!(is_grpc(&headers), is_one, "{kind}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }

    #[test]
    fn a_code_that_is_missing_or_unknown_is_a_failure() {
        let with = |code: &'static str| {
            HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from_static(code))])
        };
        assert!(is_final(&with("0")) && is_final(&with("5")));
        for code in ["", "x", "-1", "14", "17", "300"] {
            assert!(!is_final(&with(code)), "{code}");
        }
        assert!(!is_final(&HeaderMap::new()));
    }

    #[test]
    fn words_and_numbers_are_written_as_the_formats_say() {
        assert_eq!(encoded("100 %\nü"), "100 %25%0A%C3%BC");
        let mut message = Message::default();
        message.number(1, 300);
        message.number(2, 0);
        message.bytes(3, b"ab");
        assert_eq!(message.0, [0x08, 0xac, 0x02, 0x1a, 2, b'a', b'b']);
        assert_eq!(end_of_message(&[0, 0, 0, 1]), None);
        assert_eq!(end_of_message(&[0, 0, 0, 1, 0, 9]), Some(261));
    }
}
