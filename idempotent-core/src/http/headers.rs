//! Which headers of a response are kept for those who ask again.

use ::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use std::collections::HashSet;

/// Says that an answer is that of an earlier request.
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Says, with `false`, that this answer is not there for whoever asks again.
pub(super) const STORED: HeaderName = HeaderName::from_static("idempotency-stored");

pub(super) const TRUE: HeaderValue = HeaderValue::from_static("true");
pub(super) const FALSE: HeaderValue = HeaderValue::from_static("false");

/// Never kept: they belong to the connection, to the moment or to the one who asked, or are made anew.
const NEVER: [HeaderName; 25] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::CONTENT_LENGTH,
    header::DATE,
    header::AGE,
    header::VARY,
    header::SET_COOKIE,
    HeaderName::from_static("set-cookie2"),
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::WWW_AUTHENTICATE,
    header::PROXY_AUTHENTICATE,
    HeaderName::from_static("authentication-info"),
    HeaderName::from_static("proxy-authentication-info"),
    REPLAYED,
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("request-id"),
    HeaderName::from_static("x-correlation-id"),
    HeaderName::from_static("traceresponse"),
    HeaderName::from_static("server-timing"),
];

/// How the names begin of headers that tell what the one who asked has left.
const NEVER_BEGINNING: [&str; 3] = ["ratelimit", "x-ratelimit", "x-rate-limit"];

/// Whether a header is one answer's own.
fn is_own(name: &HeaderName) -> bool {
    NEVER.contains(name) || NEVER_BEGINNING.iter().any(|start| name.as_str().starts_with(start))
}

/// Which headers are kept, beside those that never are.
#[derive(Clone, Debug, Default)]
pub(super) enum HeadersKept {
    #[default]
    All,
    Only(HashSet<HeaderName>),
    AllBut(HashSet<HeaderName>),
}

impl HeadersKept {
    /// What is kept, in its order.
    pub(super) fn of(&self, headers: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
        let of_the_connection = named_by_connection(headers);
        let keeps = |name: &HeaderName| {
            let is_chosen = match self {
                Self::All => true,
                Self::Only(chosen) => chosen.contains(name),
                Self::AllBut(left_out) => !left_out.contains(name),
            };
            is_chosen && !is_own(name) && !of_the_connection.contains(name)
        };
        let kept = headers.iter().filter(|(name, _)| keeps(name));
        kept.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

/// A header that `Connection` names ends with the connection (RFC 9110, section 7.6.1).
fn named_by_connection(headers: &HeaderMap) -> HashSet<HeaderName> {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok()).collect()
}

/// Which encodings of a body a request's sender can read.
pub(super) struct Accepted {
    content: Vec<HeaderValue>,
    grpc: Vec<HeaderValue>,
}

/// How a gRPC answer says how its message is encoded, and what its client can read.
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

impl Accepted {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let all = |name| headers.get_all(name).iter().cloned().collect();
        Self { content: all(header::ACCEPT_ENCODING), grpc: all(GRPC_ACCEPT_ENCODING) }
    }

    /// Whether a response with this header can be read.
    pub(super) fn reads(&self, name: &HeaderName, value: &HeaderValue) -> bool {
        let accepted = if name == header::CONTENT_ENCODING {
            &self.content
        } else if name == GRPC_ENCODING {
            &self.grpc
        } else {
            return true;
        };
        let codings = items(value);
        codings.into_iter().all(|coding| is_identity(coding) || accepts(accepted, coding))
    }
}

/// The parts of a list, or nothing where it is no text.
fn items(value: &HeaderValue) -> Vec<&str> {
    let list = value.to_str().unwrap_or_default().split(',');
    list.map(str::trim).filter(|item| !item.is_empty()).collect()
}

fn is_identity(coding: &str) -> bool {
    coding.eq_ignore_ascii_case("identity")
}

/// Whether one of the lists names the coding, or all, with a weight above zero. No list names nothing: who says nothing
/// of encodings gets none from those who compress.
fn accepts(lists: &[HeaderValue], coding: &str) -> bool {
    let weight = |wanted: &str| {
        lists.iter().flat_map(items).find_map(|item| {
            let mut parts = item.split(';').map(str::trim);
            let is_it = parts.next()?.eq_ignore_ascii_case(wanted);
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
            is_it.then_some(weight)
        })
    };
    weight(coding).or_else(|| weight("*")).is_some_and(|weight: f32| weight > 0.0)
}

#[cfg(test)]
mod tests {
    use super::{Accepted, HeadersKept};
    use ::http::header::{self, HeaderMap, HeaderName, HeaderValue};

    fn kept(which: &HeadersKept, headers: &[(&'static str, &'static str)]) -> Vec<(String, String)> {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let kept = which.of(&headers).into_iter();
        kept.map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned())).collect()
    }

    #[test]
    fn what_belongs_to_one_answer_is_not_kept() {
        let all = HeadersKept::All;
        for name in [
            "set-cookie",
            "date",
            "connection",
            "transfer-encoding",
            "content-length",
            "authorization",
            "www-authenticate",
            "vary",
            "keep-alive",
            "upgrade",
            "te",
            "trailer",
            "age",
            "idempotent-replayed",
            "x-request-id",
            "server-timing",
            "ratelimit-remaining",
            "x-ratelimit-limit",
        ] {
            assert_eq!(kept(&all, &[(name, "x")]), [], "{name}");
        }
        let of_the_connection = [("connection", "close, X-Hop"), ("x-hop", "1"), ("etag", "\"1\"")];
        assert_eq!(kept(&all, &of_the_connection), [("etag".into(), "\"1\"".into())]);
    }

    #[test]
    fn what_a_client_can_read() {
        let reads = |accepted: &'static str, coding: &'static str| {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(accepted))]);
            Accepted::of(&headers).reads(&header::CONTENT_ENCODING, &HeaderValue::from_static(coding))
        };
        for (accepted, coding, can) in [
            ("gzip, br", "gzip", true),
            ("GZIP;q=0.5", "gzip", true),
            ("gzip;q=0", "gzip", false),
            ("*", "br", true),
            ("*, br; q=0", "br", false),
            ("deflate", "gzip", false),
            ("gzip", "gzip, br", false),
            ("deflate", "identity", true),
        ] {
            assert_eq!(reads(accepted, coding), can, "{accepted} {coding}");
        }
        let nothing = Accepted::of(&HeaderMap::new());
        assert!(!nothing.reads(&header::CONTENT_ENCODING, &HeaderValue::from_static("gzip")));
        assert!(nothing.reads(&header::CONTENT_TYPE, &HeaderValue::from_static("gzip")));
    }

    #[test]
    fn the_rest_can_be_chosen() {
        let headers = [("location", "/orders/1"), ("x-trace", "t"), ("set-cookie", "a=1")];
        let chosen = |name| [HeaderName::from_static(name), HeaderName::from_static("set-cookie")].into();
        assert_eq!(kept(&HeadersKept::Only(chosen("location")), &headers), [("location".into(), "/orders/1".into())]);
        assert_eq!(kept(&HeadersKept::AllBut(chosen("location")), &headers), [("x-trace".into(), "t".into())]);
    }
}
