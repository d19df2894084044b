//! The canonical text of values. Its form is frozen per major version: records outlive builds.
//!
//! | value | text |
//! |---|---|
//! | integer | `42`, `-7` |
//! | `bool` | `true`, `false` |
//! | `char` | `'x` |
//! | string | `"text"`, with `\` before `"` and `\` |
//! | bytes | `x"00ff"` |
//! | tuple, struct | `(1,"b")` |
//! | array, slice, list | `[1,2]` |
//! | absent, present (fingerprints) | `_`, `?1` |
//! | float (fingerprints) | `~` and the 16 hexadecimal digits of its bits as an `f64` |
//! | map (`key::serde`) | `{"a":1,"b":2}`, sorted |
//! | anything over 200 bytes | `sha256:` and the digest of that text |

use super::buffer::Buffer;
use super::short::Short;
use super::text::{Long, MARK, RAW, Refusal, Text};
use hmac_sha256::Hash as Sha256;
use std::fmt;

/// Where texts go: into a buffer, and past its end into a digest.
pub(super) struct Sink {
    buffer: Buffer,
    length: usize,
    digest: Option<Sha256>,
    has_content: bool,
    failed: bool,
}

impl Sink {
    pub(super) fn new() -> Self {
        Self { buffer: Buffer::take(), length: 0, digest: None, has_content: false, failed: false }
    }

    fn push(&mut self, bytes: &[u8]) {
        if let Some(digest) = &mut self.digest {
            digest.update(bytes);
            return;
        }
        let end = self.length + bytes.len();
        if let Some(room) = self.buffer.get_mut(self.length..end) {
            room.copy_from_slice(bytes);
            self.length = end;
            return;
        }
        let mut digest = Sha256::new();
        digest.update(self.written());
        digest.update(bytes);
        self.digest = Some(digest);
    }

    pub(super) fn unsigned(&mut self, value: u128) {
        self.has_content = true;
        let mut digits = [0u8; 39];
        let mut at = digits.len();
        let mut rest = value;
        loop {
            at -= 1;
            let digit = (rest % 10) as u8;
            digits[at] = b'0' + digit;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.push(digits.get(at..).unwrap_or_default());
    }

    fn escaped(&mut self, text: &str) {
        let mut rest = text.as_bytes();
        while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) {
            let (plain, special) = rest.split_at(at);
            self.push(plain);
            self.push(b"\\");
            self.push(special.get(..1).unwrap_or_default());
            rest = special.get(1..).unwrap_or_default();
        }
        self.push(rest);
    }

    fn hexadecimal(&mut self, bytes: &[u8]) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        for byte in bytes {
            self.push(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }

    pub(super) fn into_text<'k>(self) -> Text<'k> {
        if self.failed {
            return Text::refused(Refusal::Unwritable);
        }
        if !self.has_content {
            return Text::refused(Refusal::Empty);
        }
        let short = self.digest.is_none().then(|| Short::of_text(self.written())).flatten();
        short.map_or_else(|| Text::long(self.into_long()), Text::short)
    }

    /// The text as it stands, or its digest where it is over 200 bytes.
    pub(super) fn into_long(mut self) -> Long {
        if let Some(digest) = self.digest.take() {
            self.length = 0;
            self.push(b"sha256:");
            self.hexadecimal(&digest.finalize());
        }
        // Each value has one form, whichever way it was written.
        if let Some(length) = self.buffer.get_mut(..self.length).and_then(unquote) {
            self.length = length;
        }
        Long { length: self.length, buffer: self.buffer }
    }

    fn written(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }

    /// The digest of everything that was written, or nothing where writing failed.
    pub(super) fn into_digest(self) -> Option<[u8; 32]> {
        if self.failed {
            return None;
        }
        Some(match self.digest {
            Some(digest) => digest.finalize(),
            None => Sha256::hash(self.written()),
        })
    }
}

/// A string's canonical text.
pub(super) fn quoted(string: &[u8]) -> Vec<u8> {
    let escaped = string.iter().flat_map(|byte| {
        let escape = matches!(byte, b'"' | b'\\').then_some(b'\\');
        escape.into_iter().chain([*byte])
    });
    [b'"'].into_iter().chain(escaped).chain([b'"']).collect()
}

/// Turns the canonical text of a string that is held as it is into its mark and the string; the length of both.
fn unquote(text: &mut [u8]) -> Option<usize> {
    let (mut at, mut length) = (1, 1);
    // Looked through first: a text that only begins like a string stays as it is.
    let end = text.strip_prefix(b"\"").map(<[u8]>::len)?;
    while at < end {
        at += if text.get(at)? == &b'\\' { 2 } else { 1 };
        length += 1;
        if text.get(at)? == &b'"' {
            break;
        }
    }
    if at != end || length > RAW + 1 {
        return None;
    }
    let mut from = 1;
    for to in 1..length {
        from += usize::from(text[from] == b'\\');
        text[to] = text[from];
        from += 1;
    }
    text[0] = MARK;
    Some(length)
}

/// Writes one value's canonical text; what [`ToFingerprint::write`](super::ToFingerprint::write) is given.
///
/// Every method writes one whole value. Several values belong into a [`sequence`](Writer::sequence) or a
/// [`list`](Writer::list), which separate them; written one after the other without, they would run together.
pub struct Writer<'a> {
    sink: &'a mut Sink,
    separated: bool,
    follows: bool,
}

