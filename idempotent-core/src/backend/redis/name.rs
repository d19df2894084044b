//! The names of records among the server's keys: `PREFIX/SCOPE/KEY`, which people can read.
//!
//! The last token lies under `PREFIX/last_token`, which no record is called, since there is no second slash in it. In a
//! cluster there is one for each slot, and a number in braces puts it there.

use crate::store::Place;
use hmac_sha256::Hash as Sha256;
use std::fmt::Write;
use std::sync::Arc;

/// A key whose text is longer in the name stands there as its digest.
const LONGEST: usize = 512;
/// Begins a digest. No text begins so: its own `%` are followed by two digits.
const DIGEST: &str = "%#";

/// How many slots a cluster has.
const SLOTS: u16 = 16_384;
const LAST_TOKEN: &str = "last_token";

/// What the names of one store begin with.
#[derive(Clone)]
pub(super) struct Names {
    /// With its slash.
    prefix: String,
    /// By slot, the number that puts the name of a last token there; nothing where all records share one.
    numbers: Option<Arc<[u32]>>,
}

/// What a request is about that may take the next token.
pub(super) struct Name {
    pub(super) record: Vec<u8>,
    pub(super) last_token: Vec<u8>,
}

impl Names {
    pub(super) fn new(prefix: &str, is_cluster: bool) -> Self {
        // Braces stay: whoever wants all records in one slot of a cluster says so in the prefix.
        let prefix = escaped(prefix, &['/']) + "/";
        // Then a last token in the same braces is in that slot too.
        let is_one_slot = tag(prefix.as_bytes()).is_some();
        let numbers = (is_cluster && !is_one_slot).then(|| numbers(&prefix));
        Self { prefix, numbers }
    }

    /// The names of a record and of the last token that it has to do with.
    pub(super) fn with_last_token(&self, place: &Place) -> Name {
        let record = self.of(place);
        let number = self.numbers.as_ref().map(|numbers| numbers.get(usize::from(slot(&record))).copied());
        let last_token = number.map_or_else(|| self.last_token(), |number| numbered(&self.prefix, number.unwrap_or(0)));
        Name { record, last_token: last_token.into_bytes() }
    }

    /// The name of the last token where all records share one.
    pub(super) fn last_token(&self) -> String {
        format!("{}{LAST_TOKEN}", self.prefix)
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

fn numbered(prefix: &str, number: u32) -> String {
    format!("{prefix}{LAST_TOKEN}{{{number}}}")
}

/// By slot, the first number whose name is in it.
fn numbers(prefix: &str) -> Arc<[u32]> {
    let mut numbers = vec![None; usize::from(SLOTS)];
    let mut missing = SLOTS;
    // A hundred and sixty thousand numbers reach all slots, as a rule.
    for number in 0..u32::MAX {
        if missing == 0 {
            break;
        }
        let there = numbers.get_mut(usize::from(slot(numbered(prefix, number).as_bytes())));
        if let Some(there @ None) = there {
            *there = Some(number);
            missing -= 1;
        }
    }
    numbers.into_iter().flatten().collect()
}

/// The part of a name that alone chooses its slot, if there is one: between the first brace and the next that closes.
fn tag(name: &[u8]) -> Option<&[u8]> {
    let begin = name.iter().position(|&byte| byte == b'{')? + 1;
    let rest = name.get(begin..)?;
    let length = rest.iter().position(|&byte| byte == b'}').filter(|&length| length > 0)?;
    rest.get(..length)
}

/// Where a cluster keeps a name: the checksum CRC-16/XMODEM, as all clusters compute it.
fn slot(name: &[u8]) -> u16 {
    let checksum = tag(name).unwrap_or(name).iter().fold(0_u16, |checksum, &byte| {
        (0..8).fold(checksum ^ (u16::from(byte) << 8), |checksum, _| {
            if checksum & 0x8000 == 0 { checksum << 1 } else { (checksum << 1) ^ 0x1021 }
        })
    });
    checksum % SLOTS
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
    use super::{Names, slot};
    use crate::store::Place;

    fn place(scope: &str, key: &str) -> Place {
        Place { scope: scope.into(), key: key.into() }
    }

    #[test]
    fn a_name_can_be_read_and_tells_its_key() {
        let names = Names::new("idempotently", false);
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
                    let name = Names::new(prefix, false).of(&place(scope, key));
                    assert_eq!(seen.insert(name, (prefix, scope, key)), None);
                }
            }
        }
    }

    #[test]
    fn a_long_key_is_named_by_its_digest() {
        let names = Names::new("p", false);
        let (long, longer) = ("k".repeat(600), "k".repeat(601));
        let name = names.of(&place("s", &long));
        assert_eq!(name.len(), "p/s/%#".len() + 64);
        assert_ne!(name, names.of(&place("s", &longer)));
        assert_eq!(names.key("s", &name), None);
    }

    #[test]
    fn a_slot_is_the_one_that_servers_compute() {
        // `CLUSTER KEYSLOT`
        assert_eq!([slot(b"123456789"), slot(b"foo{bar}{zap}"), slot(b"bar")], [12_739, 5061, 5061]);
        assert_eq!(slot(b"foo{}{bar}"), 8363);
    }

    #[test]
    fn the_last_token_lies_where_the_record_does() {
        for prefix in ["idempotently", "{shop}", "a{b", "a{}b", "a}b{c}"] {
            let names = Names::new(prefix, true);
            for key in 0..2000 {
                let name = names.with_last_token(&place("shop::pay", &format!("key {key} {{of}} one tag")));
                assert_eq!(slot(&name.record), slot(&name.last_token), "{:?}", String::from_utf8_lossy(&name.record));
            }
        }
        let lies = |names: Names| String::from_utf8(names.with_last_token(&place("s", "k")).last_token);
        assert_eq!(lies(Names::new("p", false)).as_deref(), Ok("p/last_token"));
        assert_eq!(lies(Names::new("{p}", true)).as_deref(), Ok("{p}/last_token"));
    }

    #[test]
    fn no_record_has_the_name_of_a_last_token() {
        let names = Names::new("p", true);
        let last_token = names.with_last_token(&place("s", "k")).last_token;
        let parts = last_token.split(|&byte| byte == b'/').count();
        assert_eq!(parts, 2, "a record's name has three");
        assert_eq!(names.key("last_token", &last_token), None);
    }

    #[test]
    fn a_pattern_means_what_it_says() {
        assert_eq!(Names::new("p", false).pattern("a*[b]?\\"), "p/a\\*\\[b\\]\\?\\\\/*");
    }
}
