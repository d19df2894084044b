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
const NEVER: [HeaderName; 20] = [
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
];

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
            is_chosen && !NEVER.contains(name) && !of_the_connection.contains(name)
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

#[cfg(test)]
mod tests {
    use super::HeadersKept;
    use ::http::header::{HeaderMap, HeaderName, HeaderValue};

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
        ] {
            assert_eq!(kept(&all, &[(name, "x")]), [], "{name}");
        }
        let of_the_connection = [("connection", "close, X-Hop"), ("x-hop", "1"), ("etag", "\"1\"")];
        assert_eq!(kept(&all, &of_the_connection), [("etag".into(), "\"1\"".into())]);
    }

    #[test]
    fn the_rest_can_be_chosen() {
        let headers = [("location", "/orders/1"), ("x-trace", "t"), ("set-cookie", "a=1")];
        let chosen = |name| [HeaderName::from_static(name), HeaderName::from_static("set-cookie")].into();
        assert_eq!(kept(&HeadersKept::Only(chosen("location")), &headers), [("location".into(), "/orders/1".into())]);
        assert_eq!(kept(&HeadersKept::AllBut(chosen("location")), &headers), [("x-trace".into(), "t".into())]);
    }
}