impl fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl<'a> Writer<'a> {
    pub(super) fn new(sink: &'a mut Sink) -> Self {
        Self { sink, separated: false, follows: false }
    }

    fn item(&mut self) -> &mut Sink {
        if self.separated && self.follows {
            self.sink.push(b",");
        }
        self.follows = true;
        self.sink
    }

    /// An unsigned integer of any width.
    pub fn unsigned(&mut self, value: u128) {
        self.item().unsigned(value);
    }

    /// A signed integer of any width; not negative, it is the same as an unsigned one.
    pub fn signed(&mut self, value: i128) {
        let sink = self.item();
        if value < 0 {
            sink.push(b"-");
        }
        sink.unsigned(value.unsigned_abs());
    }

    /// A truth value.
    pub fn boolean(&mut self, value: bool) {
        let sink = self.item();
        sink.has_content = true;
        sink.push(if value { b"true" } else { b"false" });
    }

    /// A character.
    pub fn character(&mut self, value: char) {
        let sink = self.item();
        sink.has_content = true;
        sink.push(b"'");
        sink.push(value.encode_utf8(&mut [0; 4]).as_bytes());
    }

    /// A string.
    pub fn text(&mut self, value: &str) {
        let sink = self.item();
        sink.has_content |= !value.is_empty();
        sink.push(b"\"");
        sink.escaped(value);
        sink.push(b"\"");
    }

    /// A string that the programmer wrote: it is part of the key, but a key with nothing else in it is still empty.
    pub fn literal(&mut self, value: &'static str) {
        let has_content = self.sink.has_content;
        self.text(value);
        self.sink.has_content = has_content;
    }

    /// A value as its `Display` shows it, which counts as a string.
    pub fn display(&mut self, value: &(impl fmt::Display + ?Sized)) {
        struct Escaping<'a>(&'a mut Sink);
        impl fmt::Write for Escaping<'_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                self.0.has_content |= !text.is_empty();
                self.0.escaped(text);
                Ok(())
            }
        }
        let sink = self.item();
        sink.push(b"\"");
        let shown = fmt::Write::write_fmt(&mut Escaping(sink), format_args!("{value}"));
        sink.failed |= shown.is_err();
        sink.push(b"\"");
    }

    /// Bytes.
    pub fn bytes(&mut self, value: &[u8]) {
        let sink = self.item();
        sink.has_content |= !value.is_empty();
        sink.push(b"x\"");
        sink.hexadecimal(value);
        sink.push(b"\"");
    }

    /// A floating-point number by its bits, for fingerprints: `0.0` and `-0.0` differ, a NaN equals itself.
    pub fn float(&mut self, value: f64) {
        let sink = self.item();
        sink.has_content = true;
        sink.push(b"~");
        sink.hexadecimal(&value.to_bits().to_be_bytes());
    }

    /// A value that is not there, for fingerprints.
    pub fn absent(&mut self) {
        self.item().push(b"_");
    }

    /// A value that could have been absent, for fingerprints.
    pub fn present(&mut self, write: impl FnOnce(&mut Writer<'_>)) {
        let sink = self.item();
        sink.push(b"?");
        write(&mut Writer { sink, separated: false, follows: false });
    }

    /// Values that belong together by position, as a tuple's or a struct's do.
    pub fn sequence(&mut self, write: impl FnOnce(&mut Writer<'_>)) {
        self.enclosed(b"(", b")", write);
    }

    /// Values of one kind, as an array's.
    pub fn list(&mut self, write: impl FnOnce(&mut Writer<'_>)) {
        self.enclosed(b"[", b"]", write);
    }

    /// Says that the value cannot be written: the call is refused as [`InvalidKey`](crate::error::ErrorKind::InvalidKey).
    pub fn fail(&mut self) {
        self.sink.failed = true;
    }

    #[cfg(feature = "serde")]
    pub(super) fn map<'v>(&mut self, entries: impl Iterator<Item = (&'v str, impl FnOnce(&mut Writer<'_>))>) {
        self.enclosed(b"{", b"}", |out| {
            for (name, write) in entries {
                out.text(name);
                out.sink.push(b":");
                write(&mut Writer { sink: out.sink, separated: false, follows: false });
            }
        });
    }

    fn enclosed(&mut self, open: &[u8], close: &[u8], write: impl FnOnce(&mut Writer<'_>)) {
        let sink = self.item();
        sink.push(open);
        write(&mut Writer { sink, separated: true, follows: false });
        sink.push(close);
    }
}
