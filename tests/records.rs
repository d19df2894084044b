//! What an operator does with the records of a program that is gone: on every store.

#![cfg(feature = "durable")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use idempotently::store::{Place, Standing};
use idempotently::{Error, ErrorKind, OnInterruption, Operation, Records, Retention, SharedStore};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

static CHARGE: Operation = Operation::new("records.charge").interrupted(OnInterruption::Fail);

const KEYS: [&str; 4] = ["pay_1", "pay_2", "pay_3", "pay_4"];

fn charge(store: &SharedStore, key: &str) -> Result<u64, Error> {
    CHARGE.call(key).store(store).try_run(|| Ok(1))
}

fn places(records: &Records, scope: &str) -> Vec<Place> {
    let listed = records.list(scope, Standing::Interrupted, None, 10).unwrap();
    listed.into_iter().map(|seen| seen.place).collect()
}

/// Who looks after the records knows the name of the scope, and neither the operation nor the type of its keys.
fn what_is_listed_can_be_settled(store: &SharedStore) {
    for key in KEYS {
        let dies = || CHARGE.call(key).store(store).try_run(|| -> Result<u64, Error> { panic!("on purpose") });
        assert!(catch_unwind(AssertUnwindSafe(dies)).is_err());
        assert_eq!(charge(store, key).unwrap_err().kind(), ErrorKind::Interrupted);
    }
    let (records, scope) = (Records::of(store), String::from("records.charge"));
    let interrupted = places(&records, &scope);
    let [first, second, third, fourth] = interrupted.as_slice() else { panic!("{interrupted:?}") };
    assert!(records.resolve_at(first, &500_u64, Retention::Forever).unwrap());
    assert!(records.forget_at(second).unwrap());
    assert_eq!(places(&records, &scope), [third.clone(), fourth.clone()]);
    assert_eq!((charge(store, KEYS[0]).unwrap(), charge(store, KEYS[1]).unwrap()), (500, 1));
    assert!(!records.resolve_at(first, &700_u64, Retention::Forever).unwrap(), "it is not interrupted any more");
    assert!(records.forget_at(first).unwrap() && !records.forget_at(first).unwrap());

    let without_json = HashMap::from([((1, 2), 3)]);
    let refused = records.resolve_at(third, &without_json, Retention::Forever).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Codec);
    let refused = records.resolve(&scope, KEYS[3], &without_json, Retention::Forever).unwrap_err();
    assert_eq!((refused.kind(), refused.operation()), (ErrorKind::Codec, "idempotently::Records::resolve"));
    assert_eq!(places(&records, &scope), [third.clone(), fourth.clone()]);
}

#[test]
fn in_memory() {
    what_is_listed_can_be_settled(&idempotently::connect("memory:").unwrap());
}

#[cfg(feature = "sqlite")]
#[test]
fn in_a_file() {
    let folder = std::env::temp_dir().join(format!("idempotently-records-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let url = format!("sqlite:{}", folder.join("records.db").display());
    let settled = catch_unwind(|| what_is_listed_can_be_settled(&idempotently::connect(&url).unwrap()));
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(settled.is_ok());
}

#[cfg(feature = "postgres")]
#[test]
fn in_postgres() {
    let server = idempotent_servers::Postgres::start().unwrap();
    what_is_listed_can_be_settled(&idempotently::connect(&server.url()).unwrap());
}

#[cfg(feature = "redis")]
#[test]
fn in_redis() {
    let server = idempotent_servers::Redis::start().unwrap();
    what_is_listed_can_be_settled(&idempotently::connect(&server.url()).unwrap());
}

#[test]
fn an_error_at_the_desk_says_nothing_of_a_body() {
    let error = idempotently::connect("redis+nothing:").unwrap_err();
    assert!(!error.to_string().contains("body"), "{error}");
    let records = Records::of(&idempotently::connect("memory:").unwrap());
    let error = records.peek("records.charge", "").unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::InvalidKey, "idempotently::Records::peek"));
}
