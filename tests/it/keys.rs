//! Keys: which values agree, which differ, and the texts that are frozen.

use idempotently::key::{self, ToFingerprint, ToKey, Writer};
use idempotently::{ErrorKind, Operation, current};
use proptest::prelude::{ProptestConfig, Strategy, any, prop};
use proptest::{prop_assert_eq, prop_assert_ne, proptest};
use std::borrow::Cow;
use std::fmt;
use std::num::{NonZeroI8, NonZeroU64};
use std::rc::Rc;
use std::sync::Arc;

static IDENTITY: Operation = Operation::new("keys.identity");

/// What the world can see of a key's text: equal exactly where the keys are.
fn identity(key: &(impl ToKey + ?Sized)) -> String {
    let seen = || current().unwrap().downstream_key("");
    // Nothing is kept, so that no test sees what another one did.
    let outcome = IDENTITY.call(key).try_run(|| Err::<String, _>(anyhow::Error::msg(seen())));
    outcome.unwrap_err().to_string()
}

fn agree(one: &(impl ToKey + ?Sized), two: &(impl ToKey + ?Sized)) -> bool {
    identity(one) == identity(two)
}

/// Whether the table takes both for one key, which must be the same.
fn share(one: &(impl ToKey + ?Sized), two: &(impl ToKey + ?Sized)) -> bool {
    let operation = Operation::of_function();
    operation.call(one).run(|| 1).unwrap();
    operation.call(two).run(|| 2).unwrap() == 1
}

#[test]
fn numbers_agree_whatever_their_width() {
    assert!(share(&1u8, &1u64) && share(&1u8, &1i128) && share(&1usize, &1i16) && share(&-1i8, &-1i128));
    assert!(share(&NonZeroU64::MIN, &1) && share(&NonZeroI8::new(-7).unwrap(), &-7i64));
    assert!(share(&u64::MAX, &u128::from(u64::MAX)) && share(&i64::MIN, &i128::from(i64::MIN)));
    assert!(!share(&1u8, &-1i8) && !share(&u64::MAX, &(u128::from(u64::MAX) + 1)));
}

#[test]
fn values_of_different_kinds_differ() {
    let texts = [
        identity("1"),
        identity(&1),
        identity(&'1'),
        identity(&(1,)),
        identity(&[1]),
        identity(&true),
        identity("true"),
        identity(&("1",)),
        identity(&["1"]),
        identity("(1)"),
        identity("[1]"),
        identity("'1"),
        identity("\"1\""),
        identity(&-1),
        identity("-1"),
    ];
    for (number, text) in texts.iter().enumerate() {
        assert!(!texts[..number].contains(text), "{number}");
    }
    assert!(!share(&(1, 23), &(12, 3)) && !share(&[1, 23], &[12, 3]));
    assert!(!share("1", &1) && !share(&("a", "bc"), &("ab", "c")) && !share(&("a", "b"), &["a", "b"]));
}

#[test]
fn pointers_and_owners_are_what_they_point_to() {
    let text = "order-1";
    assert!(share(text, &String::from(text)) && share(text, &&&text) && share(text, &Cow::Borrowed(text)));
    assert!(
        share(text, &Box::<str>::from(text)) && share(text, &Rc::<str>::from(text)) && share(text, &Arc::new(text))
    );
    assert!(share(&[1u16, 2], &vec![1u64, 2]) && share(&[1u8, 2][..], &vec![1u8, 2]) && share(&(&1, &"a"), &(1, "a")));
    assert!(!share(&[1u8, 2], &[1u64, 2]), "bytes are no numbers");
    assert!(!share(&(key::Piece("a"), 1), &("b", 1)));
    assert!(share(&(key::Piece("order-"), 7), &("order-", 7)));
}

#[test]
fn keys_with_nothing_in_them_are_refused() {
    static OPERATION: Operation = Operation::new("keys.empty");
    let refused = |outcome: Result<u8, idempotently::Error>| outcome.unwrap_err().kind() == ErrorKind::InvalidKey;
    assert!(refused(OPERATION.call("").run(|| 1)) && refused(OPERATION.call(&String::new()).run(|| 1)));
    assert!(refused(OPERATION.call(&("", "")).run(|| 1)) && refused(OPERATION.call(&[0u8; 0]).run(|| 1)));
    assert!(refused(OPERATION.call(&Vec::<String>::new()).run(|| 1)) && refused(OPERATION.call(&["", ""]).run(|| 1)));
    assert!(
        refused(OPERATION.call(&(("",), [""; 3])).run(|| 1)) && refused(OPERATION.call(&key::display("")).run(|| 1))
    );
    assert!(refused(OPERATION.call(&(key::Piece("order-"), "")).run(|| 1)), "a hole with nothing in it");
    assert!(refused(OPERATION.call(&key::Piece("order-")).run(|| 1)));
    assert!(OPERATION.is_empty());
    for (number, fine) in [identity(&("", 0)), identity(&false), identity(" "), identity(&("", "a"))].iter().enumerate()
    {
        assert_eq!(fine.len(), 32, "{number}");
    }
}

