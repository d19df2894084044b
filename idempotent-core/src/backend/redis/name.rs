//! The names of records among the server's keys: `PREFIX/SCOPE/KEY`, which people can read.

use crate::store::Place;
use hmac_sha256::Hash as Sha256;
use std::fmt::Write;

/// A key whose text is longer in the name stands there as its digest.
const LONGEST: usize = 512;
/// Begins a digest. No text begins so: its own `%` are followed by two digits.
const DIGEST: &str = "%#";

/// What the names of one store begin with.
#[derive(Clone)]
pub(super) struct Names {
    /// With its slash.
    prefix: String,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        // Braces stay: whoever wants all records in one slot of a cluster says so in the prefix.
        Self { prefix: escaped(prefix, &['/']) + "/" }
    }

    pub(super) fn of(&self, place: &Place) -> Vec<u8> {
        let key = escaped(&place.key, &['{', '}']);
        let mut name = self.scope(&place.scope);
        if key.len() > LONGEST {
            name.push_str(DIGEST);
            for byte in Sha256::hash(place.key.as_bytes()) {
                let _ = write!(name, "{byte:02x}");
            }
        } else {
            name.push_str(&key);
        }
        name.into_bytes()
    }

    /// What `SCAN` finds a scope's records by.
    pub(super) fn pattern(&self, scope: &str) -> String {
        let mut pattern = String::new();
        for character in self.scope(scope).chars() {
            if matches!(character, '*' | '?' | '[' | ']' | '\\') {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern + "*"
    }

    /// The key that a name in a scope is of; nothing where the name holds only its digest.
    pub(super) fn key(&self, scope: &str, name: &[u8]) -> Option<String> {
        let text = name.strip_prefix(self.scope(scope).as_bytes())?;
        plain(text)
    }

    fn scope(&self, scope: &str) -> String {
        format!("{}{}/", self.prefix, escaped(scope, &['/', '{', '}']))
    }
}

/// A text in which nothing has a meaning to the server, nor to whoever prints it.
fn escaped(text: &str, besides: &[char]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '%' || character.is_ascii_control() || besides.contains(&character) {
            let _ = write!(escaped, "%{:02X}", u32::from(character));
        } else {
            escaped.push(character);
        }
    }
    escaped
}

fn plain(escaped: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let (digits, after) = after.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::Names;
    use crate::store::Place;

    fn place(scope: &str, key: &str) -> Place {
        Place { scope: scope.into(), key: key.into() }
    }

    #[test]
    fn a_name_can_be_read_and_tells_its_key() {
        let names = Names::new("idempotently");
        let name = names.of(&place("shop::pay", "order 7/ä"));
        assert_eq!(String::from_utf8_lossy(&name), "idempotently/shop::pay/order 7/ä");
        for key in ["", "a", "%", "%25", "{a}", "a\0b\n", "a/b", "%#", "漢字", "\u{7f}"] {
            let name = names.of(&place("s", key));
            assert!(!name.contains(&b'{'), "{key:?} chooses its slot");
            assert_eq!(names.key("s", &name).as_deref(), Some(key));
        }
    }

    #[test]
    fn no_two_places_have_one_name() {
        let texts = ["", "a", "/", "a/", "/a", "a/b", "%", "%2F", "{a}", "%7Ba%7D"];
        let mut seen = std::collections::HashMap::new();
        for prefix in texts {
            for scope in texts {
                for key in texts {
                    let name = Names::new(prefix).of(&place(scope, key));
                    assert_eq!(seen.insert(name, (prefix, scope, key)), None);
                }
            }
        }
    }

    #[test]
    fn a_long_key_is_named_by_its_digest() {
        let names = Names::new("p");
        let (long, longer) = ("k".repeat(600), "k".repeat(601));
        let name = names.of(&place("s", &long));
        assert_eq!(name.len(), "p/s/%#".len() + 64);
        assert_ne!(name, names.of(&place("s", &longer)));
        assert_eq!(names.key("s", &name), None);
    }

    #[test]
    fn a_pattern_means_what_it_says() {
        assert_eq!(Names::new("p").pattern("a*[b]?\\"), "p/a\\*\\[b\\]\\?\\\\/*");
    }
}
