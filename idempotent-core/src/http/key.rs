//! The key as it comes in a header: bare or as a structured string, one identity for both.

use crate::key::{ToFingerprint, ToKey, Writer};
use ::http::header::{HeaderMap, HeaderName};
use std::error::Error as StdError;
use std::fmt;

/// The longest key, in bytes, without its quotes.
const LONGEST: usize = 255;

/// The header unless another one is chosen.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The key that a client sent: 1 to 255 visible ASCII characters.
///
/// `"k-1"` and `k-1` are the same key. It is a [`ToKey`], so an axum handler can hand it to an `#[idempotent]` function;
/// there it is extracted from the request (feature `axum`). Put the caller beside it, or two callers share a record.
///
/// ```
/// use idempotently::http::IdempotencyKey;
///
/// let bare = IdempotencyKey::parse(b"8e03978e-40d5")?;
/// assert_eq!(IdempotencyKey::parse(b"\"8e03978e-40d5\"")?, bare);
/// assert_eq!(bare.as_str(), "8e03978e-40d5");
/// assert!(IdempotencyKey::parse(b"one, two").is_err());
/// assert!(!format!("{bare:?}").contains("8e03978e")); // a key is not shown
/// # Ok::<(), idempotently::http::InvalidKey>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

/// Why a header's value is no key. It does not hold the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidKey(&'static str);

impl IdempotencyKey {
    /// The key that a header's value is.
    ///
    /// # Errors
    /// It is empty, longer than 255 bytes, a list, a string without its end, or has characters other than visible ASCII.
    pub fn parse(value: &[u8]) -> Result<Self, InvalidKey> {
        let value = value.trim_ascii();
        let key = match value.strip_prefix(b"\"") {
            Some(quoted) => unquoted(quoted)?,
            None if value.iter().any(|byte| matches!(byte, b',' | b'"')) => {
                return Err(InvalidKey("it is a list, or has a quote inside; send one key"));
            }
            None => value.to_vec(),
        };
        if key.is_empty() {
            return Err(InvalidKey("it is empty"));
        }
        if key.len() > LONGEST {
            return Err(InvalidKey("it is longer than 255 bytes"));
        }
        if !key.iter().all(u8::is_ascii_graphic) {
            return Err(InvalidKey("it has characters other than visible ASCII"));
        }
        String::from_utf8(key).map(Self).map_err(|_| InvalidKey("it has characters other than visible ASCII"))
    }

    /// The key in these headers under this name, if there is one.
    ///
    /// # Errors
    /// As for [`parse`](Self::parse), and when there are two.
    pub fn of(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Self>, InvalidKey> {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => Self::parse(value.as_bytes()).map(Some),
            (Some(_), Some(_)) => Err(InvalidKey("the header is there more than once; send one key")),
        }
    }

    /// The key, without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is inside a structured string, whose first quote is gone (RFC 9651, section 4.2.5).
fn unquoted(value: &[u8]) -> Result<Vec<u8>, InvalidKey> {
    let mut key = Vec::with_capacity(value.len());
    let mut bytes = value.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' if bytes.as_slice().is_empty() => return Ok(key),
            b'"' => return Err(InvalidKey("something follows its closing quote; send one key, without parameters")),
            b'\\' => match bytes.next() {
                Some(escaped @ (b'"' | b'\\')) => key.push(*escaped),
                _ => return Err(InvalidKey("a backslash in it escapes neither a quote nor a backslash")),
            },
            plain => key.push(*plain),
        }
    }
    Err(InvalidKey("its closing quote is missing"))
}

impl InvalidKey {
    /// What is wrong, in a few words.
    #[must_use]
    pub fn why(&self) -> &'static str {
        self.0
    }
}

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the idempotency key cannot be used: {}", self.0)
    }
}

impl StdError for InvalidKey {}

impl ToFingerprint for IdempotencyKey {
    fn write(&self, out: &mut Writer<'_>) {
        out.text(&self.0);
    }
}
impl ToKey for IdempotencyKey {}

// A key is never shown.
impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::{IDEMPOTENCY_KEY, IdempotencyKey, InvalidKey};
    use ::http::{HeaderMap, HeaderValue};

    fn parsed(value: &str) -> Result<String, InvalidKey> {
        IdempotencyKey::parse(value.as_bytes()).map(|key| key.as_str().to_owned())
    }

    #[test]
    fn bare_and_quoted_are_one() {
        for (value, key) in [
            ("k-1", "k-1"),
            ("\"k-1\"", "k-1"),
            ("  k-1\t", "k-1"),
            ("a;b=c:d/e\\f", "a;b=c:d/e\\f"),
            ("\"a\\\"b\\\\c\"", "a\"b\\c"),
            ("\"a,b\"", "a,b"),
        ] {
            assert_eq!(parsed(value).as_deref(), Ok(key), "{value}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let long = "k".repeat(256);
        for value in [
            "",
            "  ",
            "\"\"",
            "\"",
            "a,b",
            "a, b",
            "\"a\", \"b\"",
            "\"a\";p=1",
            "a b",
            "\"a b\"",
            "\"a",
            "a\"",
            "\"a\\n\"",
            "\"a\\",
            "gr\u{fc}n",
            "\"gr\u{fc}n\"",
            "a\u{7f}",
            "\"\u{1}\"",
            &long,
        ] {
            assert!(parsed(value).is_err(), "{value}");
        }
        assert!(parsed(&"k".repeat(255)).is_ok());
        assert!(parsed(&format!("\"{}\"", "\\\"".repeat(255))).is_ok(), "its length is that of what it says");
    }

    #[test]
    fn two_headers_are_no_key() {
        let mut headers = HeaderMap::new();
        assert_eq!(IdempotencyKey::of(&headers, &IDEMPOTENCY_KEY), Ok(None));
        headers.append(IDEMPOTENCY_KEY, HeaderValue::from_static("a"));
        assert!(IdempotencyKey::of(&headers, &IDEMPOTENCY_KEY).is_ok_and(|key| key.is_some()));
        headers.append(IDEMPOTENCY_KEY, HeaderValue::from_static("a"));
        assert!(IdempotencyKey::of(&headers, &IDEMPOTENCY_KEY).is_err());
    }
}
