//! Digests of what must not change when a key is used again.

use super::values::ToFingerprint;
use super::writer::{Sink, Writer};
use std::fmt;

/// A digest of the part of a request that must be the same when its key is used again: the first 16 bytes of the
/// SHA-256 of its canonical text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// Stands where a fingerprint could not be made; such a call is refused.
    pub(crate) const NONE: Self = Self([0; 16]);

    /// The digest of a value, or nothing where the value cannot be written.
    pub fn of(value: &(impl ToFingerprint + ?Sized)) -> Option<Self> {
        let mut sink = Sink::new();
        value.write(&mut Writer::new(&mut sink));
        let digest = sink.into_digest()?;
        digest.first_chunk().copied().map(Self)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(..)")
    }
}

/// No fingerprint: every use of a key is the same request. It takes no room in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoFingerprint;

/// What a record keeps of a fingerprint: the digest or nothing at all.
pub trait Print: Copy + PartialEq + Send + Sync + 'static {
    /// As a store keeps it.
    fn digest(self) -> Option<[u8; 16]>;
}

impl Print for Fingerprint {
    fn digest(self) -> Option<[u8; 16]> {
        Some(self.0)
    }
}

impl Print for NoFingerprint {
    fn digest(self) -> Option<[u8; 16]> {
        None
    }
}
