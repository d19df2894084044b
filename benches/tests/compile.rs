//! The crates that the compile benchmark builds can be built, without the network.

use idempotent_benches::compile;
use idempotent_benches::options::Options;

fn measure(arguments: &[&str]) -> String {
    let options = Options::of(arguments.iter().map(|argument| (*argument).to_owned()));
    let mut shown = String::new();
    let measured = compile::measure(&options, |table| shown.push_str(&table.to_string()));
    assert!(measured.is_ok(), "{measured:?}");
    shown
}

#[test]
fn the_crates_resolve_and_are_few() {
    let table = measure(&["--quick", "crates"]);
    assert!(table.contains("idempotently") && !table.contains("MISSED"), "{table}");
}

#[test]
#[ignore = "compiles the peers anew three times, which takes a minute"]
fn the_crates_can_be_built() {
    let tables = measure(&["--quick"]);
    assert_eq!(tables.matches("sync  ").count(), 6, "{tables}");
}