#[test]
fn long_keys_become_digests_and_still_differ() {
    for length in [22, 23, 24, 25, 197, 198, 199, 200, 201, 202, 255, 256, 5_000, 100_000] {
        let text = "k".repeat(length);
        let mut other = text.clone();
        other.replace_range(length - 1.., "l");
        assert!(share(text.as_str(), &key::display(&text)), "{length}");
        assert!(!share(&text, &other), "{length}");
        assert!(!share(&text, &(text.clone() + "k")), "{length}");
        assert!(!share(&text, &(text.as_str(),)), "{length}");
    }
    assert!(!share(&"k".repeat(300), "sha256:"));
}

#[test]
fn foreign_values_are_what_they_are_shown_as() {
    struct Broken(bool);
    impl fmt::Display for Broken {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("something")?;
            if self.0 { Err(fmt::Error) } else { Ok(()) }
        }
    }
    static OPERATION: Operation = Operation::new("keys.foreign");
    let address = std::net::IpAddr::from([127, 0, 0, 1]);
    assert!(share(&key::display(&address), "127.0.0.1") && share(&key::display("a\"b\\"), "a\"b\\"));
    let broken = OPERATION.call(&key::display(&Broken(true))).run(|| 1u8);
    assert_eq!(broken.unwrap_err().kind(), ErrorKind::InvalidKey);
    assert!(share(&key::display(&Broken(false)), "something"));
}

#[test]
fn a_type_written_by_hand_is_a_key() {
    struct Order {
        shop: u32,
        number: &'static str,
    }
    impl ToFingerprint for Order {
        fn write(&self, out: &mut Writer<'_>) {
            out.sequence(|out| {
                self.shop.write(out);
                out.text(self.number);
            });
        }
    }
    impl ToKey for Order {}
    assert!(share(&Order { shop: 1, number: "a" }, &(1, "a")));
}

