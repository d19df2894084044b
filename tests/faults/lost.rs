//! Answers of a server that are lost on their way, at every byte: what was asked is done, and who asked is not told.

#![cfg(any(feature = "postgres", feature = "redis"))]

use crate::stores::{Remote, fresh_key};
use idempotent_servers::Proxy;
use idempotently::store::Standing;
use idempotently::{Error, OnInterruption, Operation, Records, connect};
use std::cell::Cell;

static LOST: Operation = Operation::new("faults.lost").interrupted(OnInterruption::Fail);

/// Both answers of a call, to its claim and to its outcome, are shorter than this together.
const ENOUGH: usize = 4_096;

fn an_answer_that_is_lost_at_any_byte_neither_repeats_nor_loses_a_body(records: &impl Remote, step: usize) {
    let proxy = Proxy::to(records.port()).unwrap();
    let store = connect(&records.url_by(proxy.port())).unwrap();
    let bodies = Cell::new(0);
    let call = |key: &str| {
        let body = || {
            bodies.set(bodies.get() + 1);
            Ok::<_, Error>(format!("charged {key}"))
        };
        LOST.call(key).store(&store).try_run(body)
    };
    call(&fresh_key()).unwrap();
    let mut lost = 0;
    for bytes in (0..ENOUGH).step_by(step) {
        let key = fresh_key();
        bodies.set(0);
        let (lost_before, charged) = (proxy.lost(), format!("charged {key}"));
        proxy.drop_replies_after(bytes);
        assert_eq!(call(&key).unwrap(), charged, "after {bytes} bytes");
        assert_eq!(bodies.get(), 1, "after {bytes} bytes");
        proxy.heal();
        assert_eq!(call(&key).unwrap(), charged, "after {bytes} bytes");
        assert_eq!((bodies.get(), store.unrecorded()), (1, 0), "after {bytes} bytes");
        if proxy.lost() == lost_before {
            break;
        }
        lost += 1;
    }
    // It ended because a call was over before so much was answered, and not before both of its answers were lost.
    assert!(lost > 10 && lost < ENOUGH / step, "{lost} answers were lost");
    assert!(Records::of(&store).list("faults.lost", Standing::InFlight, None, 10).unwrap().is_empty());
}

#[cfg(feature = "postgres")]
#[test]
fn postgres() {
    // Its answers are long; seven is no part of any length that matters.
    an_answer_that_is_lost_at_any_byte_neither_repeats_nor_loses_a_body(&crate::stores::Postgres, 7);
}

#[cfg(feature = "redis")]
#[test]
fn redis() {
    an_answer_that_is_lost_at_any_byte_neither_repeats_nor_loses_a_body(&crate::stores::Redis, 1);
}
