//! Errors: what they say, and what they become.

use crate::support::{guarded, now, pending};
use idempotently::{Error, ErrorKind, InFlight, Missing, Operation, key};
use std::error::Error as StdError;
use std::future::pending as never;
use std::time::Duration;

fn refused<T>(outcome: Result<T, Error>) -> Error {
    outcome.err().unwrap()
}

/// One error of each kind that a call in this process can end with.
fn each() -> Vec<Error> {
    static REJECT: Operation = Operation::new("erring.reject").in_flight(InFlight::Reject);
    static WAIT: Operation = Operation::new("erring.wait").in_flight(InFlight::WaitFor(Duration::from_millis(1)));
    static PRINT: Operation = Operation::new("erring.print");
    static FULL: Operation = Operation::new("erring.full").capacity(1);
    static SELF: Operation = Operation::new("erring.itself");
    static ONE: Operation = Operation::new("erring.shared");
    static TWO: Operation = Operation::new("erring.shared");
    let mut leaders = [&REJECT, &WAIT].map(|operation| Box::pin(operation.call("secret").run_async(never::<u32>)));
    leaders.iter_mut().for_each(pending);
    let blocking = |operation: &Operation| refused(operation.call("secret").try_run(|| Ok::<_, Error>(1u32)));
    PRINT.call("secret").fingerprint(&1).run(|| 1u32).unwrap();
    FULL.call(&1).run(|| 1u32).unwrap();
    ONE.call(&1).run(|| 1u32).unwrap();
    vec![
        blocking(&REJECT),
        blocking(&WAIT),
        refused(PRINT.call("secret").fingerprint(&2).run(|| 1u32)),
        refused(FULL.call_optional(&None::<u32>, Missing::Reject).run(|| 1u32)),
        refused(FULL.call("").run(|| 1u32)),
        refused(FULL.call("secret").run(|| 1u32)),
        refused(SELF.call("secret").try_run(|| SELF.call("secret").try_run(|| Ok::<_, Error>(1u32)))),
        refused(TWO.call("secret").run(|| 1u32)),
    ]
}

#[test]
fn every_kind_names_the_operation_and_says_what_to_do_and_never_the_key() {
    let errors = guarded(each);
    let kinds: Vec<_> = errors.iter().map(Error::kind).collect();
    let known = [
        ErrorKind::InFlight,
        ErrorKind::WaitTimedOut,
        ErrorKind::KeyReused,
        ErrorKind::MissingKey,
        ErrorKind::InvalidKey,
        ErrorKind::Full,
        ErrorKind::Reentrant,
        ErrorKind::Misdeclared,
    ];
    assert_eq!(kinds, known);
    let retryable = [true, true, false, false, false, true, false, false];
    for (error, retryable) in errors.iter().zip(retryable) {
        let text = error.to_string();
        assert!(error.operation().starts_with("erring."));
        assert!(text.starts_with(&format!("`{}`: ", error.operation())) && text.contains("; "), "{text}");
        assert!(!text.contains("secret") && !format!("{error:?}").contains("secret"), "{text} {error:?}");
        assert_eq!(error.is_retryable(), retryable, "{text}");
        assert_eq!(error.clone().to_string(), text);
    }
}

#[test]
fn a_key_that_cannot_be_written_is_told_from_an_empty_one() {
    struct Broken;
    impl std::fmt::Display for Broken {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            Err(std::fmt::Error)
        }
    }
    static OPERATION: Operation = Operation::new("erring.written");
    let empty = refused(OPERATION.call("").run(|| ()));
    let broken = refused(OPERATION.call(&key::display(&Broken)).run(|| ()));
    assert_eq!((empty.kind(), broken.kind()), (ErrorKind::InvalidKey, ErrorKind::InvalidKey));
    assert!(empty.to_string().contains("(it is empty)"), "{empty}");
    assert!(broken.to_string().contains("(it could not be written)"), "{broken}");
}

/// A call without a key, with the caller's error type.
fn keyless<E: From<Error>>() -> Result<u32, E> {
    static OPERATION: Operation = Operation::new("erring.keyless");
    OPERATION.call("").try_run(|| Ok(1u32))
}

#[test]
fn errors_become_what_the_caller_returns() {
    #[derive(Debug)]
    enum Own {
        Call(Error),
    }
    impl From<Error> for Own {
        fn from(error: Error) -> Self {
            Self::Call(error)
        }
    }
    let says = "`erring.keyless`: the key cannot be used (it is empty); pass a key that identifies the request";
    assert_eq!(keyless::<Error>().unwrap_err().to_string(), says);
    let Own::Call(own) = keyless::<Own>().unwrap_err();
    assert_eq!(own.to_string(), says);
    let boxed = keyless::<Box<dyn StdError + Send + Sync>>().unwrap_err();
    assert_eq!(boxed.downcast_ref::<Error>().map(Error::kind), Some(ErrorKind::InvalidKey));
    assert_eq!(boxed.to_string(), says);
    assert_eq!(keyless::<Box<dyn StdError>>().unwrap_err().to_string(), says);
    let any = keyless::<anyhow::Error>().unwrap_err();
    assert_eq!(any.downcast_ref::<Error>().map(Error::kind), Some(ErrorKind::InvalidKey));
}

#[test]
fn awaited_calls_are_refused_with_the_callers_error_too() {
    static OPERATION: Operation = Operation::new("erring.awaited");
    let call = OPERATION.call("").try_run_async(async || Ok::<u32, anyhow::Error>(1));
    assert_eq!(now(call).unwrap_err().downcast::<Error>().unwrap().operation(), "erring.awaited");
}
