//! Whether a response is kept: for those who ask again, as a tombstone, or not at all.

use super::grpc;
use super::stored::Lost;
use ::http::header::{CONTENT_TYPE, HeaderMap, HeaderName};
use ::http::response::Parts;
use ::http::{Extensions, StatusCode};
use http_body::SizeHint;
use std::fmt;
use std::sync::Arc;

/// What the handler says about its own response, against the layer's settings: as an extension of the response.
///
/// A service that can only set headers sends `idempotency-keep: true` or `false`; clients do not see that one.
///
/// ```
/// use idempotently::http::Keeping;
///
/// // Nothing was done: whoever asks again with this key is to be tried again.
/// let mut response = http::Response::new("sold out, but there is more tomorrow");
/// response.extensions_mut().insert(Keeping::Release);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Keeping {
    /// It is the answer to this key, whatever its status.
    Keep,
    /// It is not kept, and the key is free: whoever asks again runs the handler again.
    Release,
}

/// How a service says the same that cannot set extensions.
const KEEP: HeaderName = HeaderName::from_static("idempotency-keep");

/// Which responses are kept.
#[derive(Clone, Default)]
pub(super) enum Keeps {
    /// By their status, as [`is_final`] says.
    #[default]
    Final,
    By(Arc<dyn Fn(&Parts) -> bool + Send + Sync>),
}

/// Whether a status is an answer, and not a request to come back: below 500, but not those that pass.
fn is_final(status: StatusCode) -> bool {
    !status.is_server_error() && !PASSING.contains(&status)
}

/// Below 500, and still a request to come back: with credentials, by another connection, later.
const PASSING: [StatusCode; 7] = [
    StatusCode::UNAUTHORIZED,
    StatusCode::PROXY_AUTHENTICATION_REQUIRED,
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::MISDIRECTED_REQUEST,
    StatusCode::LOCKED,
    StatusCode::TOO_EARLY,
    StatusCode::TOO_MANY_REQUESTS,
];

impl Keeps {
    /// Whether a response is kept. What the handler said about it is taken away.
    pub(super) fn keeps(&self, parts: &mut Parts) -> bool {
        let said = said(&mut parts.extensions, &mut parts.headers);
        self.decide(said, parts)
    }

    /// Whether a response is kept about which the handler said this.
    pub(super) fn decide(&self, said: Option<Keeping>, parts: &Parts) -> bool {
        match said {
            Some(Keeping::Keep) => true,
            Some(Keeping::Release) => false,
            None => match self {
                Self::Final => is_final(parts.status),
                Self::By(keeps) => keeps(parts),
            },
        }
    }

    /// The same for an answer of gRPC that was read to its end, by its code.
    pub(super) fn decide_by_code(
        &self,
        said: Option<Keeping>,
        parts: &mut Parts,
        trailers: Option<&HeaderMap>,
    ) -> bool {
        grpc::with_code(parts, trailers, |parts| {
            self.decide(said, parts)
                && (said.is_some() || matches!(self, Self::By(_)) || grpc::is_final(&parts.headers))
        })
    }
}

/// What the handler said about its response, which is taken away.
pub(super) fn said(extensions: &mut Extensions, headers: &mut HeaderMap) -> Option<Keeping> {
    let header = headers.remove(KEEP);
    let said = extensions.remove::<Keeping>();
    said.or_else(|| match header?.as_bytes() {
        b"true" => Some(Keeping::Keep),
        b"false" => Some(Keeping::Release),
        _ => None,
    })
}

/// Takes away what was said about a response that is none of the layer's business.
pub(super) fn forget_said(headers: &mut HeaderMap) {
    headers.remove(KEEP);
}

/// Why a response is not read to its end before it is delivered; nothing where it is.
pub(super) fn unreadable(parts: &Parts, size: &SizeHint, cap: usize, keeps_streamed: bool) -> Option<Lost> {
    let is_events =
        parts.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    if parts.status.is_informational() || is_events {
        return Some(Lost::Streamed);
    }
    match size.upper() {
        _ if size.lower() > cap as u64 => Some(Lost::TooLarge),
        None if !keeps_streamed => Some(Lost::Streamed),
        _ => None,
    }
}

impl fmt::Debug for Keeps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Final => "Final",
            Self::By(_) => "By(..)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Keeping, Keeps, unreadable};
    use crate::http::stored::Lost;
    use ::http::Response;
    use ::http::response::{Builder, Parts};
    use http_body::SizeHint;
    use std::sync::Arc;

    fn parts(status: u16, build: impl FnOnce(Builder) -> Builder) -> Parts {
        let response = build(Response::builder().status(status)).body(());
        response.map_or_else(|_| unreachable!(), |response| response.into_parts().0)
    }

    #[test]
    fn an_answer_is_kept_and_a_request_to_come_back_is_not() {
        for status in [200, 201, 202, 204, 301, 303, 400, 402, 403, 404, 409, 412, 422, 451] {
            assert!(Keeps::Final.keeps(&mut parts(status, |response| response)), "{status}");
        }
        for status in [401, 407, 408, 421, 423, 425, 429, 500, 502, 503, 504, 599] {
            assert!(!Keeps::Final.keeps(&mut parts(status, |response| response)), "{status}");
        }
    }

    #[test]
    fn the_handler_has_the_last_word_and_it_is_not_passed_on() {
        let never = Keeps::By(Arc::new(|_| false));
        assert!(!never.keeps(&mut parts(200, |response| response)));
        assert!(never.keeps(&mut parts(500, |response| response.extension(Keeping::Keep))));
        let mut released = parts(200, |response| response.header("idempotency-keep", "false"));
        assert!(!Keeps::Final.keeps(&mut released));
        assert!(released.headers.is_empty());
        let mut both = parts(500, |response| response.header("idempotency-keep", "false").extension(Keeping::Keep));
        assert!(Keeps::Final.keeps(&mut both));
        assert!(Keeps::Final.keeps(&mut parts(200, |response| response.header("idempotency-keep", "perhaps"))));
    }

    #[test]
    fn what_has_no_known_end_is_not_waited_for() {
        let plain = parts(200, |response| response);
        let events = parts(200, |response| response.header("content-type", "text/event-stream; charset=utf-8"));
        let unknown = SizeHint::default();
        let exact = SizeHint::with_exact;
        assert_eq!(unreadable(&plain, &exact(10), 10, false), None);
        assert_eq!(unreadable(&plain, &exact(11), 10, false), Some(Lost::TooLarge));
        assert_eq!(unreadable(&plain, &unknown, 10, false), Some(Lost::Streamed));
        assert_eq!(unreadable(&plain, &unknown, 10, true), None);
        assert_eq!(unreadable(&events, &unknown, 10, true), Some(Lost::Streamed));
        assert_eq!(unreadable(&parts(101, |response| response), &exact(0), 10, true), Some(Lost::Streamed));
    }
}
