//! Outcomes as bytes: a version, a kind, and JSON that people can read and that survives added fields.
//!
//! | byte | meaning |
//! |---|---|
//! | 0 | the version, 1 |
//! | 1 | `v`: a value follows, as JSON; `t`: a tombstone, the outcome could not be kept |
//!
//! This is frozen per major version.
//!
//! An outcome is what comes back: one that its JSON would change is recorded as a tombstone, and not as another outcome.

use crate::report;
use crate::serializer::{Checked, Purpose};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use std::fmt;

const VERSION: u8 = 1;
const VALUE: u8 = b'v';
const TOMBSTONE: u8 = b't';

/// Why bytes are no outcome.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// The outcome was too large or could not be encoded, and was not kept.
    Tombstone,
    /// A record of a later version, or not a record.
    Unknown,
    /// The value is not what the function returns now.
    Changed(Mismatch),
}

/// Where and how JSON is not what a type reads. It holds nothing of the value, which `serde_json`'s own errors quote.
#[derive(Debug)]
pub(crate) struct Mismatch {
    what: String,
    line: usize,
    column: usize,
}

impl Mismatch {
    fn of(error: &serde_json::Error) -> Self {
        let said = error.to_string();
        // Names of fields are the type's, not the value's.
        let field = |prefix: &str| {
            let name = said.strip_prefix(prefix)?.split('`').nth(1)?;
            Some(format!("{prefix} `{name}`"))
        };
        let what = field("missing field").or_else(|| field("duplicate field")).unwrap_or_else(|| {
            let what = match error.classify() {
                Category::Data => "a value of another type",
                Category::Syntax | Category::Eof | Category::Io => "no JSON",
            };
            what.to_owned()
        });
        Self { what, line: error.line(), column: error.column() }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at line {} column {}", self.what, self.line, self.column)
    }
}

impl std::error::Error for Mismatch {}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tombstone => "the outcome was not kept",
            Self::Unknown => "not a record that this version knows",
            Self::Changed(_) => "the recorded value does not have the function's type",
        })
    }
}

impl std::error::Error for Unreadable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Changed(error) => Some(error),
            Self::Tombstone | Self::Unknown => None,
        }
    }
}

/// Why an outcome is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unkept {
    /// It has more bytes than are kept.
    TooLarge,
    /// It cannot be written, or JSON would bring back something else.
    Unwritable,
    /// What was written cannot be read as the same type.
    Unreadable,
}

impl Unkept {
    const fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "it is larger than any outcome that is kept",
            Self::Unwritable => {
                "JSON does not bring it back: a `Some` of nothing, a number that is not finite, a map whose keys are no text, or a failing `Serialize`"
            }
            Self::Unreadable => "its `Deserialize` does not read what its `Serialize` writes",
        }
    }
}

/// The bytes of an outcome of at most `max` bytes, where every answer from the record will be that outcome.
fn encode<T: Serialize + DeserializeOwned>(value: &T, max: usize) -> Result<Vec<u8>, Unkept> {
    let bytes = write(value, max)?;
    decode::<T>(&bytes).map_err(|_| Unkept::Unreadable)?;
    Ok(bytes)
}

/// As [`encode`], for a value that only another program reads.
pub(crate) fn write<T: Serialize>(value: &T, max: usize) -> Result<Vec<u8>, Unkept> {
    let mut bytes = vec![VERSION, VALUE];
    serde_json::to_writer(&mut bytes, &Checked::new(value, Purpose::Outcome)).map_err(|_| Unkept::Unwritable)?;
    if bytes.len() <= max { Ok(bytes) } else { Err(Unkept::TooLarge) }
}

/// The record of an outcome of the operation `scope`: a tombstone, and a warning, where it is not kept.
pub(crate) fn record<T: Serialize + DeserializeOwned>(value: &T, max: usize, scope: &str) -> Vec<u8> {
    encode(value, max).unwrap_or_else(|why| {
        report::unkept(scope, why.as_str());
        tombstone()
    })
}