/// Keys with their downstream keys for the system `bank`, and the canonical text that makes them so.
///
/// They were computed elsewhere, from the documented form, and never change within a major version.
#[test]
fn the_texts_are_frozen() {
    static OPERATION: Operation = Operation::new("keys.golden");
    struct Bytes(&'static [u8]);
    impl ToFingerprint for Bytes {
        fn write(&self, out: &mut Writer<'_>) {
            out.bytes(self.0);
        }
    }
    impl ToKey for Bytes {}
    fn golden(key: &(impl ToKey + ?Sized), frozen: &str) {
        assert_eq!(OPERATION.call(key).run(|| current().unwrap().downstream_key("bank")).unwrap(), frozen);
    }
    let (fits, too_long) = ("k".repeat(198), "k".repeat(199));
    golden(&42u8, "11548a26c866043f113367fe1b1424f7"); // 42
    golden(&0, "b891a2a2128da87f470832648b932e83"); // 0
    golden(&u64::MAX, "8e3f1de91d490643ab591e05e644ab68"); // 18446744073709551615
    golden(&u128::MAX, "393405e8413cd48cb9139f596e85ee7b"); // 340282366920938463463374607431768211455
    golden(&i128::MIN, "459dcf63047b9b241ca2b2acc06597c2"); // -170141183460469231731687303715884105728
    golden(&-7, "571c74afc956c37fdf7e51faab65b71e"); // -7
    golden(&true, "688c36da87bf0871e6942c7bf37f6a61"); // true
    golden(&false, "92542c676760a72358acbc81e081f7ba"); // false
    golden(&'x', "ca39d73f040e1492e8eb1baf27295b5c"); // 'x
    golden(&'\'', "3d134b63fff710614e5cdf926695a172"); // ''
    golden(&'€', "ac18b491512d9228d9fdaa4962150608"); // '€
    golden("text", "c59f5ef517524e6336be6383f9a64537"); // "text"
    golden(r#"a "quoted" \ text"#, "951239910c5ff4c83a957d9310c5adb0"); // "a \"quoted\" \\ text"
    golden("two words, and a comma (1)", "440f6b360627f8632beab7975a0977d7"); // "two words, and a comma (1)"
    golden(&(1, "b"), "b8d038ef45147acc180def8ed9379d04"); // (1,"b")
    golden(&(1,), "400d88e25df40dae022abecb33045222"); // (1)
    golden(&((1, 2), 3), "ec988e5a9e07e17c4fe68251009ac91a"); // ((1,2),3)
    golden(&[1, 2], "601b3350d76ab240c420a2d0ba0b94be"); // [1,2]
    golden(&[0, 255], "3dd648bbd822b3f5b35cc4bfa5d4f8df"); // [0,255]
    golden(&[0u8, 255][..], "13fe562538f1cc29fed3a3d3454ab551"); // x"00ff"
    golden(&vec![("a", true)], "92a9ee1626f54c3170830d310bde44a7"); // [("a",true)]
    golden(&(key::Piece("order-"), 7), "06da70b577ee5c6967f9d3f95c0c8cfd"); // ("order-",7)
    golden(&Bytes(&[0, 255]), "13fe562538f1cc29fed3a3d3454ab551"); // x"00ff"
    golden(&fits, "1fae74bd117c489c7d398488faaca48b"); // 198 times `k` in quotes
    golden(&too_long, "daecf2edbe052f6af60017c39b609720"); // the digest of 199 times `k` in quotes
}

#[cfg(feature = "uuid")]
#[test]
fn a_uuid_is_its_hyphenated_text() {
    let id = uuid::Uuid::from_u128(0x6ba7_b810_9dad_11d1_80b4_00c0_4fd4_30c8);
    assert!(share(&id, "6ba7b810-9dad-11d1-80b4-00c04fd430c8"));
    assert!(!share(&uuid::Uuid::nil(), &id));
    assert!(share(&uuid::Uuid::nil(), "00000000-0000-0000-0000-000000000000"), "as good as any other");
}

#[cfg(feature = "serde")]
mod with_serde {
    use super::{IDENTITY, share};
    use idempotently::{ErrorKind, key};
    use serde::Serialize;
    use std::collections::{BTreeMap, HashMap};

    #[derive(Serialize)]
    struct Query {
        year: u32,
        month: Option<u8>,
    }

    #[test]
    fn maps_and_structs_are_sorted_by_name() {
        #[derive(Serialize)]
        struct Turned {
            month: Option<u8>,
            year: u32,
        }
        let forward: HashMap<_, _> = (0..50).map(|number| (format!("k{number}"), number)).collect();
        let backward: HashMap<_, _> = (0..50).rev().map(|number| (format!("k{number}"), number)).collect();
        let sorted: BTreeMap<_, _> = forward.clone().into_iter().collect();
        assert!(
            share(&key::serde(&forward), &key::serde(&backward)) && share(&key::serde(&forward), &key::serde(&sorted))
        );
        let query = Query { year: 2026, month: Some(11) };
        assert!(share(&key::serde(&query), &key::serde(&Turned { month: Some(11), year: 2026 })));
        assert!(!share(&key::serde(&query), &key::serde(&Query { year: 2026, month: None })));
    }

    #[test]
    fn values_agree_with_those_that_are_keys_themselves() {
        assert!(share(&key::serde(&7u8), &7) && share(&key::serde(&-7), &-7) && share(&key::serde("a\"b"), "a\"b"));
        assert!(share(&key::serde(&u64::MAX), &u64::MAX) && share(&key::serde(&true), &true));
        assert!(share(&key::serde(&vec![1, 2]), &[1, 2]));
        assert!(!share(&key::serde(&0.5), &key::serde(&-0.5)) && !share(&key::serde(&1.0), &1));
    }

    #[test]
    fn what_is_empty_or_has_no_text_is_refused() {
        let kind = |outcome: Result<String, anyhow::Error>| {
            outcome.unwrap_err().downcast::<idempotently::Error>().map(|error| error.kind()).ok()
        };
        let refused = Some(ErrorKind::InvalidKey);
        let run = || Ok(String::new());
        assert_eq!(kind(IDENTITY.call(&key::serde(&f64::NAN)).try_run(run)), refused);
        assert_eq!(kind(IDENTITY.call(&key::serde(&f32::NAN)).try_run(run)), refused);
        assert_eq!(kind(IDENTITY.call(&key::serde(&None::<u8>)).try_run(run)), refused);
        assert_eq!(kind(IDENTITY.call(&key::serde("")).try_run(run)), refused);
        assert_eq!(kind(IDENTITY.call(&key::serde(&HashMap::<String, u8>::new())).try_run(run)), refused);
        assert_eq!(
            kind(IDENTITY.call(&key::serde(&HashMap::from([((1, 2), 3)]))).try_run(run)),
            refused,
            "no text for a name"
        );
    }
}

/// Any value that has a text of its own.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Number(i128),
    Truth(bool),
    Letter(char),
    Text(String),
    Bytes(Vec<u8>),
    Tuple(Vec<Value>),
    List(Vec<Value>),
}

impl ToFingerprint for Value {
    fn write(&self, out: &mut Writer<'_>) {
        match self {
            Self::Number(value) => value.write(out),
            Self::Truth(value) => value.write(out),
            Self::Letter(value) => value.write(out),
            Self::Text(value) => value.write(out),
            Self::Bytes(value) => out.bytes(value),
            Self::Tuple(values) => out.sequence(|out| values.iter().for_each(|value| value.write(out))),
            Self::List(values) => values.write(out),
        }
    }
}
impl ToKey for Value {}

fn values() -> impl Strategy<Value = Value> {
    // Few and treacherous, so that two of them come close to each other.
    let text = prop::collection::vec(prop::sample::select(vec!['"', '\\', ',', '(', '1']), 0..4);
    let edges = vec![0, -1, 12, i128::MAX, i128::MIN, i128::from(u64::MAX), i128::from(u64::MAX) + 1];
    let leaf = proptest::prop_oneof![
        6 => prop::sample::select(vec![1, 11, 111]).prop_map(Value::Number),
        2 => prop::sample::select(edges).prop_map(Value::Number),
        1 => any::<bool>().prop_map(Value::Truth),
        2 => prop::sample::select(vec!['"', '\\', ',', '(', '\'', 'x', '€']).prop_map(Value::Letter),
        4 => text.prop_map(|text| Value::Text(text.into_iter().collect())),
        1 => prop::collection::vec(any::<u8>(), 0..3).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let items = prop::collection::vec(inner, 0..3);
        proptest::prop_oneof![items.clone().prop_map(Value::Tuple), items.prop_map(Value::List)]
    })
}

