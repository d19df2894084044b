//! Room for a text that does not fit into three words: one buffer per thread, lent out and given back.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};

/// The longest text that is kept as it is; a longer one becomes a digest.
const LONGEST: usize = 200;

type Bytes = Box<[u8; LONGEST]>;

thread_local! {
    static SPARE: Cell<Option<Bytes>> = const { Cell::new(None) };
}

/// A buffer of [`LONGEST`] bytes. Boxed, so that what carries it is small; kept by the thread, so that writing a key
/// does not allocate.
pub(super) struct Buffer(Option<Bytes>);

impl Buffer {
    pub(super) fn take() -> Self {
        let spare = SPARE.try_with(Cell::take).ok().flatten();
        Self(Some(spare.unwrap_or_else(|| Box::new([0; LONGEST]))))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let _ = SPARE.try_with(|spare| spare.set(self.0.take()));
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_deref().map_or(&[], |bytes| bytes)
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.0.as_deref_mut().map_or(&mut [], |bytes| bytes)
    }
}
