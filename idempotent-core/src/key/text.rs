//! A key as a call carries it: looked up by its bytes, without an allocation.

use super::digits::decimal;
use super::writer::Sink;
use std::fmt;
use std::num::NonZeroU64;

/// The longest text that is kept as it is; a longer one becomes a digest.
pub(super) const LONGEST: usize = 200;
/// The longest text that fits into [`Short`].
pub(super) const SHORT: usize = 23;

/// Why a key was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The key is `None`.
    Missing,
    /// There is nothing in it.
    Empty,
    /// Its `Display` or `Serialize` failed.
    Unwritable,
}

/// Up to 23 bytes in three words, the number of bytes in the last word's top byte (so that it is never zero).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Short(pub(super) u64, pub(super) u64, pub(super) NonZeroU64);

impl Short {
    #[inline]
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut words = [0u8; 24];
        words.get_mut(..bytes.len().min(SHORT + 1))?.copy_from_slice(bytes.get(..bytes.len().min(SHORT + 1))?);
        if bytes.len() > SHORT {
            return None;
        }
        words[SHORT] = u8::try_from(bytes.len()).ok()?;
        Self::from_words(words)
    }

    #[inline]
    fn from_words(words: [u8; 24]) -> Option<Self> {
        let word = |at: usize| Some(u64::from_le_bytes(words.get(at..at + 8)?.try_into().ok()?));
        Some(Self(word(0)?, word(8)?, NonZeroU64::new(word(16)?)?))
    }

    pub(super) fn bytes(self) -> ([u8; 24], usize) {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.0.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.1.to_le_bytes());
        bytes[16..].copy_from_slice(&self.2.get().to_le_bytes());
        (bytes, usize::from(bytes[SHORT]))
    }
}

/// A text too long for three words, as it was written.
#[derive(Clone)]
pub struct Long {
    pub(super) bytes: [u8; LONGEST],
    pub(super) length: u8,
}

impl Long {
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

/// The canonical text of a key, or why there is none.
#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "boxing the long text is the allocation that this type avoids")]
pub enum Text {
    /// Up to 23 bytes.
    Short(Short),
    /// Up to 200 bytes.
    Long(Long),
    /// None.
    Refused(Refusal),
}

// A key is never shown.
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text(..)")
    }
}

impl fmt::Debug for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Short(..)")
    }
}

impl fmt::Debug for Long {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Long(..)")
    }
}

impl Text {
    /// The text of an unsigned number; most keys are one, so it takes no detour through a buffer.
    #[inline]
    pub(super) fn from_unsigned(value: u64) -> Self {
        let Some((digits, length)) = decimal(value) else {
            return Self::from_sink(|sink| sink.unsigned(u128::from(value)));
        };
        #[expect(clippy::cast_possible_truncation, reason = "the two halves of the 128 bits, on purpose")]
        let (low, high) = (digits as u64, (digits >> 64) as u64);
        // `length` is at least one, so the fallback is never taken and costs nothing.
        let last = NonZeroU64::new(u64::from(length) << 56).unwrap_or(NonZeroU64::MIN);
        Self::Short(Short(low, high, last))
    }

    /// The text of a string that fits between two quotes as it is.
    #[inline]
    pub(super) fn from_plain_string(value: &str) -> Option<Self> {
        let bytes = value.as_bytes();
        if bytes.is_empty() || bytes.len() > SHORT - 2 || bytes.iter().any(|byte| matches!(byte, b'"' | b'\\')) {
            return None;
        }
        let mut words = [0u8; 24];
        words[0] = b'"';
        words.get_mut(1..=bytes.len())?.copy_from_slice(bytes);
        *words.get_mut(bytes.len() + 1)? = b'"';
        words[SHORT] = u8::try_from(bytes.len() + 2).ok()?;
        Short::from_words(words).map(Self::Short)
    }

    /// Whatever `write` writes.
    pub(super) fn from_sink(write: impl FnOnce(&mut Sink)) -> Self {
        let mut sink = Sink::new();
        write(&mut sink);
        sink.into_text()
    }
}