/// The same by way of fingerprints, which any value has, also an empty one.
fn print(value: &Value) -> key::Fingerprint {
    key::Fingerprint::of(value).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn two_values_have_one_text_exactly_when_they_are_equal(values in prop::collection::vec(values(), 40)) {
        let prints: Vec<_> = values.iter().map(print).collect();
        for (one, left) in values.iter().zip(&prints) {
            for (two, right) in values.iter().zip(&prints) {
                prop_assert_eq!(left == right, one == two, "{:?} and {:?}", one, two);
            }
        }
    }

    #[test]
    fn two_strings_share_a_record_exactly_when_they_are_equal(one in "[\"\\\\,a1 ]{1,30}", two in "[\"\\\\,a1 ]{1,30}") {
        prop_assert_eq!(share(&one, &two), one == two);
        prop_assert_eq!(share(&one, &key::display(&one)), true);
        prop_assert_eq!(share(&(&one, &two), &(&two, &one)), one == two);
    }

    #[test]
    fn strings_are_not_run_together(one in "[a-c\"\\\\]{0,4}", two in "[a-c\"\\\\]{0,4}", cut in 0usize..4) {
        let whole = format!("{one}{two}");
        let at = whole.char_indices().map(|(at, _)| at).nth(cut).unwrap_or(0);
        let (left, right) = whole.split_at(at);
        if (left, right) == (&*one, &*two) || whole.is_empty() {
            return Ok(());
        }
        prop_assert_ne!(identity(&(left, right)), identity(&(one.as_str(), two.as_str())));
    }

    #[test]
    fn numbers_of_all_widths_have_the_digits_that_they_are_shown_with(number in any::<i128>(), shift in 0u32..128) {
        let number = number >> shift;
        let written = key::display(&number);
        prop_assert_eq!(print(&Value::Text(number.to_string())) == key::Fingerprint::of(&written).unwrap(), true);
        prop_assert_eq!(agree(&number, &i64::try_from(number).unwrap_or(0)), i64::try_from(number).is_ok() || number == 0);
    }
}
