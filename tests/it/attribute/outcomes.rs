//! What is kept of which return type.

use crate::support::{now, panic_of};
use idempotently::{Error, ErrorKind, idempotent};
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

type Reply<T> = Result<T, Error>;

fn refusal() -> Error {
    static EMPTY: idempotently::Operation = idempotently::Operation::new("outcomes.refusal");
    EMPTY.call("").run(|| ()).unwrap_err()
}

/// How often a function's body runs in three calls.
fn bodies<T>(bodies: &AtomicU32, call: impl Fn() -> T) -> u32 {
    let before = bodies.load(Ordering::SeqCst);
    for _ in 0..3 {
        drop(call());
    }
    bodies.load(Ordering::SeqCst) - before
}

#[test]
fn a_result_behind_an_alias_is_a_result() {
    static BODIES: AtomicU32 = AtomicU32::new(0);
    #[idempotent(key = fails)]
    fn aliased(fails: bool) -> Reply<u32> {
        BODIES.fetch_add(1, Ordering::SeqCst);
        if fails { Err(refusal()) } else { Ok(1) }
    }
    #[idempotent(key = fails)]
    async fn awaited(fails: bool) -> Reply<u32> {
        BODIES.fetch_add(1, Ordering::SeqCst);
        if fails { Err(refusal()) } else { Ok(1) }
    }
    assert_eq!((bodies(&BODIES, || aliased(true)), bodies(&BODIES, || aliased(false))), (3, 1));
    assert_eq!((bodies(&BODIES, || now(awaited(true))), bodies(&BODIES, || now(awaited(false)))), (3, 1));
}

#[test]
fn an_io_result_is_one_and_its_error_need_be_neither_clone_nor_from() {
    static BODIES: AtomicU32 = AtomicU32::new(0);
    #[idempotent(key = path)]
    fn length(path: &str) -> io::Result<u64> {
        BODIES.fetch_add(1, Ordering::SeqCst);
        File::open(path)?.metadata().map(|metadata| metadata.len())
    }
    assert_eq!(bodies(&BODIES, || length("/there/is/no/such/file")), 3);
    assert_eq!(bodies(&BODIES, || length("Cargo.toml")), 1);
    let message = panic_of(|| length(""));
    assert!(message.contains("the key cannot be used (it is empty)"), "{message}");
}

#[test]
fn a_result_in_a_result_is_decided_by_the_outer_one() {
    static BODIES: AtomicU32 = AtomicU32::new(0);
    #[idempotent(key = fails)]
    fn nested(fails: bool) -> Result<Result<u32, String>, Error> {
        BODIES.fetch_add(1, Ordering::SeqCst);
        Ok(if fails { Err("kept".into()) } else { Ok(1) })
    }
    assert_eq!((bodies(&BODIES, || nested(true)), bodies(&BODIES, || nested(false))), (1, 1));
    assert_eq!(nested(true).unwrap(), Err("kept".into()));
}

#[test]
fn an_option_is_kept_whole() {
    static BODIES: AtomicU32 = AtomicU32::new(0);
    #[idempotent(key = key)]
    fn find(key: u32) -> Option<u32> {
        BODIES.fetch_add(1, Ordering::SeqCst);
        (key > 0).then_some(key)
    }
    #[idempotent(key = key)]
    fn nothing(key: u32) {
        BODIES.fetch_add(key, Ordering::SeqCst);
    }
    assert_eq!((bodies(&BODIES, || find(0)), bodies(&BODIES, || find(1))), (1, 1));
    assert_eq!(find(0), None);
    assert_eq!(bodies(&BODIES, || nothing(1)), 1);
}

#[test]
fn a_result_behind_a_type_parameter_must_say_what_is_kept() {
    static BODIES: AtomicU32 = AtomicU32::new(0);
    trait Job {
        type Outcome: Clone + Send + Sync + 'static;
        fn work() -> Self::Outcome;
    }
    struct Fails;
    impl Job for Fails {
        type Outcome = Result<u32, String>;
        fn work() -> Self::Outcome {
            BODIES.fetch_add(1, Ordering::SeqCst);
            Err("no".into())
        }
    }
    struct Works;
    impl Job for Works {
        type Outcome = u32;
        fn work() -> u32 {
            7
        }
    }
    #[idempotent(key = 1)]
    fn silent<J: Job>() -> J::Outcome {
        J::work()
    }
    #[idempotent(key = 1, keep = all)]
    fn everything<J: Job>() -> J::Outcome {
        J::work()
    }
    #[idempotent(key = 1)]
    async fn awaited<J: Job>() -> J::Outcome {
        J::work()
    }
    for _ in 0..2 {
        let message = panic_of(silent::<Fails>);
        assert!(
            message.contains("silent") && message.contains("keep = ok") && message.contains("keep = all"),
            "{message}"
        );
        assert!(panic_of(|| now(awaited::<Fails>())).contains("keep = ok"));
    }
    assert_eq!(BODIES.load(Ordering::SeqCst), 0);
    assert_eq!((silent::<Works>(), now(awaited::<Works>())), (7, 7));
    assert_eq!(bodies(&BODIES, everything::<Fails>), 1);
}

#[test]
fn keep_says_otherwise() {
    static BODIES: AtomicU32 = AtomicU32::new(0);
    #[idempotent(key = fails, keep = all)]
    fn all(fails: bool) -> Result<u32, Error> {
        BODIES.fetch_add(1, Ordering::SeqCst);
        if fails { Err(refusal()) } else { Ok(1) }
    }
    #[idempotent(key = fails, keep = ok)]
    async fn ok(fails: bool) -> Result<u32, anyhow::Error> {
        BODIES.fetch_add(1, Ordering::SeqCst);
        anyhow::ensure!(!fails, "no");
        Ok(1)
    }
    #[idempotent(key = status, keep = |status: &u32| *status < 500)]
    fn predicate(status: u32) -> u32 {
        BODIES.fetch_add(1, Ordering::SeqCst);
        status
    }
    assert_eq!((bodies(&BODIES, || all(true)), bodies(&BODIES, || all(false))), (1, 1));
    assert_eq!(all(true).unwrap_err().kind(), ErrorKind::InvalidKey);
    assert_eq!((bodies(&BODIES, || now(ok(true))), bodies(&BODIES, || now(ok(false)))), (3, 1));
    assert_eq!((bodies(&BODIES, || predicate(503)), bodies(&BODIES, || predicate(404))), (3, 1));
}
