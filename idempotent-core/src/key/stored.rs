//! A key as a table holds it.

use super::short::Short;
use super::text::{Form, MARK, Text};
use super::writer::quoted;
use hmac_sha256::Hash as Sha256;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

/// The canonical text of a key, or the string that it is the text of: 24 bytes, and one shared allocation where it is
/// longer than 23.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Key {
    Short(Short),
    Long(Arc<[u8]>),
}

impl Key {
    #[inline]
    pub(crate) fn matches(&self, text: &Text<'_>) -> bool {
        match (self, text.form()) {
            (Self::Short(key), Form::Short(text)) => *key == text,
            (_, Form::Lent(string)) => self.is_string(string),
            (Self::Long(key), Form::Long(text)) => **key == *text.bytes(),
            _ => false,
        }
    }

    #[inline]
    pub(crate) fn is_short(&self, short: Short) -> bool {
        matches!(self, Self::Short(key) if *key == short)
    }

    #[inline]
    pub(crate) fn is_string(&self, string: &str) -> bool {
        matches!(self, Self::Long(key) if key.split_first() == Some((&MARK, string.as_bytes())))
    }

    /// Runs `read` on the text's bytes.
    pub(crate) fn with_bytes<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Self::Short(short) => short.with_text(read),
            Self::Long(bytes) => match bytes.split_first() {
                Some((&MARK, string)) => read(&quoted(string)),
                _ => read(bytes),
            },
        }
    }

    /// The first eight hexadecimal digits of the text's digest: enough to follow a key through logs, not to read it.
    pub(crate) fn digest(&self) -> String {
        self.with_bytes(digest)
    }

    #[inline]
    pub(crate) fn hash_with(&self, hasher: &impl BuildHasher) -> u64 {
        hasher.hash_one(self)
    }
}

fn digest(text: &[u8]) -> String {
    let digest = Sha256::hash(text);
    hexadecimal(digest.first_chunk::<4>().map_or(&[], |first| first))
}

/// The digest of a key's text, as stores have it.
#[cfg(all(feature = "durable", feature = "tracing"))]
pub(crate) fn digest_of_text(text: &str) -> String {
    digest(text.as_bytes())
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

impl Text<'_> {
    /// The key to store, or nothing where the text was refused.
    pub(crate) fn to_key(&self) -> Option<Key> {
        match self.form() {
            Form::Short(short) => Some(Key::Short(short)),
            Form::Lent(string) => Some(Key::Long([MARK].iter().chain(string.as_bytes()).copied().collect())),
            Form::Long(long) => Some(Key::Long(long.bytes().into())),
            Form::Refused(_) => None,
        }
    }

    /// The same as the stored key's hash.
    #[inline]
    pub(crate) fn hash_with(&self, hasher: &impl BuildHasher) -> u64 {
        match self.form() {
            Form::Short(short) => hash_short(short, hasher),
            Form::Lent(string) => hash_bytes(string.as_bytes(), hasher),
            Form::Long(long) => hash_bytes(unmarked(long.bytes()), hasher),
            Form::Refused(_) => 0,
        }
    }
}

/// A string that is held as it is has the same hash with its mark and without.
#[inline]
fn unmarked(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(&[MARK]).unwrap_or(bytes)
}

#[inline]
fn hash_short(short: Short, hasher: &impl BuildHasher) -> u64 {
    let mut state = hasher.build_hasher();
    write_short(short, &mut state);
    state.finish()
}

#[inline]
fn hash_bytes(bytes: &[u8], hasher: &impl BuildHasher) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(bytes);
    state.finish()
}

#[inline]
fn write_short(short: Short, state: &mut impl Hasher) {
    for word in short.words() {
        state.write_u64(word);
    }
}

impl Hash for Key {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Short(short) => write_short(*short, state),
            Self::Long(bytes) => state.write(unmarked(bytes)),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.digest())
    }
}

const _: () = assert!(size_of::<Key>() == 24, "a key takes three words");

#[cfg(test)]
mod tests {
    use super::Key;
    use crate::key::text::Text;
    use crate::key::values::{ToFingerprint, ToKey};
    use crate::key::writer::Writer;
    use foldhash::fast::RandomState;

    #[test]
    fn a_text_finds_the_key_that_was_made_of_it() {
        let hasher = RandomState::default();
        for length in 1..=400 {
            let value = "k".repeat(length);
            let text = value.as_str().key_text();
            let key = text.to_key().unwrap_or(Key::Long([].into()));
            assert!(key.matches(&text), "{length}");
            assert_eq!(key.hash_with(&hasher), text.hash_with(&hasher), "{length}");
            assert!(!key.matches(&(value + "k").as_str().key_text()), "{length}");
        }
    }

    #[test]
    fn the_way_to_a_value_does_not_matter() {
        struct Written<'a>(&'a dyn Fn(&mut Writer<'_>));
        impl ToFingerprint for Written<'_> {
            fn write(&self, out: &mut Writer<'_>) {
                (self.0)(out);
            }
        }
        impl ToKey for Written<'_> {}
        let agree = |direct: &Text, write: &dyn Fn(&mut Writer<'_>)| {
            assert!(direct.to_key().is_some_and(|key| key.matches(&Written(write).key_text())));
        };
        agree(&42u64.key_text(), &|out| out.unsigned(42));
        agree(&7i8.key_text(), &|out| out.signed(7));
        agree(&u64::MAX.key_text(), &|out| out.unsigned(u64::MAX.into()));
        agree(&"a \"quoted\" \\ text".key_text(), &|out| out.text("a \"quoted\" \\ text"));
        for length in 1..240 {
            for unit in ["x", "\"", "\\", "a\"", "é"] {
                let string = unit.repeat(length);
                agree(&string.key_text(), &|out| out.display(&string));
            }
        }
    }

    #[test]
    fn a_string_is_read_as_its_text_however_it_is_held() {
        for length in 1..240 {
            for unit in ["x", "\"", "\\", "a\"", "é"] {
                let string = unit.repeat(length);
                let quoted = format!("\"{}\"", string.replace('\\', "\\\\").replace('"', "\\\""));
                if quoted.len() <= 200 {
                    let key = string.as_str().key_text().to_key();
                    let text = key.map(|key| key.with_bytes(<[u8]>::to_vec)).unwrap_or_default();
                    assert_eq!(text, quoted.as_bytes(), "{length} {unit}");
                }
            }
        }
    }

    #[test]
    fn a_key_is_not_shown() {
        let key = "4111 1111 1111 1111".key_text().to_key();
        let shown = format!("{key:?}");
        assert!(!shown.contains("4111") && shown.len() < 30, "{shown}");
    }
}
