//! What must be the same when a key is used again: method, path, query and body.

use super::json;
use super::multipart;
use crate::key::Fingerprint;
use ::http::Uri;
use ::http::request::Parts;
use hmac_sha256::Hash as Sha256;
use std::fmt;
use std::sync::Arc;

/// What of a request's body must be the same when its key is used again. Method, path and query always must.
#[derive(Clone, Default)]
pub struct BodyFingerprint(Of);

/// What is taken of a body.
type Taken = dyn Fn(&Parts, &[u8]) -> Vec<u8> + Send + Sync;

#[derive(Clone, Default)]
enum Of {
    #[default]
    Bytes,
    Json(Arc<[Vec<String>]>),
    Multipart,
    By(Arc<Taken>),
}

impl BodyFingerprint {
    /// Every byte; the default. It suits every client that sends the same bytes again.
    #[must_use]
    pub fn bytes() -> Self {
        Self(Of::Bytes)
    }

    /// What JSON says, whatever the order of members and the white space; numbers as they are written. A body that is no
    /// JSON, or that names a member twice, is compared by its bytes.
    #[must_use]
    pub fn json() -> Self {
        Self::json_without::<&str>([])
    }

    /// The same without what these JSON pointers (RFC 6901) name, for what changes from one try to the next. Inside an
    /// array a pointer names one element, by its index: `/items/0/note`.
    ///
    /// ```
    /// use idempotently::http::BodyFingerprint;
    ///
    /// let fingerprint = BodyFingerprint::json_without(["/sent_at", "/client/version"]);
    /// # let _ = fingerprint;
    /// ```
    #[must_use]
    pub fn json_without<S: AsRef<str>>(pointers: impl IntoIterator<Item = S>) -> Self {
        Self(Of::Json(pointers.into_iter().map(|pointer| json::pointer(pointer.as_ref())).collect()))
    }

    /// The parts of a form of `multipart/form-data`, whatever its boundary, which browsers make anew for every try. A body
    /// that is no such form is compared by its bytes.
    #[must_use]
    pub fn multipart() -> Self {
        Self(Of::Multipart)
    }

    /// What the function takes of it; nothing, and the body does not matter.
    #[must_use]
    pub fn by(take: impl Fn(&Parts, &[u8]) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self(Of::By(Arc::new(take)))
    }

    fn digest(&self, parts: &Parts, body: &[u8]) -> [u8; 32] {
        match &self.0 {
            Of::Bytes => Sha256::hash(body),
            Of::Json(without) => match json::canonical(body, without) {
                Some(canonical) => Sha256::hash(&canonical),
                None => Sha256::hash(body),
            },
            Of::Multipart => match multipart::canonical(&parts.headers, body) {
                Some(canonical) => Sha256::hash(&canonical),
                None => Sha256::hash(body),
            },
            Of::By(take) => Sha256::hash(&take(parts, body)),
        }
    }

    /// The fingerprint of a request.
    pub(super) fn of(&self, parts: &Parts, uri: &Uri, body: &[u8]) -> Option<Fingerprint> {
        Fingerprint::of(&(parts.method.as_str(), uri.path(), uri.query(), self.digest(parts, body)))
    }
}

impl fmt::Debug for BodyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Of::Bytes => "BodyFingerprint::bytes",
            Of::Json(_) => "BodyFingerprint::json",
            Of::Multipart => "BodyFingerprint::multipart",
            Of::By(_) => "BodyFingerprint::by",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::BodyFingerprint;
    use crate::key::{Print, hexadecimal};
    use ::http::Request;
    use ::http::request::Parts;

    fn parts(method: &str, uri: &str) -> Parts {
        let request = Request::builder().method(method).uri(uri).body(());
        request.map_or_else(|_| unreachable!(), |request| request.into_parts().0)
    }

    fn print(of: &BodyFingerprint, parts: &Parts, body: &[u8]) -> String {
        of.of(parts, &parts.uri, body).and_then(Print::digest).map(|digest| hexadecimal(&digest)).unwrap_or_default()
    }

    /// **A changed line is a breaking change**: what is sent again after an update would be refused.
    #[test]
    fn golden_fingerprints() {
        let order = parts("POST", "/orders?pay=now");
        let body = b"{\"b\": 1, \"a\": 2}";
        assert_eq!(print(&BodyFingerprint::bytes(), &order, body), "f8fe8153a8e71ba5a22fd8ff9fbc65ed");
        assert_eq!(print(&BodyFingerprint::json(), &order, body), "9736ad711ab483ea44ddde67635661c0");
        assert_eq!(
            print(&BodyFingerprint::bytes(), &parts("PATCH", "/orders/7"), b""),
            "721cdbd7b2302832cbeb94cdf587aec7"
        );
    }

    #[test]
    fn every_part_counts_and_none_runs_into_the_next() {
        let bytes = BodyFingerprint::bytes();
        let prints = [
            print(&bytes, &parts("POST", "/a"), b"12"),
            print(&bytes, &parts("PATCH", "/a"), b"12"),
            print(&bytes, &parts("POST", "/a1"), b"2"),
            print(&bytes, &parts("POST", "/a?"), b"12"),
            print(&bytes, &parts("POST", "/a?1"), b"2"),
            print(&bytes, &parts("POST", "/a"), b""),
            print(&bytes, &parts("POST", "/a"), b"12 "),
        ];
        for (at, print) in prints.iter().enumerate() {
            assert!(print.len() == 32 && !prints[..at].contains(print), "{at}");
        }
    }

    #[test]
    fn a_body_can_be_looked_at_in_part() {
        let (post, other) = (parts("POST", "/a"), parts("POST", "/b"));
        let nothing = BodyFingerprint::by(|_, _| Vec::new());
        assert_eq!(print(&nothing, &post, b"1"), print(&nothing, &post, b"2"));
        assert_ne!(print(&nothing, &post, b"1"), print(&nothing, &other, b"1"));
        let json = BodyFingerprint::json_without(["/at"]);
        assert_eq!(print(&json, &post, br#"{"id":1,"at":2}"#), print(&json, &post, br#"{ "at":3, "id":1 }"#));
        assert_ne!(print(&json, &post, br#"{"id":1}"#), print(&json, &post, br#"{"id":2}"#));
    }
}
