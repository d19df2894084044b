//! What must not compile says why at the word to change; what must compile does.

#![cfg(feature = "macros")]

/// Rewritten with `TRYBUILD=overwrite`; the expected texts are those of the toolchain in `rust-version`.
#[cfg(feature = "tokio")]
#[test]
fn every_mistake_is_shown_where_it_is_and_every_kind_of_function_compiles() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}

#[cfg(not(feature = "tokio"))]
#[test]
fn what_needs_a_feature_names_it() {
    trybuild::TestCases::new().compile_fail("tests/ui/no_tokio/*.rs");
}
