//! A key as a call carries it: looked up without being written out, and without an allocation.

use super::buffer::Buffer;
use super::short::Short;
use super::writer::{Sink, Writer};
use std::fmt;

/// Why a key was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
// A whole word, as everything in a `Text`: words written in parts and read whole stall.
#[repr(u64)]
pub enum Refusal {
    /// The key is `None`.
    Missing,
    /// The same, and calls without a key are to run unprotected.
    Waived,
    /// There is nothing in it.
    Empty,
    /// Its `Display` or `Serialize` failed.
    Unwritable,
    /// The fingerprint's did.
    Fingerprint,
}

/// A canonical text too long for three words; of a string of up to [`RAW`] bytes, [`MARK`] and the string as it is.
pub(crate) struct Long {
    pub(super) buffer: Buffer,
    pub(super) length: usize,
}

/// The longest string that is held as it is: written out, with every character escaped, it is no longer than a text that
/// is kept.
pub(super) const RAW: usize = 99;

/// What a string that is held as it is begins with, and no canonical text does.
pub(super) const MARK: u8 = 0;

impl Long {
    /// A string that does not fit into three words.
    #[inline(never)]
    pub(super) fn string(value: &str) -> Self {
        let mut buffer = Buffer::take();
        if let Some((mark, rest)) = buffer.split_first_mut()
            && let Some(room) = rest.get_mut(..value.len()).filter(|_| value.len() <= RAW)
        {
            *mark = MARK;
            room.copy_from_slice(value.as_bytes());
            return Self { length: 1 + value.len(), buffer };
        }
        drop(buffer);
        let mut sink = Sink::new();
        Writer::new(&mut sink).text(value);
        sink.into_long()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }
}

/// A key that was read from a value, or why there is none.
///
/// Words and references have places of their own: where they share one, the compiler builds both in memory, and reads
/// it again for a value that it has in registers.
pub struct Text<'k> {
    short: Option<Short>,
    rest: Rest<'k>,
}

/// What a text is that is not short.
enum Rest<'k> {
    /// It is short.
    Nothing,
    /// A string of more than 23 bytes and up to [`RAW`]: not copied, since a replay only looks at it.
    Lent(&'k str),
    /// Up to 200 bytes, or the digest of more.
    Long(Long),
    /// There is no key.
    Refused(Refusal),
}

/// What a text is.
pub(crate) enum Form<'t> {
    Short(Short),
    Lent(&'t str),
    Long(&'t Long),
    Refused(Refusal),
}

impl<'k> Text<'k> {
    #[inline]
    pub(super) fn short(short: Short) -> Self {
        Self { short: Some(short), rest: Rest::Nothing }
    }

    /// A string of any length.
    #[inline]
    pub(super) fn string(string: &'k str) -> Self {
        match Short::string(string) {
            Some(short) => Self::short(short),
            None if string.is_empty() => Self::refused(Refusal::Empty),
            None if string.len() <= RAW => Self { short: None, rest: Rest::Lent(string) },
            None => Self::long(Long::string(string)),
        }
    }

    pub(super) fn long(long: Long) -> Self {
        Self { short: None, rest: Rest::Long(long) }
    }

    pub(crate) fn refused(refusal: Refusal) -> Self {
        Self { short: None, rest: Rest::Refused(refusal) }
    }

    #[inline]
    pub(crate) fn form(&self) -> Form<'_> {
        match (self.short, &self.rest) {
            (Some(short), _) => Form::Short(short),
            (None, Rest::Lent(string)) => Form::Lent(string),
            (None, Rest::Long(long)) => Form::Long(long),
            (None, Rest::Refused(refusal)) => Form::Refused(*refusal),
            // No text is neither.
            (None, Rest::Nothing) => Form::Refused(Refusal::Empty),
        }
    }

    /// Whatever `write` writes.
    pub(super) fn from_writer(write: impl FnOnce(&mut Writer<'_>)) -> Self {
        let mut sink = Sink::new();
        write(&mut Writer::new(&mut sink));
        sink.into_text()
    }

    /// The same, with a copy of what it borrowed.
    #[inline]
    pub(crate) fn into_owned(self) -> Text<'static> {
        let rest = match self.rest {
            Rest::Nothing => Rest::Nothing,
            Rest::Lent(string) => Rest::Long(Long::string(string)),
            Rest::Long(long) => Rest::Long(long),
            Rest::Refused(refusal) => Rest::Refused(refusal),
        };
        Text { short: self.short, rest }
    }
}

// A key is never shown.
impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text(..)")
    }
}

impl fmt::Debug for Long {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Long(..)")
    }
}