/// The record of an outcome that was not kept.
pub(crate) fn tombstone() -> Vec<u8> {
    vec![VERSION, TOMBSTONE]
}

/// The outcome that bytes are.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unreadable> {
    match bytes {
        [VERSION, VALUE, json @ ..] => {
            serde_json::from_slice(json).map_err(|error| Unreadable::Changed(Mismatch::of(&error)))
        }
        [VERSION, TOMBSTONE] => Err(Unreadable::Tombstone),
        _ => Err(Unreadable::Unknown),
    }
}

/// The JSON of an outcome that was kept.
pub(crate) fn json(bytes: &[u8]) -> Option<&str> {
    let [VERSION, VALUE, json @ ..] = bytes else { return None };
    std::str::from_utf8(json).ok()
}

#[cfg(test)]
mod tests {
    use super::{Unkept, Unreadable, decode, encode, record, tombstone, write};

    #[test]
    fn an_outcome_is_read_as_it_was_written() {
        let bytes = record(&("paid".to_owned(), 500), 1024, "codec.test");
        assert_eq!(bytes, b"\x01v[\"paid\",500]");
        assert!(matches!(decode::<(String, u32)>(&bytes), Ok((text, 500)) if text == "paid"));
    }

    #[test]
    fn what_is_too_large_or_has_no_json_is_a_tombstone() {
        assert_eq!(encode(&"x".repeat(100), 50), Err(Unkept::TooLarge));
        let map = std::collections::HashMap::from([((1, 2), 3)]);
        assert_eq!(encode(&map, 1024), Err(Unkept::Unwritable));
        assert_eq!(record(&map, 1024, "codec.test"), tombstone());
        assert_eq!(tombstone(), b"\x01t");
        assert!(matches!(decode::<u8>(&tombstone()), Err(Unreadable::Tombstone)));
    }

    #[test]
    fn what_json_changes_is_not_written() {
        assert_eq!(write(&Some(()), 1024), Err(Unkept::Unwritable));
        assert_eq!(write(&Some(None::<u8>), 1024), Err(Unkept::Unwritable));
        assert_eq!(write(&f64::NAN, 1024), Err(Unkept::Unwritable));
        assert_eq!(write(&Some(Some(1)), 1024).as_deref(), Ok(&b"\x01v1"[..]));
        assert_eq!(write(&(None::<()>, ()), 1024).as_deref(), Ok(&b"\x01v[null,null]"[..]));
    }

    #[test]
    fn a_number_comes_back_to_its_last_bit() {
        let number = 31.245_270_191_439_438_f64;
        let bytes = encode(&number, 1024);
        let read = bytes.ok().and_then(|bytes| decode::<f64>(&bytes).ok());
        assert_eq!(read.map(f64::to_bits), Some(number.to_bits()));
    }

    #[test]
    fn what_cannot_be_read_is_found_when_it_is_written() {
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(tag = "kind")]
        enum Tagged {
            Large { number: i128 },
        }
        assert_eq!(encode(&Tagged::Large { number: 7 }, 1024), Err(Unkept::Unreadable));
    }

    #[test]
    fn what_cannot_be_read_is_not_quoted() {
        #[derive(Debug, serde::Deserialize)]
        struct Receipt {
            #[expect(dead_code, reason = "it is there to be missed")]
            cents: u64,
        }
        let said = |bytes: &[u8]| match decode::<Receipt>(bytes) {
            Err(Unreadable::Changed(mismatch)) => mismatch.to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(said(b"\x01v{\"cents\":\"4111\"}"), "a value of another type at line 1 column 15");
        assert_eq!(said(b"\x01v{\"4111\":4111}"), "missing field `cents` at line 1 column 13");
        assert_eq!(said(b"\x01v{\"cents\":4111"), "no JSON at line 1 column 13");
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        for bytes in [&b""[..], b"\x02v1", b"v1", b"\x01x1", b"\x01t1"] {
            assert!(matches!(decode::<u8>(bytes), Err(Unreadable::Unknown)));
        }
        assert!(matches!(decode::<u8>(b"\x01v\"text\""), Err(Unreadable::Changed(_))));
    }
}
