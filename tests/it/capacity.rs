//! A bound on how many records are kept.

use crate::support::{guarded, now, panic_of, pending, poke};
use idempotently::{Error, ErrorKind, Operation};
use std::future::pending as never;
use std::sync::Barrier;
use std::thread;

fn call(operation: &Operation, key: u32) -> Result<u32, ErrorKind> {
    operation.call(&key).try_run(|| Ok::<_, Error>(key)).map_err(|error| error.kind())
}

#[test]
fn new_keys_are_refused_when_it_is_full_and_known_ones_are_answered() {
    static OPERATION: Operation = Operation::new("capacity.full").capacity(3);
    for key in 0..3 {
        assert_eq!(call(&OPERATION, key), Ok(key));
    }
    assert_eq!(call(&OPERATION, 3), Err(ErrorKind::Full));
    assert_eq!(call(&OPERATION, 3), Err(ErrorKind::Full));
    assert_eq!(call(&OPERATION, 2), Ok(2));
    assert_eq!(OPERATION.len(), 3);
    assert!(OPERATION.forget(&0u32));
    assert_eq!(call(&OPERATION, 3), Ok(3));
    assert_eq!(call(&OPERATION, 0), Err(ErrorKind::Full));
    assert_eq!(OPERATION.clear(), 3);
    for key in 10..13 {
        assert_eq!(call(&OPERATION, key), Ok(key));
    }
    assert_eq!(call(&OPERATION, 13), Err(ErrorKind::Full));
}

#[test]
fn executions_in_flight_count_and_free_their_place_however_they_end() {
    static OPERATION: Operation = Operation::new("capacity.flights").capacity(1);
    for _ in 0..10 {
        let mut flight = Box::pin(OPERATION.call(&1u32).run_async(never::<u32>));
        pending(&mut flight);
        assert_eq!(call(&OPERATION, 2), Err(ErrorKind::Full));
        drop(flight);
        let failed =
            OPERATION.call(&3u32).try_run(|| now(OPERATION.call("").try_run_async(async || Ok::<u32, Error>(1))));
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::InvalidKey);
        assert_eq!(
            panic_of(|| OPERATION.call(&4u32).try_run(|| panic!("on purpose") as Result<u32, Error>)),
            "on purpose"
        );
        let mut flight = Box::pin(OPERATION.call(&1u32).run_async(never::<u32>));
        pending(&mut flight);
        OPERATION.forget(&1u32);
        assert_eq!(call(&OPERATION, 2), Err(ErrorKind::Full), "forgotten, and still running");
        drop(flight);
        assert_eq!(call(&OPERATION, 5), Ok(5));
        assert!(OPERATION.forget(&5u32));
    }
}

#[test]
#[should_panic(expected = "a capacity of zero refuses every call")]
fn none_at_all_is_refused() {
    let _ = Operation::new("capacity.none").capacity(std::hint::black_box(0));
}

#[test]
fn the_count_is_exact_after_races() {
    static OPERATION: Operation = Operation::new("capacity.races").capacity(50);
    guarded(|| {
        let barrier = Barrier::new(8);
        thread::scope(|scope| {
            for thread in 0..8u32 {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    for round in 0..10_000u32 {
                        let key = (round.wrapping_mul(2_654_435_761).rotate_left(thread)) % 80;
                        match round % 5 {
                            0 => drop(OPERATION.forget(&key)),
                            1 => drop(
                                OPERATION.call(&key).try_run(|| OPERATION.call("").try_run(|| Ok::<_, Error>(1u32))),
                            ),
                            2 => drop(poke(&mut Box::pin(OPERATION.call(&key).run_async(never::<u32>)))),
                            _ => drop(call(&OPERATION, key)),
                        }
                    }
                });
            }
        });
        OPERATION.clear();
        assert!(OPERATION.is_empty());
        for key in 1000..1050 {
            assert_eq!(call(&OPERATION, key), Ok(key), "a place was lost");
        }
        assert_eq!(call(&OPERATION, 1050), Err(ErrorKind::Full), "a place was won");
    });
}

#[cfg(feature = "testing")]
#[test]
fn what_has_expired_makes_room() {
    static OPERATION: Operation = Operation::new("capacity.expired").capacity(100);
    let test = idempotently::testing::isolate();
    for round in 0..5u32 {
        for key in 0..100 {
            assert_eq!(call(&OPERATION, round * 100 + key), Ok(round * 100 + key));
        }
        assert_eq!(call(&OPERATION, u32::MAX), Err(ErrorKind::Full));
        test.advance("23h");
        assert_eq!(call(&OPERATION, u32::MAX), Err(ErrorKind::Full));
        test.advance("1h");
    }
    // The same keys again take the places that they have.
    for key in 400..500 {
        assert_eq!(call(&OPERATION, key), Ok(key));
    }
    assert_eq!(OPERATION.len(), 100);
    assert_eq!(call(&OPERATION, u32::MAX), Err(ErrorKind::Full));
}
