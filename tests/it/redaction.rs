//! Nothing that can be printed shows a key.

use crate::support::{guarded, now};
use idempotently::{Error, Operation, key, observe_async};

const SECRET: &str = "4111 1111 1111 1111";

/// The secret in each form that a key has: three words, a longer text, a digest.
fn secrets() -> [String; 3] {
    [SECRET.into(), format!("{SECRET} and more than fits"), SECRET.repeat(20)]
}

#[test]
fn operations_and_calls_do_not_show_it() {
    static OPERATION: Operation = Operation::new("redaction.operation");
    for secret in secrets() {
        OPERATION.call(&secret).run(|| ()).unwrap();
        let call = OPERATION.call(&secret).fingerprint(&secret);
        let shown = format!("{OPERATION:?} {call:?} {:#?}", OPERATION.call(&secret));
        assert!(!shown.contains("4111") && shown.contains("redaction.operation"), "{shown}");
    }
}

#[test]
fn executions_do_not_show_it() {
    static OPERATION: Operation = Operation::new("redaction.execution");
    let mut digests = Vec::new();
    for secret in secrets() {
        let shown = OPERATION.call(&secret).run(|| format!("{:?}", idempotently::current())).unwrap();
        assert!(!shown.contains("4111"), "{shown}");
        digests.push(shown);
    }
    digests.dedup();
    assert_eq!(digests.len(), 3, "they can still be told apart: {digests:?}");
}

#[test]
fn futures_and_wrappers_do_not_show_it() {
    static OPERATION: Operation = Operation::new("redaction.future");
    let observed = observe_async(std::future::ready(1));
    let shown = format!(
        "{:?} {:?} {:?} {observed:?}",
        key::display(SECRET),
        key::Fingerprint::of(SECRET),
        OPERATION.call(SECRET),
    );
    assert!(!shown.contains("4111"), "{shown}");
    #[cfg(feature = "serde")]
    assert!(!format!("{:?}", key::serde(SECRET)).contains("4111"));
}

#[test]
fn errors_do_not_show_it() {
    guarded(|| {
        static OPERATION: Operation = Operation::new("redaction.error");
        for secret in secrets() {
            let error =
                OPERATION.call(&secret).try_run(|| OPERATION.call(&secret).try_run(|| Ok::<_, Error>(1))).unwrap_err();
            let reused = || OPERATION.call(&secret).fingerprint(&secret).run(|| 1u8);
            let shown = format!("{error} {error:?} {error:#?} {:?}", reused().map(drop));
            assert!(!shown.contains("4111"), "{shown}");
        }
        assert_eq!(now(OPERATION.call(SECRET).try_run_async(async || Ok::<_, Error>(2))).unwrap(), 2);
    });
}
