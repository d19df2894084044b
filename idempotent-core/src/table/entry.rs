//! What a table holds under a key.

use crate::clock::Tick;
use crate::flight::Flight;
use std::sync::Arc;

pub(super) enum Entry<T, P> {
    /// An outcome that answers until its end.
    Kept { end: Tick, print: P, outcome: T },
    /// An execution in flight; without followers it takes no allocation.
    Led { print: P, flight: Option<Arc<Flight<T>>> },
}

const _: () = assert!(
    size_of::<Entry<u64, crate::key::NoFingerprint>>() == 16,
    "a record is its outcome and its end, with the state in the end's niche"
);
