//! Outcomes as bytes: a version, a kind, and JSON that people can read and that survives added fields.
//!
//! | byte | meaning |
//! |---|---|
//! | 0 | the version, 1 |
//! | 1 | `v`: a value follows, as JSON; `t`: a tombstone, the outcome could not be kept |
//!
//! This is frozen per major version.

use serde::Serialize;
use serde::de::DeserializeOwned;
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
    Changed(serde_json::Error),
}

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

/// The bytes of an outcome; a tombstone where it cannot be encoded or is larger than `max` bytes.
pub(crate) fn encode(value: &impl Serialize, max: usize) -> Vec<u8> {
    let mut bytes = vec![VERSION, VALUE];
    match serde_json::to_writer(&mut bytes, value) {
        Ok(()) if bytes.len() <= max => bytes,
        _ => tombstone(),
    }
}

/// The record of an outcome that was not kept.
pub(crate) fn tombstone() -> Vec<u8> {
    vec![VERSION, TOMBSTONE]
}

/// The outcome that bytes are.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unreadable> {
    match bytes {
        [VERSION, VALUE, json @ ..] => serde_json::from_slice(json).map_err(Unreadable::Changed),
        [VERSION, TOMBSTONE] => Err(Unreadable::Tombstone),
        _ => Err(Unreadable::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::{Unreadable, decode, encode, tombstone};

    #[test]
    fn an_outcome_is_read_as_it_was_written() {
        let bytes = encode(&("paid", 500), 1024);
        assert_eq!(bytes, b"\x01v[\"paid\",500]");
        assert!(matches!(decode::<(String, u32)>(&bytes), Ok((text, 500)) if text == "paid"));
    }

    #[test]
    fn what_is_too_large_or_has_no_json_is_a_tombstone() {
        assert_eq!(encode(&"x".repeat(100), 50), tombstone());
        assert_eq!(encode(&std::collections::HashMap::from([((1, 2), 3)]), 1024), tombstone());
        assert_eq!(tombstone(), b"\x01t");
        assert!(matches!(decode::<u8>(&tombstone()), Err(Unreadable::Tombstone)));
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        for bytes in [&b""[..], b"\x02v1", b"v1", b"\x01x1", b"\x01t1"] {
            assert!(matches!(decode::<u8>(bytes), Err(Unreadable::Unknown)));
        }
        assert!(matches!(decode::<u8>(b"\x01v\"text\""), Err(Unreadable::Changed(_))));
    }
}
