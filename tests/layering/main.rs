//! The house holds: a room knows only what is below it, and the files are as `CONTRIBUTING.md` says.

mod house;
mod source;

use std::path::{Path, PathBuf};

use house::House;

/// The rooms of `idempotent-core`, floor by floor.
const FLOORS: [&[&str]; 9] = [
    &["random", "scopes", "serializer", "span", "sync"],
    &["clock", "error", "key", "observe", "policy", "underway"],
    &["blocking", "context", "flight", "record", "report"],
    &["codec", "table"],
    &["store"],
    &["backend", "contract", "lease", "outcome", "realm"],
    &["engine", "installed", "transaction"],
    &["operation", "records", "shutdown", "testing"],
    &["__private", "golden", "http"],
];

/// All that the root of the macros may define.
const ENTRY_POINTS: [&str; 3] = ["proc_macro", "proc_macro_attribute", "proc_macro_derive"];

fn at(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

fn assert_none(complaints: impl IntoIterator<Item = String>) {
    let complaints: Vec<String> = complaints.into_iter().collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn every_room_of_the_core_knows_only_floors_below() {
    let core = House::read(&at("idempotent-core/src"));
    assert_none(core.off_the_floors(&FLOORS));
    assert_none(core.defined_in_the_root(&[]));
    assert_none(core.bad_habits());
}

/// The files of the core that know each other in a circle, still: a circle that is not here is a mistake, and so is one that
/// is here and no longer there.
const KNOWN_CIRCLES: [&str; 5] = [
    "backend::redis::connection, backend::redis::doubt, backend::redis::ledger, backend::redis::row, \
     backend::redis::watch",
    "engine::asking, engine::errand",
    "http::admission, http::handler, http::service, http::settings",
    "http::problem, http::stored",
    "key::short, key::text, key::writer",
];

#[test]
fn no_other_files_know_each_other_in_a_circle() {
    assert_eq!(House::read(&at("idempotent-core/src")).circles_of_files(), KNOWN_CIRCLES);
}

#[test]
fn every_event_has_the_target_that_is_documented() {
    assert_none(House::read(&at("idempotent-core/src")).without_the_target());
}

/// Ids that two processes share would let two bodies run at once.
#[test]
fn random_numbers_come_from_the_operating_system() {
    let core = House::read(&at("idempotent-core/src"));
    assert_eq!(core.guesses(), ["random.rs"], "use `crate::random`");
}

#[test]
fn the_macros_know_each_other_in_one_direction() {
    let macros = House::read(&at("idempotent-macros/src"));
    assert_none(macros.circles());
    assert_none(macros.defined_in_the_root(&ENTRY_POINTS));
    assert_none(macros.bad_habits());
}

#[test]
fn the_facade_defines_nothing() {
    let facade = House::read(&at("src"));
    assert_none(facade.defined_in_the_root(&[]));
    assert_none(facade.bad_habits());
}

#[test]
fn every_function_fits_on_a_screen() {
    for folder in ["src", "idempotent-core", "idempotent-macros", "xtask", "examples", "tests", "benches"] {
        assert_none(source::below(&at(folder)).iter().flat_map(source::Source::long_functions));
    }
}
