//! What is compared: one trivial function, protected, memoized and looked up in different ways. Every one is a function
//! that is not inlined, and takes the key by its own type.

pub(crate) mod awaited;
pub(crate) mod fresh;
pub(crate) mod number;
pub(crate) mod peers;
pub(crate) mod text;

/// The body: hardly anything.
#[inline]
pub(crate) fn body(id: u64) -> u64 {
    id.wrapping_mul(3)
}
