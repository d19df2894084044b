//! What is opened, and what is refused.

use super::{Folder, LEASE, claim, complete, completed, granted, place, quick};
use crate::backend::sqlite::options::{Target, parse};
use crate::backend::sqlite::{SqliteOptions, SqliteStore, Synchronous, schema};
use crate::clock::{ManualClock, WallClock};
use crate::store::{Claimed, Hold, Recorded, Standing, Store, StoreError};
use futures_lite::future::block_on;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::sync::Arc;
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
    for version in ["3", "0", "-1"] {
        let sql = format!("UPDATE idempotently_store SET version = {version}");
        assert_eq!(folder.bare().execute(&sql, []), Ok(1));
        assert!(refused(SqliteStore::open(folder.file())).contains("of a version that this library does not know"));
    }
    assert_eq!(folder.bare().execute("DELETE FROM idempotently_store", []), Ok(1));
    assert!(refused(SqliteStore::open(folder.file())).contains("of a version that this library does not know"));
}

/// The tables of version 1, with a record of each kind.
const EARLIER: &str = "
CREATE TABLE idempotently_store (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL,
    last_token INTEGER NOT NULL) STRICT;
CREATE TABLE idempotently_never (one INTEGER PRIMARY KEY CHECK (one IS NULL)) STRICT;
CREATE TABLE idempotently_record (id INTEGER PRIMARY KEY, scope TEXT NOT NULL, key TEXT NOT NULL,
    state INTEGER NOT NULL, token INTEGER NOT NULL, attempt INTEGER NOT NULL, ends INTEGER, owner BLOB,
    fingerprint BLOB, outcome BLOB,
    unfinished INTEGER REFERENCES idempotently_never (one) DEFERRABLE INITIALLY DEFERRED) STRICT;
CREATE UNIQUE INDEX idempotently_record_place ON idempotently_record (scope, key);
CREATE INDEX idempotently_record_open ON idempotently_record (scope, state, key) WHERE state <> 2;
CREATE INDEX idempotently_record_ends ON idempotently_record (ends) WHERE state = 2 AND ends IS NOT NULL;
INSERT INTO idempotently_store VALUES (1, 1, 14);
INSERT INTO idempotently_record (scope, key, state, token, attempt, ends, owner, outcome) VALUES
    ('tests', 'runs', 1, 11, 1, 1700000030000000, x'01010101010101010101010101010101', NULL),
    ('tests', 'ran', 1, 12, 1, 1700000000000000, x'01010101010101010101010101010101', NULL),
    ('tests', 'done', 2, 13, 1, NULL, NULL, x'70616964'),
    ('tests', 'unknown', 3, 14, 1, NULL, NULL, NULL);
";

#[test]
fn a_file_of_the_version_before_is_upgraded_with_its_records() {
    let opened: [fn(&Folder, &Arc<ManualClock>) -> SqliteStore; 2] = [Folder::open_with_clock, |folder, clock| {
        folder.bare().execute_batch(SqliteStore::schema_sql()).expect("a migration upgrades it too");
        folder.open_with_clock(clock)
    }];
    for open in opened {
        let folder = Folder::new();
        folder.bare().execute_batch(EARLIER).expect("the earlier tables");
        let clock = Arc::new(ManualClock::default());
        let store = open(&folder, &clock);
        let version: i64 =
            folder.bare().query_row("SELECT version FROM idempotently_store", [], |row| row.get(0)).expect("a version");
        assert_eq!(version, 2);
        let asked = |key| block_on(store.claim(claim(key, 2))).expect("an answer");
        assert_eq!(asked("runs"), Claimed::InFlight { remaining: LEASE });
        assert_eq!(asked("ran"), Claimed::Granted { token: 15, attempt: 2 });
        assert_eq!(asked("done"), completed(b"paid"));
        assert_eq!(asked("unknown"), Claimed::Interrupted);
        let listed = block_on(store.list("tests".into(), Standing::InFlight, None, 9)).expect("a page");
        assert_eq!(listed.len(), 2);
        // Its holder may still run, and renews and records as before.
        let held = Hold { place: place("runs"), token: 11 };
        clock.advance(LEASE / 2);
        assert_eq!(block_on(store.renew(vec![held.clone()], LEASE)).expect("an answer"), [true]);
        assert_eq!(asked("runs"), Claimed::InFlight { remaining: LEASE });
        assert_eq!(complete(&store, &held, b"late"), Recorded::Done);
        assert_eq!(asked("runs"), completed(b"late"));
        drop(store);
        assert_eq!(
            block_on(folder.open_with_clock(&clock).claim(claim("runs", 3))).expect("an answer"),
            completed(b"late")
        );
    }
}

#[test]
fn leases_of_another_boot_are_over_and_outcomes_stay() {
    let folder = Folder::new();
    let clock = Arc::new(ManualClock::default());
    let boot = |id| {
        let path = folder.file();
        let path = path.to_str().expect("a path in UTF-8");
        SqliteStore::with_clock(path, &quick(), WallClock::manual_in_boot(clock.clone(), [id; 16])).expect("a store")
    };
    let before = boot(1);
    granted(&before, claim("runs", 1));
    complete(&before, &granted(&before, claim("done", 1)), b"paid");
    assert!(matches!(block_on(boot(1).claim(claim("runs", 2))), Ok(Claimed::InFlight { remaining: LEASE })));
    let after = boot(2);
    assert!(matches!(block_on(after.claim(claim("runs", 2))), Ok(Claimed::Granted { attempt: 2, .. })));
    assert_eq!(block_on(after.claim(claim("done", 2))).expect("an answer"), completed(b"paid"));
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
