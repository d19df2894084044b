//! Room for a text that does not fit into three words: two buffers per thread, lent out and given back.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};

/// The longest text that is kept as it is; a longer one becomes a digest.
const LONGEST: usize = 200;

type Bytes = Box<[u8; LONGEST]>;

thread_local! {
    /// Two: a call holds one for its key while it writes its fingerprint into the other.
    static SPARE: Cell<[Option<Bytes>; 2]> = const { Cell::new([None, None]) };
}

/// A buffer of [`LONGEST`] bytes. Boxed, so that what carries it is small; kept by the thread, so that writing a key
/// does not allocate.
pub(super) struct Buffer(Option<Bytes>);

impl Buffer {
    pub(super) fn take() -> Self {
        let spare = SPARE.try_with(|spare| {
            let mut buffers = spare.take();
            let one = buffers.iter_mut().find_map(Option::take);
            spare.set(buffers);
            one
        });
        Self(Some(spare.ok().flatten().unwrap_or_else(|| Box::new([0; LONGEST]))))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let _ = SPARE.try_with(|spare| {
            let mut buffers = spare.take();
            if let Some(room) = buffers.iter_mut().find(|room| room.is_none()) {
                *room = self.0.take();
            }
            spare.set(buffers);
        });
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
