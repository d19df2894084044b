//! How long outcomes answer, by a clock that moves when it is told to.

use crate::support::now;
use idempotently::{Error, Operation, Retention, current, testing};
use std::time::Duration;

fn token(operation: &Operation, key: u32) -> u64 {
    operation.call(&key).try_run(|| Ok::<_, Error>(current().unwrap().token())).unwrap()
}

const NANOSECOND: Duration = Duration::from_nanos(1);

#[test]
fn a_record_answers_until_its_very_end_and_not_at_it() {
    static OPERATION: Operation = Operation::new("retention.end").retention(Retention::For(Duration::from_mins(1)));
    let test = testing::isolate();
    for offset in [Duration::ZERO, NANOSECOND, Duration::from_millis(333), Duration::from_hours(24 * 365)] {
        test.advance(offset);
        let first = token(&OPERATION, 1);
        assert_eq!(token(&OPERATION, 1), first);
        test.advance(Duration::from_nanos(59_999_999_999));
        assert_eq!(token(&OPERATION, 1), first, "{offset:?}");
        test.advance(NANOSECOND);
        let second = token(&OPERATION, 1);
        assert_ne!(second, first, "{offset:?}");
        assert_eq!(now(OPERATION.call(&1u32).run_async(async || 0u64)).ok(), Some(second));
        OPERATION.clear();
    }
}

#[test]
fn answering_does_not_extend_it() {
    static OPERATION: Operation = Operation::new("retention.replays");
    let test = testing::isolate();
    let first = token(&OPERATION, 1);
    for _ in 0..23 {
        test.advance("1h");
        assert_eq!(token(&OPERATION, 1), first);
    }
    test.advance("1h");
    assert_ne!(token(&OPERATION, 1), first, "24 hours, which is the default");
}

#[test]
fn it_is_counted_from_the_end_of_the_execution() {
    static OPERATION: Operation =
        Operation::new("retention.completion").retention(Retention::For(Duration::from_mins(1)));
    let test = testing::isolate();
    let handle = test.handle();
    let slow = || {
        OPERATION.call(&1u32).try_run(|| {
            handle.advance("1h");
            Ok::<_, Error>(current().unwrap().token())
        })
    };
    let first = slow().unwrap();
    test.advance("59s");
    assert_eq!(token(&OPERATION, 1), first);
    test.advance("1s");
    assert_ne!(token(&OPERATION, 1), first);
}

#[test]
fn forever_does_not_end() {
    static OPERATION: Operation = Operation::new("retention.forever").retention(Retention::Forever);
    static LONG: Operation = Operation::new("retention.long").retention(Retention::For(Duration::MAX));
    let test = testing::isolate();
    let first = (token(&OPERATION, 1), token(&LONG, 1));
    for _ in 0..100 {
        test.advance(Duration::from_hours(24 * 365));
    }
    assert_eq!((token(&OPERATION, 1), token(&LONG, 1)), first);
    assert_eq!(OPERATION.purge(), 0);
    assert!(OPERATION.forget(&1u32));
    assert_ne!(token(&OPERATION, 1), first.0);
}

#[test]
fn none_at_all_keeps_nothing() {
    static OPERATION: Operation = Operation::new("retention.none").retention(Retention::For(Duration::ZERO));
    let _test = testing::isolate();
    let first = token(&OPERATION, 1);
    assert_ne!(token(&OPERATION, 1), first);
    assert!(!OPERATION.forget(&1u32), "it has expired");
}

#[test]
fn a_call_may_have_its_own() {
    static FOREVER: Operation = Operation::new("retention.of_a_call").retention(Retention::Forever);
    static DAY: Operation = Operation::new("retention.of_a_call_a_day");
    let test = testing::isolate();
    let call = |operation: &Operation, retention: Retention| {
        operation.call(&1u32).retention(retention).try_run(|| Ok::<_, Error>(current().unwrap().token())).unwrap()
    };
    let hour = Retention::from(Duration::from_hours(1));
    let first = (call(&FOREVER, hour), call(&DAY, Retention::Forever));
    test.advance("59m");
    assert_eq!((call(&FOREVER, hour), call(&DAY, hour)), first);
    test.advance("1m");
    let second = (token(&FOREVER, 1), token(&DAY, 1));
    assert_ne!(second.0, first.0);
    test.advance("365d");
    assert_eq!((token(&FOREVER, 1), token(&DAY, 1)), (second.0, first.1));
}

#[test]
fn what_has_expired_is_not_there_to_be_forgotten_and_is_purged() {
    static OPERATION: Operation = Operation::new("retention.purge");
    let test = testing::isolate();
    for key in 0..100 {
        token(&OPERATION, key);
    }
    test.advance("12h");
    for key in 100..150 {
        token(&OPERATION, key);
    }
    assert_eq!(OPERATION.purge(), 0);
    test.advance("12h");
    assert_eq!(OPERATION.len(), 150, "nobody has taken them away");
    assert!(!OPERATION.forget(&0u32) && OPERATION.forget(&100u32));
    assert_eq!(OPERATION.purge(), 99);
    assert_eq!((OPERATION.purge(), OPERATION.len()), (0, 49));
}

#[test]
fn records_that_end_at_the_same_moment_are_all_taken_away() {
    static OPERATION: Operation = Operation::new("retention.same_moment").capacity(50_000);
    let test = testing::isolate();
    for round in 0..3 {
        for key in 0..50_000u32 {
            token(&OPERATION, round * 50_000 + key);
        }
        test.advance("24h");
        if round == 0 {
            assert_eq!(OPERATION.purge(), 50_000);
            assert!(OPERATION.is_empty());
        }
    }
}

#[test]
fn completions_take_expired_records_away_as_they_go() {
    static OPERATION: Operation = Operation::new("retention.sweep");
    let test = testing::isolate();
    for key in 0..10_000 {
        token(&OPERATION, key);
    }
    test.advance("24h");
    for key in 10_000..20_000 {
        token(&OPERATION, key);
    }
    assert_eq!(OPERATION.len(), 10_000, "each completion takes more than it brings");
}

#[test]
fn a_record_that_was_made_again_is_not_swept_at_the_end_of_the_old_one() {
    static OPERATION: Operation = Operation::new("retention.again");
    let test = testing::isolate();
    let first = token(&OPERATION, 1);
    test.advance("12h");
    assert!(OPERATION.forget(&1u32));
    let second = token(&OPERATION, 1);
    assert_ne!(second, first);
    test.advance("13h");
    assert_eq!(OPERATION.purge(), 0);
    for key in 2..1000 {
        token(&OPERATION, key);
    }
    assert_eq!(token(&OPERATION, 1), second);
}

#[test]
fn an_expired_record_is_taken_over_by_one_caller() {
    static OPERATION: Operation = Operation::new("retention.taken_over");
    let test = testing::isolate();
    token(&OPERATION, 1);
    test.advance("24h");
    let mut leader = Box::pin(OPERATION.call(&1u32).run_async(std::future::pending::<u64>));
    crate::support::pending(&mut leader);
    let mut follower = Box::pin(OPERATION.call(&1u32).run_async(async || 7u64));
    crate::support::pending(&mut follower);
    assert_eq!(OPERATION.purge(), 0);
    drop(leader);
    assert_eq!(crate::support::ready(&mut follower).unwrap(), 7);
    assert_eq!(now(OPERATION.call(&1u32).run_async(async || 8u64)).unwrap(), 7);
}
