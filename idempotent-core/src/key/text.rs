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
    /// There is nothing in it.
    Empty,
    /// Its `Display` or `Serialize` failed.
    Unwritable,
    /// The fingerprint's did.
    Fingerprint,
}

/// A canonical text too long for three words; of a string of up to [`RAW`] bytes, a mark and the string as it is.
pub struct Long {
    pub(super) buffer: Buffer,
    pub(super) length: usize,
}

/// The longest string that is held as it is: written out, with every character escaped, it is no longer than a text that
/// is kept.
pub(super) const RAW: usize = 99;

/// What a string that is held as it is begins with, and no canonical text does.
pub(super) const MARK: u8 = 0;

impl Long {
    /// A string that does not fit into three words. Small enough to be returned in registers, so that the short strings
    /// beside it need no memory either.
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
pub enum Text {
    /// It fits into three words.
    Short(Short),
    /// It is up to 200 bytes, or the digest of more.
    Long(Long),
    /// There is none.
    Refused(Refusal),
}

impl Text {
    /// Whatever `write` writes.
    pub(super) fn from_writer(write: impl FnOnce(&mut Writer<'_>)) -> Self {
        let mut sink = Sink::new();
        write(&mut Writer::new(&mut sink));
        sink.into_text()
    }
}

// A key is never shown.
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text(..)")
    }
}

impl fmt::Debug for Long {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Long(..)")
    }
}
