//! What must not compile says why at the word to change; what must compile does.

#![cfg(feature = "macros")]

/// Rewritten with `TRYBUILD=overwrite`; the expected texts are those of the toolchain in `rust-version`, without the clients
/// of servers: they know other types that are called `String`, so that the compiler writes the paths of all.
#[cfg(all(feature = "tokio", feature = "durable", not(feature = "postgres"), not(feature = "redis")))]
#[test]
fn every_mistake_is_shown_where_it_is_and_every_kind_of_function_compiles() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}

#[cfg(not(feature = "tokio"))]
#[test]
fn what_needs_tokio_names_it() {
    trybuild::TestCases::new().compile_fail("tests/ui/no_tokio/*.rs");
}

/// With the clients of databases.
#[cfg(all(feature = "postgres", feature = "sqlx-sqlite"))]
#[test]
fn what_is_wrong_about_a_transaction_is_shown_where_it_is() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/transactions/*.rs");
    cases.pass("tests/ui/transactions/pass/*.rs");
}

#[cfg(not(any(feature = "postgres", feature = "sqlx-sqlite")))]
#[test]
fn what_needs_a_database_names_it() {
    trybuild::TestCases::new().compile_fail("tests/ui/no_transactions/*.rs");
}

#[cfg(not(feature = "durable"))]
#[test]
fn what_needs_a_store_names_it() {
    trybuild::TestCases::new().compile_fail("tests/ui/no_durable/*.rs");
}
