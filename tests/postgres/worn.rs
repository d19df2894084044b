//! Records that cannot be read, and what stays unharmed beside them.

use crate::support::{claim, complete, completed, granted, open, place, said, schema};
use futures_lite::future::block_on;
use idempotently::store::{Claimed, CompleteRequest, Recorded, Release, Standing, Store};
use std::time::Duration;

#[test]
fn a_record_that_cannot_be_read_is_an_error_and_nothing_else() {
    for damage in [
        "version = 2",
        "state = 9",
        "owner = '\\x00'",
        "owner = NULL",
        "lease_ends = NULL",
        "token = -1",
        "attempt = -1",
        "attempt = 4294967296",
        "fingerprint = '\\x00'",
        "state = 2, outcome = NULL",
        "version = 2, state = 2, outcome = 'x', ends = clock_timestamp() - interval '1 day'",
        "version = 2, lease_ends = clock_timestamp() - interval '1 day'",
        "owner = '\\x00', lease_ends = clock_timestamp() - interval '1 day'",
    ] {
        let (to, bare) = schema();
        let store = open(&to);
        let hold = granted(&store, claim("k", 1));
        assert_eq!(bare.execute(&format!("UPDATE idempotently_record SET {damage}")), 1, "{damage}");
        for owner in [1, 2] {
            let Err(error) = block_on(store.claim(claim("k", owner))) else { panic!("{damage}: it is answered") };
            assert!(error.to_string().contains("not one that this version can read"), "{error}");
        }
        assert!(block_on(store.peek(place("k"))).is_err(), "{damage}");
        let fine = granted(&store, claim("fine", 1));
        assert_eq!(complete(&store, &fine, b"paid"), Recorded::Done);
        if damage.starts_with("version") {
            assert!(
                block_on(store.complete(CompleteRequest::new(hold.clone(), b"late".to_vec()))).is_err(),
                "{damage}"
            );
            assert!(!said(store.release(hold, Release::Free)), "{damage}");
            assert_eq!(said(store.purge(10)), 0, "{damage}");
        }
        assert_eq!(said(store.claim(claim("fine", 2))), completed(b"paid"));
        assert!(said(store.forget(place("k"))) || damage.contains("state = 2"), "{damage}");
        granted(&store, claim("k", 3));
    }
}

#[test]
fn a_purge_goes_on_in_small_steps() {
    let (to, bare) = schema();
    let store = open(&to);
    complete(&store, &granted(&store, claim("for ever", 1)), b"");
    granted(&store, claim("in flight", 1));
    bare.execute(
        "INSERT INTO idempotently_record (scope, key, version, state, token, attempt, ends, outcome)
         SELECT 'tests', 'ended ' || n, 1, 2, 1, 1, clock_timestamp() - interval '1 day', '' FROM generate_series(1, 1200) n",
    );
    assert_eq!(said(store.purge(10)), 10);
    assert_eq!(said(store.purge(5000)), 1190);
    assert_eq!(said(store.purge(5000)), 0);
    assert_eq!(bare.number("SELECT count(*) FROM idempotently_record"), 2);
    assert_eq!(said(store.list("tests".into(), Standing::InFlight, None, 9)).len(), 1);
}

#[test]
fn a_repeated_renewal_of_one_hold_is_one_renewal() {
    let (to, _bare) = schema();
    let store = open(&to);
    let hold = granted(&store, claim("k", 1));
    let stale = idempotently::store::Hold { token: hold.token + 1, ..hold.clone() };
    let renewed = said(store.renew(vec![hold.clone(), stale, hold.clone()], Duration::from_secs(90)));
    assert_eq!(renewed, [true, false, true]);
    assert!(said(store.renew(Vec::new(), Duration::from_secs(9))).is_empty());
    let Claimed::InFlight { remaining } = said(store.claim(claim("k", 2))) else { panic!("it is held") };
    assert!(remaining > Duration::from_secs(80));
}
