//! A response as it is kept: JSON with a version, that people can read.
//!
//! | member | meaning |
//! |---|---|
//! | `v` | the version, 1 |
//! | `status` | the response's status |
//! | `headers`, `trailers` | pairs of name and value, in their order; left out where there are none |
//! | `body` | left out where it is empty |
//! | `lost` | the response was delivered and could not be kept: `too_large`, `streamed` or `broken` |
//!
//! A value or a body is a string, or `{"base64": …}` where it is no UTF-8 or shorter that way. This is frozen per major
//! version.

use super::body::ResponseBody;
use super::headers::{Accepted, REPLAYED, TRUE};
use super::problem::{Problem, ProblemKind};
use ::http::header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue};
use ::http::{Response, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http_body::Body;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

const VERSION: u8 = 1;

type Headers = Vec<(HeaderName, HeaderValue)>;

/// A response that was kept, or what is left of one that could not be. Clones are the same.
#[derive(Clone)]
pub(super) struct Stored(Arc<Contents>);

#[derive(PartialEq, Eq)]
struct Contents {
    status: StatusCode,
    headers: Headers,
    body: Bytes,
    trailers: Headers,
    lost: Option<Lost>,
}

/// Why a response that was delivered is not there for whoever asks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Lost {
    /// It was over the cap.
    TooLarge,
    /// Its length was not known, or it has no end.
    Streamed,
    /// It broke off.
    Broken,
}

impl Stored {
    pub(super) fn new(status: StatusCode, headers: Headers, body: Bytes, trailers: Option<&HeaderMap>) -> Self {
        let pairs = trailers.into_iter().flatten();
        let trailers = pairs.map(|(name, value)| (name.clone(), value.clone())).collect();
        Self(Arc::new(Contents { status, headers, body, trailers, lost: None }))
    }

    /// What is left of a response that could not be kept.
    pub(super) fn tombstone(status: StatusCode, lost: Lost) -> Self {
        let (headers, trailers) = (Vec::new(), Vec::new());
        Self(Arc::new(Contents { status, headers, body: Bytes::new(), trailers, lost: Some(lost) }))
    }

    /// How many bytes headers and body have.
    pub(super) fn size(&self) -> usize {
        let headers = self.0.headers.iter().chain(&self.0.trailers);
        headers.map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>() + self.0.body.len()
    }

    /// The answer for a client that asks again, or why it gets none.
    pub(super) fn replay<B: Body>(&self, accepted: &Accepted) -> Result<Response<ResponseBody<B>>, Problem> {
        let contents = &*self.0;
        if let Some(lost) = contents.lost {
            return Err(Problem::not_kept(contents.status, lost));
        }
        if !contents.headers.iter().all(|(name, value)| accepted.reads(name, value)) {
            return Err(Problem::new(ProblemKind::EncodingNotAccepted));
        }
        let trailers: HeaderMap = contents.trailers.iter().cloned().collect();
        let body = ResponseBody::whole(contents.body.clone(), Some(trailers).filter(|trailers| !trailers.is_empty()));
        let mut response = Response::new(body);
        *response.status_mut() = contents.status;
        for (name, value) in &contents.headers {
            response.headers_mut().append(name, value.clone());
        }
        response.headers_mut().insert(REPLAYED, TRUE);
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }
}

// A payload is not shown.
impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored").field("status", &self.0.status).field("lost", &self.0.lost).finish_non_exhaustive()
    }
}

/// Bytes as JSON has them.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Blob {
    Text(String),
    Binary { base64: String },
}

#[derive(Serialize, Deserialize)]
struct Written {
    v: u8,
    status: u16,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<(String, Blob)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<Blob>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    trailers: Vec<(String, Blob)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lost: Option<Lost>,
}

impl Blob {
    fn of(bytes: &[u8]) -> Self {
        // Control characters take six bytes of JSON each.
        let escaped = bytes.iter().map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
            0..0x20 => 6,
            _ => 1,
        });
        match std::str::from_utf8(bytes) {
            Ok(text) if escaped.sum::<usize>() <= bytes.len() / 3 * 4 + 64 => Self::Text(text.to_owned()),
            _ => Self::Binary { base64: BASE64.encode(bytes) },
        }
    }

    fn into_bytes<E: serde::de::Error>(self) -> Result<Vec<u8>, E> {
        match self {
            Self::Text(text) => Ok(text.into_bytes()),
            Self::Binary { base64 } => BASE64.decode(base64).map_err(|_| E::custom("not base64")),
        }
    }
}

fn write(headers: &Headers) -> Vec<(String, Blob)> {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), Blob::of(value.as_bytes()))).collect()
}

fn read<E: serde::de::Error>(headers: Vec<(String, Blob)>) -> Result<Headers, E> {
    let one = |(name, value): (String, Blob)| {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| E::custom("not the name of a header"))?;
        let value =
            HeaderValue::from_bytes(&value.into_bytes()?).map_err(|_| E::custom("not the value of a header"))?;
        Ok((name, value))
    };
    headers.into_iter().map(one).collect()
}

