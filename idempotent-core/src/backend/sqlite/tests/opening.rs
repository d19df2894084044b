//! What is opened, and what is refused.

use super::{Folder, claim, granted, quick};
use crate::backend::sqlite::options::{Target, parse};
use crate::backend::sqlite::{SqliteOptions, SqliteStore, Synchronous, schema};
use crate::store::{Store, StoreError};
use futures_lite::future::block_on;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::thread;

fn refused(opened: Result<SqliteStore, StoreError>) -> String {
    opened.expect_err("it is refused").to_string()
}

#[test]
fn what_cannot_be_opened_says_what_to_do() {
    let folder = Folder::new();
    let missing = folder.0.join("missing/records.db");
    assert_eq!(refused(SqliteStore::open(missing)), "the folder of the SQLite file does not exist; create it");
    assert_eq!(refused(SqliteStore::open("")), "the SQLite file has no name; name one");
    let letter = folder.0.join("letter.txt");
    std::fs::write(&letter, "Dear reader, this is no database. ".repeat(100)).expect("a file");
    assert_eq!(refused(SqliteStore::open(letter)), "the file is not an SQLite database; name another one");
    assert!(refused(SqliteStore::open(&folder.0)).contains("cannot be opened"));
}

#[test]
fn a_file_that_cannot_be_written_is_refused() {
    let folder = Folder::new();
    drop(folder.open());
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = Connection::open_with_flags(folder.file(), flags).expect("the file opens");
    let error = schema::set_up(&connection, &quick()).expect_err("it is refused");
    assert!(error.to_string().contains("cannot be written"), "{error}");
}

#[test]
fn tables_of_a_later_version_are_refused_and_left_alone() {
    let folder = Folder::new();
    drop(folder.open());
    for version in ["2", "0", "-1"] {
        let sql = format!("UPDATE idempotently_store SET version = {version}");
        assert_eq!(folder.bare().execute(&sql, []), Ok(1));
        assert!(refused(SqliteStore::open(folder.file())).contains("of a version that this library does not know"));
    }
    assert_eq!(folder.bare().execute("DELETE FROM idempotently_store", []), Ok(1));
    assert!(refused(SqliteStore::open(folder.file())).contains("of a version that this library does not know"));
}

#[test]
fn a_file_that_stays_locked_is_refused() {
    let folder = Folder::new();
    let other = folder.bare();
    other.execute_batch("BEGIN EXCLUSIVE").expect("a transaction");
    let options = SqliteOptions::new().busy_timeout(std::time::Duration::from_millis(20));
    assert!(refused(SqliteStore::open_with(folder.file(), &options)).contains("busy_timeout"));
}

#[test]
fn the_tables_can_be_created_by_a_migration_and_stand_beside_others() {
    let folder = Folder::new();
    let application = folder.bare();
    application.execute_batch("CREATE TABLE accounts (id); PRAGMA user_version = 77").expect("the application's own");
    for _ in 0..2 {
        application.execute_batch(SqliteStore::schema_sql()).expect("the schema");
    }
    granted(&folder.open(), claim("k", 1));
    application.execute_batch(SqliteStore::schema_sql()).expect("the schema, again");
    let token: u64 = granted(&folder.open(), claim("l", 1)).token;
    assert_eq!(token, 2);
    let version: u32 = application.query_row("PRAGMA user_version", [], |row| row.get(0)).expect("a number");
    assert_eq!(version, 77);
}

#[test]
fn many_open_a_new_file_at_once() {
    for _ in 0..5 {
        let folder = Folder::new();
        let mut tokens: Vec<u64> = thread::scope(|scope| {
            let folder = &folder;
            let openers: Vec<_> = (0..8)
                .map(|index: u8| scope.spawn(move || granted(&folder.open(), claim(&index.to_string(), index)).token))
                .collect();
            openers.into_iter().map(|opener| opener.join().expect("it opens")).collect()
        });
        tokens.sort_unstable();
        assert_eq!(tokens, [1, 2, 3, 4, 5, 6, 7, 8]);
    }
}

#[test]
fn a_commit_waits_for_the_disk_unless_told_otherwise() {
    let folder = Folder::new();
    for (options, expected) in [(SqliteOptions::new(), 2), (quick(), 1)] {
        let connection = schema::open(&folder.file(), &options).expect("the file opens");
        let synchronous: u8 = connection.query_row("PRAGMA synchronous", [], |row| row.get(0)).expect("a number");
        assert_eq!(synchronous, expected);
    }
}

#[test]
fn a_url_names_a_file_or_memory() {
    let file = |path: &str| Target::File(path.into());
    for (url, expected) in [
        ("sqlite:records.db", file("records.db")),
        ("sqlite://records.db", file("records.db")),
        ("sqlite:///var/lib/records.db?mode=rwc", file("/var/lib/records.db")),
        ("sqlite:my%20records%25.db", file("my records%.db")),
        ("sqlite::memory:", Target::Memory),
        ("sqlite://:memory:", Target::Memory),
    ] {
        assert_eq!(parse(url).expect(url), (expected, SqliteOptions::new()));
    }
    let (_, options) = parse("sqlite:r.db?synchronous=normal&mode=rwc").expect("a URL");
    assert_eq!(options, SqliteOptions::new().synchronous(Synchronous::Normal));
    for url in ["postgres://host", "records.db", "sqlite:a?fast=yes", "sqlite:a%2", "sqlite:a%zz", "sqlite:%ff"] {
        parse(url).expect_err(url);
    }
}

#[test]
fn a_store_in_memory_is_its_clones_alone() {
    let store = SqliteStore::from_url("sqlite::memory:").expect("a store");
    let hold = granted(&store.clone(), claim("k", 1));
    assert!(block_on(store.release(hold, crate::store::Release::Free)).expect("an answer"));
    granted(&SqliteStore::open(Path::new(":memory:")).expect("a store"), claim("k", 1));
    granted(&SqliteStore::in_memory().expect("a store"), claim("k", 1));
    assert_eq!(format!("{store:?}"), "SqliteStore { file: None, .. }");
}
