//! What outlives a build, as it is written.
//!
//! **A changed line here is a breaking change**: records of earlier builds would be new keys, and what was run once would
//! be run again; another system would take a repeated request for a new one. New lines are welcome. The digests were
//! worked out by another program from what the documentation says (`docs/` and the modules' own), not copied from ours.

use crate::context::{Execution, current};
use crate::key::{Fingerprint, Print, ToFingerprint, ToKey};
use crate::operation::{Call, Operation};
use std::num::NonZeroU32;
use std::sync::Arc;

/// The canonical text that a key is stored under.
fn text(key: &(impl ToKey + ?Sized)) -> String {
    let key = key.key_text().to_key();
    key.map_or_else(|| "refused".to_owned(), |key| key.with_bytes(|text| String::from_utf8_lossy(text).into_owned()))
}

#[test]
fn key_texts() {
    let longest = "k".repeat(198);
    let texts = [
        (text(&0u8), "0"),
        (text(&42u8), "42"),
        (text(&42i64), "42"),
        (text(&-7i8), "-7"),
        (text(&u64::MAX), "18446744073709551615"),
        (text(&u128::MAX), "340282366920938463463374607431768211455"),
        (text(&i128::MIN), "-170141183460469231731687303715884105728"),
        (text(&NonZeroU32::MIN), "1"),
        (text(&true), "true"),
        (text(&false), "false"),
        (text(&'x'), "'x"),
        (text(&'\''), "''"),
        (text("order-7"), r#""order-7""#),
        (text("42"), r#""42""#),
        (text(r#"a "quoted" \ text"#), r#""a \"quoted\" \\ text""#),
        (text("line\nand\0nothing"), "\"line\nand\0nothing\""),
        (text("große 🛗, a string that is not short"), r#""große 🛗, a string that is not short""#),
        (text(&String::from("order-7")), r#""order-7""#),
        (text(&Arc::<str>::from("order-7")), r#""order-7""#),
        (text(&("a", "bc")), r#"("a","bc")"#),
        (text(&("ab", "c")), r#"("ab","c")"#),
        (text(&("shop", 7, ('x', true))), r#"("shop",7,('x,true))"#),
        (text(&(7,)), "(7)"),
        (text(&[1u32, 2]), "[1,2]"),
        (text(&vec!["a", "b"]), r#"["a","b"]"#),
        (text(&[0x00u8, 0xff]), r#"x"00ff""#),
        (text(&crate::key::display(&std::net::Ipv4Addr::LOCALHOST)), r#""127.0.0.1""#),
        (text(longest.as_str()), &format!("\"{longest}\"")),
        (text("k".repeat(199).as_str()), "sha256:d4ec9c0213dc57d2231ab0deab2beb63535bbfa78bab106724dd21453538f029"),
        (text(&("k".repeat(200), 1)), "sha256:80a3df29bf25740eac5ecf9e0edd1d83a1079f5525a7ebd569537c5a30fd7d36"),
    ];
    for (text, golden) in texts {
        assert_eq!(text, golden);
    }
}

#[cfg(feature = "uuid")]
#[test]
fn key_texts_of_uuids() {
    let key = uuid::Uuid::from_u128(0x67e5_5044_10b1_426f_9247_bb68_0e5f_e0c8);
    assert_eq!(text(&key), r#""67e55044-10b1-426f-9247-bb680e5fe0c8""#);
}

#[cfg(feature = "serde")]
#[test]
fn key_texts_of_what_serde_describes() {
    #[derive(serde::Serialize)]
    struct Query<'a> {
        year: u32,
        month: Option<u8>,
        tags: Vec<&'a str>,
        rate: f64,
    }
    let query = Query { year: 2026, month: None, tags: vec!["a", "b"], rate: 1.5 };
    let golden = r#"{"month":_,"rate":~3ff8000000000000,"tags":["a","b"],"year":2026}"#;
    assert_eq!(text(&crate::key::serde(&query)), golden);
    // The same whatever features of `serde_json` other crates switch on.
    assert_eq!(text(&crate::key::serde(&0.1_f64)), "~3fb999999999999a");
    assert_eq!(text(&crate::key::serde(&0.1_f32)), "~3fb99999a0000000");
    assert_eq!(text(&crate::key::serde(&1.0_f32)), "~3ff0000000000000");
    assert_eq!(text(&crate::key::serde(&(u64::MAX, i64::MIN))), "[18446744073709551615,-9223372036854775808]");
    assert_eq!(text(&crate::key::serde(&(7_u128, -7_i128))), "[7,-7]");
    assert_eq!(text(&crate::key::serde(&u128::MAX)), "refused");
    assert_eq!(text(&crate::key::serde(&i128::MIN)), "refused");
    assert_eq!(text(&crate::key::serde(&("a", f64::NAN))), r#"["a",_]"#);
}

/// What is compared when a key is used again.
fn fingerprint(value: &(impl ToFingerprint + ?Sized)) -> String {
    let digest = Fingerprint::of(value).and_then(Print::digest);
    digest.map_or_else(|| "refused".to_owned(), |digest| crate::key::hexadecimal(&digest))
}

#[test]
fn fingerprints() {
    let prints = [
        (fingerprint(&500u32), "0604cd3138feed202ef293e062da2f47"),
        (fingerprint("eur"), "f070e7cef4da1efce737992e09fb3082"),
        (fingerprint(&(500, "eur")), "d8731288478fd3a4fca5c7298b87046c"),
        (fingerprint(&None::<u32>), "d2e2adf7177b7a8afddbc12d1634cf23"),
        (fingerprint(&Some(1)), "b71a80db33fdfadbd3feab9d266acedd"),
        (fingerprint(&Some(Some(1))), "429adabde9521cd9b7c325c1e8f0951b"),
        (fingerprint(&()), "2e38e77b22c314a449e91fafed92a438"),
        (fingerprint(&1.5f64), "ed6873ce02ec3aee2bf176dc821b1c4f"),
        (fingerprint(&1.5f32), "ed6873ce02ec3aee2bf176dc821b1c4f"),
        (fingerprint(&-0.0), "9d85ea756775d74569b97cdf838cb8dd"),
        (fingerprint(&[(1, 2.0), (2, f64::NAN)]), "0345d00fe6a2fbb87423a98cfce08ac9"),
        (fingerprint("k".repeat(1000).as_str()), "4beeb3c66ac7af79ccaf639a642b45c6"),
        (fingerprint(&[0x00u8, 0xff]), "77a9f1018d9b2c0112c6a50d0ce49efb"),
        (fingerprint(&[0u32; 0]), "4f53cda18c2baa0c0354bb5f9a3ecbe5"),
    ];
    for (print, golden) in prints {
        assert_eq!(print, golden);
    }
}

/// What is handed to other systems in the name of a key.
fn downstream(call: Call<'_>, systems: &[&str]) -> Vec<String> {
    let keys = |execution: Execution| systems.iter().map(|system| execution.downstream_key(system)).collect();
    call.run(|| current().map(keys)).ok().flatten().unwrap_or_default()
}

#[test]
fn downstream_keys() {
    static CHARGE: Operation = Operation::new("payments.charge");
    static REFUND: Operation = Operation::new("payments.refund");
    let both = ["13e4a535c7be8e26bfc0542ee162d46e", "57bd6b55a675ee5e5596ea9083b1d060"];
    assert_eq!(downstream(CHARGE.call(&7), &["stripe", "bank"]), both);
    assert_eq!(downstream(REFUND.call(&7), &["stripe"]), ["941f90abaf0228f34a52dd94d9d0465b"]);
    assert_eq!(downstream(CHARGE.call("7"), &["stripe"]), ["dd602aa8dbf5a4a1f9ea7547a9d20157"]);
    assert_eq!(downstream(CHARGE.call(&("shop", 7)), &[""]), ["8ef52d1060e4c8eb217ab681e95d3963"]);
    let long = "k".repeat(199);
    assert_eq!(downstream(CHARGE.call(long.as_str()), &["stripe"]), ["680c41d8ef2d272d6cfa8e7da7ac72b2"]);
}

#[cfg(feature = "durable")]
mod outcomes {
    use crate::codec::{decode, record, tombstone};
    use serde::{Deserialize, Serialize};
    use std::collections::BTreeMap;
    use std::fmt::Debug;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Receipt {
        id: String,
        cents: u64,
        note: Option<String>,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    enum Lift {
        Comes,
        Broken { since: u32 },
        Floors(u8, u8),
    }

    /// Today's bytes are the golden ones, and the golden ones are read as today's value.
    #[track_caller]
    fn same<T: Serialize + for<'de> Deserialize<'de> + PartialEq + Debug>(value: &T, golden: &[u8]) {
        assert_eq!(String::from_utf8_lossy(&record(value, 1024, "golden")), String::from_utf8_lossy(golden));
        assert!(matches!(decode::<T>(golden), Ok(read) if read == *value), "{value:?} is not read from its bytes");
    }

    #[test]
    fn outcomes() {
        same(&(), b"\x01vnull");
        same(&7u64, b"\x01v7");
        same(&-1.5f64, b"\x01v-1.5");
        same(&u64::MAX, b"\x01v18446744073709551615");
        same(&String::from("große \"🛗\"\n"), "\u{1}v\"große \\\"🛗\\\"\\n\"".as_bytes());
        same(&Some(vec![1, 2]), b"\x01v[1,2]");
        same(&None::<u8>, b"\x01vnull");
        same(&(true, 'x'), b"\x01v[true,\"x\"]");
        let map = BTreeMap::from([("b".to_owned(), 1), ("a".to_owned(), 2)]);
        same(&map, b"\x01v{\"a\":2,\"b\":1}");
        let receipt = Receipt { id: "r-1".into(), cents: 500, note: None };
        same(&receipt, b"\x01v{\"id\":\"r-1\",\"cents\":500,\"note\":null}");
        same(&Lift::Comes, b"\x01v\"Comes\"");
        same(&Lift::Broken { since: 7 }, b"\x01v{\"Broken\":{\"since\":7}}");
        same(&Lift::Floors(1, 2), b"\x01v{\"Floors\":[1,2]}");
        same(&Ok::<Receipt, Lift>(receipt), b"\x01v{\"Ok\":{\"id\":\"r-1\",\"cents\":500,\"note\":null}}");
        same(&Err::<Receipt, Lift>(Lift::Comes), b"\x01v{\"Err\":\"Comes\"}");
        assert_eq!(tombstone(), b"\x01t");
    }

    /// A field that is not there yet may be left out, and one that is gone is passed over.
    #[test]
    fn fields_may_come_and_go() {
        let read = decode::<Receipt>(b"\x01v{\"id\":\"r-1\",\"cents\":500,\"gone\":true}");
        assert!(matches!(read, Ok(Receipt { note: None, cents: 500, .. })), "{read:?}");
    }
}
