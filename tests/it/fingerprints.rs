//! A key that is used again for something else.

use crate::support::{guarded, now, pending, ready};
use idempotently::key::{self, ToFingerprint};
use idempotently::{Error, ErrorKind, InFlight, Operation};
use std::fmt;
use std::future::{pending as never, poll_fn};
use std::task::Poll;

fn pay(operation: &Operation, print: &(impl ToFingerprint + ?Sized)) -> Result<u32, ErrorKind> {
    operation.call("key").fingerprint(print).try_run(|| Ok::<_, Error>(7)).map_err(|error| error.kind())
}

#[test]
fn the_same_fingerprint_is_answered_and_another_one_is_refused() {
    static OPERATION: Operation = Operation::new("fingerprints.kept");
    assert_eq!(pay(&OPERATION, &500), Ok(7));
    assert_eq!(pay(&OPERATION, &500u64), Ok(7));
    assert_eq!(pay(&OPERATION, &501), Err(ErrorKind::KeyReused));
    assert_eq!(pay(&OPERATION, "500"), Err(ErrorKind::KeyReused));
    assert_eq!(pay(&OPERATION, &500), Ok(7));
    assert!(OPERATION.forget("key"));
    assert_eq!(pay(&OPERATION, &501), Ok(7));
    assert_eq!(pay(&OPERATION, &500), Err(ErrorKind::KeyReused));
}

#[test]
fn another_fingerprint_is_refused_while_the_first_runs_and_before_any_waiting() {
    guarded(|| {
        static WAIT: Operation = Operation::new("fingerprints.wait");
        static REJECT: Operation = Operation::new("fingerprints.reject").in_flight(InFlight::Reject);
        for operation in [&WAIT, &REJECT] {
            let mut leader = Box::pin(operation.call("key").fingerprint(&1).run_async(never::<u32>));
            pending(&mut leader);
            assert_eq!(pay(operation, &2), Err(ErrorKind::KeyReused));
            let awaited = now(operation.call("key").fingerprint(&2).run_async(async || 0u32));
            assert_eq!(awaited.unwrap_err().kind(), ErrorKind::KeyReused);
        }
    });
}

#[test]
fn the_same_fingerprint_joins() {
    static OPERATION: Operation = Operation::new("fingerprints.join");
    let mut end = false;
    let mut leader = Box::pin(OPERATION.call("key").fingerprint(&1).run_async(async || {
        poll_fn(|_| if std::mem::replace(&mut end, true) { Poll::Ready(3u32) } else { Poll::Pending }).await
    }));
    pending(&mut leader);
    let mut follower = Box::pin(OPERATION.call("key").fingerprint(&1).run_async(never::<u32>));
    pending(&mut follower);
    assert_eq!((ready(&mut leader).unwrap(), ready(&mut follower).unwrap()), (3, 3));
}

#[test]
fn a_failed_execution_binds_nobody() {
    #[derive(Debug)]
    struct Failed;
    impl From<Error> for Failed {
        fn from(error: Error) -> Self {
            panic!("refused: {error}")
        }
    }
    static OPERATION: Operation = Operation::new("fingerprints.failed_alone");
    for print in 0..3 {
        OPERATION.call("key").fingerprint(&print).try_run(|| Err::<u32, _>(Failed)).unwrap_err();
    }
    assert_eq!(pay(&OPERATION, &9), Ok(7));
}

/// Whether two values have one fingerprint.
fn agree(one: &(impl ToFingerprint + ?Sized), two: &(impl ToFingerprint + ?Sized)) -> bool {
    key::Fingerprint::of(one).unwrap() == key::Fingerprint::of(two).unwrap()
}

#[test]
fn floats_are_told_apart_by_their_bits() {
    assert!(agree(&0.5f64, &0.5f64) && agree(&0.5f32, &0.5f64) && agree(&f64::NAN, &f64::NAN));
    assert!(!agree(&0.0f64, &-0.0f64) && !agree(&0.1f64, &0.1f32) && !agree(&1.0f64, &1));
}

#[test]
fn options_and_sequences_are_told_apart() {
    assert!(agree(&Some(1u8), &Some(1u64)) && agree(&None::<u8>, &None::<String>));
    assert!(!agree(&Some(1), &1) && !agree(&None::<u8>, &()) && !agree(&Some(None::<u8>), &None::<Option<u8>>));
    assert!(agree(&vec![1, 2], &[1, 2]) && agree(&[1u8, 2][..], &vec![1u8, 2]));
    assert!(!agree(&[1, 2][..], &(1, 2)) && !agree(&vec![vec![1], vec![2]], &vec![vec![1, 2]]));
    assert!(!agree(&(None::<u8>, Some(1)), &(Some(1), None::<u8>)) && !agree("", &()) && !agree("", &[0u8; 0]));
    assert!(agree("", "") && agree(&(), &()));
    assert!(agree(&"x".repeat(5000), &"x".repeat(5000)) && !agree(&"x".repeat(5000), &"x".repeat(5001)));
}

#[test]
fn what_cannot_be_written_is_refused() {
    struct Broken;
    impl fmt::Display for Broken {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Err(fmt::Error)
        }
    }
    static OPERATION: Operation = Operation::new("fingerprints.broken");
    assert!(key::Fingerprint::of(&key::display(&Broken)).is_none());
    assert_eq!(pay(&OPERATION, &key::display(&Broken)), Err(ErrorKind::InvalidKey));
    assert!(OPERATION.is_empty());
}

#[cfg(feature = "testing")]
#[test]
fn an_expired_record_binds_nobody() {
    static OPERATION: Operation = Operation::new("fingerprints.expired");
    let test = idempotently::testing::isolate();
    assert_eq!(pay(&OPERATION, &1), Ok(7));
    test.advance("24h");
    assert_eq!(pay(&OPERATION, &2), Ok(7));
    assert_eq!(pay(&OPERATION, &1), Err(ErrorKind::KeyReused));
}
