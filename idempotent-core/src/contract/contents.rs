//! What keys and outcomes are made of.

use super::Subject;
use super::case::{Case, claim_of};
use crate::store::{Claimed, Place, Recorded, Standing};

/// Texts that were trouble somewhere: to a query, a pattern, a path, a column, or a comparison.
fn texts() -> Vec<String> {
    let plain = [
        "1",
        "01",
        "\"1\"",
        "a",
        "A",
        "a ",
        " a",
        "'; drop table records; --",
        "\"quoted \\\" and \\\\\"",
        "'single'",
        "`back`",
        "%",
        "_",
        "*",
        "?",
        "$1",
        ":key",
        "{key}",
        "[a]",
        "a/b/../c",
        "a:b",
        "a\\b",
        "a\tb\r\nc",
        "a\0b",
        "a\0",
        "null",
        "NULL",
        "ä",
        "a\u{308}",
        "ß",
        "ss",
        "İ",
        "漢字",
        "🛗🛗",
        "\u{feff}a",
        "\u{202e}a",
        "\u{10ffff}",
        "\u{7f}\u{1}",
    ];
    // No longer text is ever written: a longer key becomes a digest.
    plain
        .into_iter()
        .map(str::to_owned)
        .chain([199, 200].map(|length| "k".repeat(length)))
        .chain(["漢".repeat(66)])
        .collect()
}

/// Every text is a key, and no two texts are the same key.
pub fn a_key_may_be_any_text(subject: &dyn Subject) {
    let case = Case::new(subject);
    let texts = texts();
    let holds: Vec<_> = texts.iter().map(|text| case.here.hold(&case.claim(text))).collect();
    for (text, hold) in texts.iter().zip(&holds) {
        assert_eq!(case.there.complete(hold, text.as_bytes(), None), Recorded::Done, "{text:?}");
    }
    for text in &texts {
        let replayed = Claimed::Completed { outcome: text.as_bytes().to_vec() };
        assert_eq!(case.here.claim(&case.claim(text)), replayed, "{text:?}");
    }
    let mut listed: Vec<String> = Vec::new();
    for seen in case.there.list(&case.scope(), Standing::Completed, None, texts.len() * 2) {
        assert_eq!(seen.outcome.as_deref(), Some(seen.place.key.as_bytes()), "{:?}", seen.place.key);
        listed.push(seen.place.key.to_string());
    }
    let mut sorted = texts;
    sorted.sort_unstable();
    assert_eq!(listed, sorted);
}

/// A key belongs to its scope, however the two are written next to each other.
pub fn scopes_do_not_mix(subject: &dyn Subject) {
    let case = Case::new(subject);
    let scope = case.scope();
    let places: Vec<Place> = ["", ".", ":", "/", "\0", "a", "a:", "ä", "A", "%"]
        .into_iter()
        .flat_map(|end| {
            let scope = format!("{scope}{end}");
            ["b", ":b", "a:b", "/b", ".b", "\0b", "%"]
                .map(|key| Place { scope: scope.as_str().into(), key: key.into() })
        })
        .collect();
    let name = |place: &Place| format!("{:?} in {:?}", place.key, place.scope).into_bytes();
    for place in &places {
        let hold = case.here.hold(&claim_of(place.clone()));
        assert_eq!(case.here.complete(&hold, &name(place), None), Recorded::Done);
    }
    for place in &places {
        let seen = case.there.peek(place).and_then(|seen| seen.outcome);
        assert_eq!(seen, Some(name(place)));
        assert_eq!(case.here.list(&place.scope, Standing::Completed, None, 100).len(), 7, "in {:?}", place.scope);
    }
    assert!(case.there.forget(&places[0]));
    for place in &places[1..] {
        assert!(case.here.forget(place), "{:?} went with another", place.scope);
    }
}

/// An outcome comes back as it was, also with nothing in it, with every byte there is, and with a mebibyte of them.
pub fn an_outcome_may_be_any_bytes(subject: &dyn Subject) {
    let case = Case::new(subject);
    let every: Vec<u8> = (0..=u8::MAX).collect();
    let large: Vec<u8> = every.iter().copied().cycle().take(1 << 20).collect();
    for (key, outcome) in [("nothing", vec![]), ("zero", vec![0]), ("every", every), ("large", large)] {
        let hold = case.completed(key, &outcome);
        let is_whole = |found: Option<&Vec<u8>>| assert!(found == Some(&outcome), "{key} is not what was recorded");
        match case.there.claim(&case.claim(key)) {
            Claimed::Completed { outcome } => is_whole(Some(&outcome)),
            _ => panic!("{key} is not replayed"),
        }
        is_whole(case.here.peek(&hold.place).and_then(|seen| seen.outcome).as_ref());
        let stopped = case.interrupted(&format!("{key}, by hand"));
        assert!(case.here.resolve(&stopped.place, &outcome, None), "{key}");
        is_whole(case.there.peek(&stopped.place).and_then(|seen| seen.outcome).as_ref());
    }
}
