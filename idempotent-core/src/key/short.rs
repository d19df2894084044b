//! Keys that fit into three machine words, which is almost all: compared and hashed by word, never written out.

use super::writer::quoted;
use std::fmt;
use std::num::NonZeroU64;

/// The most bytes that three words hold beside the tag.
pub(super) const ROOM: usize = 23;

/// Tags of up to 23 are the length of a canonical text.
const STRING: u8 = 0x40;
const NUMBER: u8 = 0xff;

/// A number, a string of up to 23 bytes, or another canonical text of up to 23 bytes. The tag is the last word's top
/// byte and never zero. Each value has one form: a number is never held as its text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Short(u64, u64, NonZeroU64);

impl Short {
    #[inline]
    fn tagged(words: [u64; 3], tag: u8) -> Self {
        let last = words[2] | (u64::from(tag) << 56);
        // The tag is not zero, so the fallback is never taken and costs nothing.
        Self(words[0], words[1], NonZeroU64::new(last).unwrap_or(NonZeroU64::MIN))
    }

    #[inline]
    pub(super) fn number(value: u64) -> Self {
        Self::tagged([value, 0, 0], NUMBER)
    }

    /// A string, where it fits and is not empty.
    #[inline]
    pub(super) fn string(value: &str) -> Option<Self> {
        Self::packed(value.as_bytes(), STRING)
    }

    /// A canonical text, in the form that its value has; nothing where it does not fit.
    pub(super) fn of_text(text: &[u8]) -> Option<Self> {
        if let Some(number) = as_number(text) {
            return Some(Self::number(number));
        }
        if let Some((string, length)) = as_string(text) {
            return Self::packed(string.get(..length)?, STRING);
        }
        Self::packed(text, 0)
    }

    #[inline]
    fn packed(bytes: &[u8], tag: u8) -> Option<Self> {
        if bytes.is_empty() || bytes.len() > ROOM {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "it was just compared")]
        let length = bytes.len() as u8;
        // Overlapping reads, the surplus shifted out: no loop and no call for a length that is not known.
        let surplus = |words: usize| 8 * (8 * words - bytes.len());
        let words = match bytes.len() {
            ..=7 => [few(bytes), 0, 0],
            8 => [eight(bytes, 0), 0, 0],
            9..=16 => [eight(bytes, 0), eight(bytes, bytes.len() - 8) >> surplus(2), 0],
            _ => [eight(bytes, 0), eight(bytes, 8), eight(bytes, bytes.len() - 8) >> surplus(3)],
        };
        Some(Self::tagged(words, tag | length))
    }

    #[inline]
    pub(super) fn words(self) -> [u64; 3] {
        [self.0, self.1, self.2.get()]
    }

    /// Runs `read` on the canonical text.
    pub(super) fn with_text<R>(self, read: impl FnOnce(&[u8]) -> R) -> R {
        let mut bytes = [0; 24];
        for (place, word) in bytes.chunks_exact_mut(8).zip(self.words()) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let tag = bytes[ROOM];
        let packed = bytes.get(..usize::from(tag & !STRING)).unwrap_or_default();
        match tag {
            NUMBER => read(self.0.to_string().as_bytes()),
            tag if tag & STRING != 0 => read(&quoted(packed)),
            _ => read(packed),
        }
    }
}

/// Eight bytes as a word, the first in the lowest byte.
#[inline]
fn eight(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// Up to seven bytes as a word.
#[inline]
fn few(bytes: &[u8]) -> u64 {
    let four = |at: usize| bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes);
    let byte = |at: usize| bytes.get(at).map_or(0, |byte| u64::from(*byte) << (8 * at));
    match bytes.len() {
        0 => 0,
        length @ 1..4 => byte(0) | byte(length / 2) | byte(length - 1),
        length => u64::from(four(0)) | (u64::from(four(length - 4)) << (8 * (length - 4))),
    }
}

/// The number that a text is, if it is one that fits into a word.
fn as_number(text: &[u8]) -> Option<u64> {
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The string that a text is, if it is one that fits.
fn as_string(text: &[u8]) -> Option<([u8; ROOM], usize)> {
    let quoted = text.strip_prefix(b"\"")?;
    let mut string = [0; ROOM];
    let mut length = 0;
    let mut bytes = quoted.iter();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'"' => return bytes.as_slice().is_empty().then_some((string, length)),
            b'\\' => bytes.next()?,
            plain => plain,
        };
        *string.get_mut(length)? = *byte;
        length += 1;
    }
    None
}

// A key is never shown.
impl fmt::Debug for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Short(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::{ROOM, Short};

    fn text(short: Short) -> String {
        short.with_text(|text| String::from_utf8_lossy(text).into_owned())
    }

    #[test]
    fn the_words_are_the_bytes() {
        let bytes: Vec<u8> = (b'a'..b'x').collect();
        for length in 1..=ROOM {
            let packed = Short::packed(&bytes[..length], 0).map(Short::words).unwrap_or_default();
            let read: Vec<u8> = packed.iter().flat_map(|word| word.to_le_bytes()).collect();
            assert_eq!(read[..length], bytes[..length], "{length}");
            assert!(read[length..ROOM].iter().all(|byte| *byte == 0), "{length}");
        }
    }

    #[test]
    fn each_value_has_one_form_and_reads_as_its_text() {
        for number in [0, 7, 42, u64::MAX] {
            let short = Short::number(number);
            assert_eq!(text(short), number.to_string());
            assert_eq!(Short::of_text(number.to_string().as_bytes()), Some(short));
        }
        for string in ["a", "order-12345", "quote\"back\\slash", "12345678901234567890123", "42", "ä€"] {
            let short = Short::string(string).unwrap_or_else(|| unreachable!());
            let quoted = format!("\"{}\"", string.replace('\\', "\\\\").replace('"', "\\\""));
            assert_eq!(text(short), quoted);
            assert_eq!(Short::of_text(quoted.as_bytes()), Some(short));
        }
        for other in ["-7", "true", "(1,\"b\")", "'x", "x\"00ff\"", "[1,2]", "18446744073709551616"] {
            let short = Short::of_text(other.as_bytes()).unwrap_or_else(|| unreachable!());
            assert_eq!(text(short), other);
        }
    }

    #[test]
    fn what_does_not_fit_is_not_short() {
        assert_eq!(Short::string(""), None);
        assert_eq!(Short::string("123456789012345678901234"), None);
        assert_eq!(Short::of_text(b"(12345678901234567890123"), None);
        assert_eq!(Short::of_text(b"\"123456789012345678901234\""), None);
    }
}
