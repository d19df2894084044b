//! Keys: values written into one canonical, unambiguous text, stored and compared by its bytes.

mod buffer;
mod fingerprint;
mod foreign;
mod short;
mod stored;
mod text;
mod values;
mod writer;

pub use fingerprint::{Fingerprint, NoFingerprint, Print};
pub use foreign::{Displayed, Piece, display};
#[cfg(feature = "serde")]
pub use foreign::{Serialized, serde};
#[cfg(all(feature = "durable", feature = "tracing"))]
pub(crate) use stored::digest_of_text;
pub(crate) use stored::{Key, hexadecimal};
pub(crate) use text::Form;
#[doc(hidden)]
pub use text::{Refusal, Text};
pub use values::{OptionalKey, ToFingerprint, ToKey};
pub use writer::Writer;
