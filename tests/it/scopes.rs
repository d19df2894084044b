//! Names of operations: one operation each.

use idempotently::{Error, ErrorKind, Operation};
use std::sync::Barrier;
use std::thread;

fn kind<T>(outcome: Result<T, Error>) -> Option<ErrorKind> {
    outcome.err().map(|error| error.kind())
}

#[test]
fn one_scope_on_two_operations_is_an_error_at_the_first_call_of_the_second() {
    static ONE: Operation = Operation::new("scopes.shared");
    static TWO: Operation = Operation::new("scopes.shared");
    assert_eq!(kind(ONE.call(&1).run(|| 1)), None);
    for _ in 0..2 {
        let error = TWO.call(&1).run(|| 1).unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Misdeclared, "scopes.shared"));
        assert!(error.to_string().contains("already has this scope"), "{error}");
    }
    assert_eq!(kind(ONE.call(&2).run(|| 1)), None);
    assert!(TWO.is_empty());
}

#[test]
fn a_scope_is_free_again_when_its_operation_is_dropped() {
    for _ in 0..3 {
        let one = Operation::new("scopes.dropped");
        assert_eq!(one.call(&1).run(|| 1).unwrap(), 1);
        let two = Operation::new("scopes.dropped");
        assert_eq!(kind(two.call(&1).run(|| 2)), Some(ErrorKind::Misdeclared));
        drop(one);
        assert_eq!(two.call(&1).run(|| 2).unwrap(), 2);
    }
}

#[test]
fn an_operation_may_move() {
    let operation = Operation::new("scopes.moved");
    assert_eq!(operation.call(&1).run(|| 1).unwrap(), 1);
    let operation = Box::new(operation);
    assert_eq!(operation.call(&1).run(|| 2).unwrap(), 1);
}

#[test]
fn when_two_operations_race_for_a_scope_exactly_one_has_it() {
    for _ in 0..100 {
        let operations = [(); 4].map(|()| Operation::new("scopes.raced"));
        let barrier = Barrier::new(4);
        let kinds: Vec<_> = thread::scope(|scope| {
            let call = |operation: &Operation| {
                barrier.wait();
                kind(operation.call(&1).run(|| 1))
            };
            let threads: Vec<_> = operations.iter().map(|operation| scope.spawn(move || call(operation))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(kinds.iter().filter(|kind| kind.is_none()).count(), 1, "{kinds:?}");
    }
}

#[test]
fn outcomes_of_two_types_under_one_operation_are_an_error() {
    static OPERATION: Operation = Operation::new("scopes.two_types");
    assert_eq!(kind(OPERATION.call(&1).run(|| 1u32)), None);
    assert_eq!(kind(OPERATION.call(&1).run(|| "text")), Some(ErrorKind::Misdeclared));
    assert_eq!(kind(OPERATION.call(&1).run(|| 1u32)), None);
}

#[test]
fn all_ways_to_run_share_the_records_of_one_operation() {
    static OPERATION: Operation = Operation::new("scopes.one_type");
    assert_eq!(OPERATION.call(&1).run(|| 1u32).unwrap(), 1);
    assert_eq!(OPERATION.call(&1).run_if(|_| true, || 2u32).unwrap(), 1);
    assert_eq!(OPERATION.call(&1).try_run(|| Ok::<_, Error>(3u32)).unwrap(), 1);
    assert_eq!(crate::support::now(OPERATION.call(&1).run_async(async || 4u32)).unwrap(), 1);
    assert_eq!(crate::support::now(OPERATION.call(&1).try_run_async(async || Ok::<_, Error>(5u32))).unwrap(), 1);
    assert_eq!(OPERATION.len(), 1);
}