impl Serialize for Stored {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Contents { status, headers, body, trailers, lost } = &*self.0;
        let written = Written {
            v: VERSION,
            status: status.as_u16(),
            headers: write(headers),
            body: (!body.is_empty()).then(|| Blob::of(body)),
            trailers: write(trailers),
            lost: *lost,
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Stored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { v, status, headers, body, trailers, lost } = Written::deserialize(deserializer)?;
        if v != VERSION {
            return Err(D::Error::custom("a response that a later version kept"));
        }
        Ok(Self(Arc::new(Contents {
            status: StatusCode::from_u16(status).map_err(D::Error::custom)?,
            headers: read(headers)?,
            body: body.map(Blob::into_bytes).transpose()?.unwrap_or_default().into(),
            trailers: read(trailers)?,
            lost,
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::{Lost, Stored};
    use crate::http::headers::Accepted;
    use ::http::header::{HeaderMap, HeaderName, HeaderValue};
    use ::http::{Response, StatusCode};
    use bytes::Bytes;
    use http_body_util::Full;

    fn stored(status: StatusCode, headers: &[(&'static str, &[u8])], body: &'static [u8]) -> Stored {
        let pair = |(name, value): &(&'static str, &[u8])| {
            Some((HeaderName::from_static(name), HeaderValue::from_bytes(value).ok()?))
        };
        Stored::new(status, headers.iter().filter_map(pair).collect(), Bytes::from_static(body), None)
    }

    /// Today's text is the golden one, and the golden one is read as today's value.
    ///
    /// **A changed line is a breaking change**: what was answered could not be answered again. New lines are welcome.
    #[track_caller]
    fn same(stored: &Stored, golden: &str) {
        assert_eq!(serde_json::to_string(stored).unwrap_or_default(), golden);
        let read: Result<Stored, _> = serde_json::from_str(golden);
        assert!(read.is_ok_and(|read| read.0 == stored.0), "{golden} is not read as what was written");
    }

    #[test]
    fn golden_responses() {
        same(&stored(StatusCode::NO_CONTENT, &[], b""), r#"{"v":1,"status":204}"#);
        same(
            &stored(StatusCode::CREATED, &[("location", b"/orders/1"), ("x", b"1"), ("x", b"2")], b"{\"id\":1}"),
            r#"{"v":1,"status":201,"headers":[["location","/orders/1"],["x","1"],["x","2"]],"body":"{\"id\":1}"}"#,
        );
        same(
            &stored(StatusCode::OK, &[("x-latin", b"gr\xfc\xdfe")], b"\x00\xff\x10"),
            r#"{"v":1,"status":200,"headers":[["x-latin",{"base64":"Z3L832U="}]],"body":{"base64":"AP8Q"}}"#,
        );
        same(
            &Stored::new(StatusCode::OK, Vec::new(), Bytes::from_static("grüße\n".as_bytes()), Some(&trailers())),
            "{\"v\":1,\"status\":200,\"body\":\"grüße\\n\",\"trailers\":[[\"grpc-status\",\"0\"]]}",
        );
        for (lost, name) in [(Lost::TooLarge, "too_large"), (Lost::Streamed, "streamed"), (Lost::Broken, "broken")] {
            let golden = format!(r#"{{"v":1,"status":200,"lost":"{name}"}}"#);
            same(&Stored::tombstone(StatusCode::OK, lost), &golden);
        }
    }

    fn trailers() -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))])
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        for text in [
            r#"{"v":2,"status":200}"#,
            r#"{"status":200}"#,
            r#"{"v":1,"status":99}"#,
            r#"{"v":1,"status":200,"headers":[["a b","c"]]}"#,
            r#"{"v":1,"status":200,"headers":[["a","b\nc"]]}"#,
            r#"{"v":1,"status":200,"body":{"base64":"?"}}"#,
            r#"{"v":1,"status":200,"lost":"somehow"}"#,
            r#"{"v":1,"status":200,"body":{"base32":"AA"}}"#,
        ] {
            assert!(serde_json::from_str::<Stored>(text).is_err(), "{text}");
        }
        assert!(serde_json::from_str::<Stored>(r#"{"v":1,"status":200,"added":"later"}"#).is_ok());
    }

    #[test]
    fn whatever_the_body_it_is_not_much_longer_when_written() {
        for unit in [&b"\x01"[..], b"\"", b"x", b"\xff", "ü".as_bytes(), b"{\"a\":1},\n"] {
            let body = Bytes::from(unit.repeat(9000 / unit.len()));
            let written = serde_json::to_vec(&Stored::new(StatusCode::OK, Vec::new(), body.clone(), None));
            assert!(written.is_ok_and(|written| written.len() < body.len() * 4 / 3 + 128), "{unit:?}");
        }
    }

    #[test]
    fn a_replay_says_that_it_is_one() {
        let replayed =
            stored(StatusCode::CREATED, &[("cache-control", b"max-age=60")], b"1").replay::<Full<Bytes>>(&anything());
        let response = replayed.unwrap_or_else(|_| unreachable!());
        assert_eq!(response.status(), StatusCode::CREATED);
        let all = |name: &str| response.headers().get_all(name).iter().cloned().collect::<Vec<_>>();
        assert_eq!(all("idempotent-replayed"), ["true"]);
        assert_eq!(all("cache-control"), ["no-store"]);
        let lost: Result<Response<_>, _> =
            Stored::tombstone(StatusCode::ACCEPTED, Lost::Broken).replay::<Full<Bytes>>(&anything());
        assert!(
            lost.is_err_and(|problem| problem.into_response::<String>().body().contains("\"original_status\":202"))
        );
    }

    /// What a client can read that says nothing about it.
    fn anything() -> Accepted {
        Accepted::of(&HeaderMap::new())
    }
}
