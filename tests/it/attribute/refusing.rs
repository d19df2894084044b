//! Calls that are refused: by an error where the function can fail, by a panic where it cannot.

use crate::support::{guarded, message, now, pending};
use idempotently::{Error, ErrorKind, How, idempotent, observe};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

#[idempotent(key = key)]
fn infallible(key: &str, again: bool) -> String {
    if again { infallible(key, false) } else { key.into() }
}

#[idempotent(key = key)]
async fn awaited(key: &str, again: bool) -> String {
    if again { Box::pin(awaited(key, false)).await } else { key.into() }
}

#[idempotent(key = key)]
fn fallible(key: &str, again: bool) -> Result<String, anyhow::Error> {
    if again { fallible(key, false) } else { Ok(key.into()) }
}

/// What a panic says, and the file where it is reported.
fn panic_and_place(call: impl FnOnce() -> String) -> (String, String) {
    let place = Arc::new(Mutex::new(String::new()));
    let before = std::panic::take_hook();
    let (told, thread) = (place.clone(), std::thread::current().id());
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().id() == thread {
            *told.lock().unwrap() = panic.location().unwrap().file().into();
        }
        before(panic);
    }));
    let panic = catch_unwind(AssertUnwindSafe(call)).unwrap_err();
    drop(std::panic::take_hook());
    let place = place.lock().unwrap().clone();
    (message(&*panic), place)
}

#[test]
fn functions_that_cannot_fail_panic_with_the_error_at_the_callers_file() {
    guarded(|| {
        let empty = "the key cannot be used (it is empty); pass a key that identifies the request";
        for call in [&(|| infallible("", false)) as &dyn Fn() -> String, &|| now(awaited("", false))] {
            let (message, place) = panic_and_place(call);
            assert!(message.starts_with('`') && message.ends_with(empty), "{message}");
            assert!(place.ends_with("refusing.rs"), "{place}");
        }
        for call in [&(|| infallible("key", true)) as &dyn Fn() -> String, &|| now(awaited("key", true))] {
            let (message, place) = panic_and_place(call);
            assert!(message.contains("would wait for itself"), "{message}");
            assert!(place.ends_with("refusing.rs"), "{place}");
        }
        assert_eq!((infallible("key", false), now(awaited("key", false))), ("key".into(), "key".into()));
    });
}

#[test]
fn functions_that_can_fail_return_the_error() {
    guarded(|| {
        let kind = |outcome: Result<String, anyhow::Error>| outcome.unwrap_err().downcast::<Error>().unwrap().kind();
        assert_eq!(kind(fallible("", false)), ErrorKind::InvalidKey);
        assert_eq!(kind(fallible("key", true)), ErrorKind::Reentrant);
        assert_eq!(fallible("key", false).unwrap(), "key");
    });
}

#[test]
fn a_hole_with_nothing_in_it_is_no_key() {
    #[idempotent(key = "order-{id}", in_flight = reject)]
    fn order(id: &str) -> Result<u32, Error> {
        Ok(u32::try_from(id.len()).unwrap_or(0))
    }
    #[idempotent(key = "{tenant}:{id}", in_flight = reject)]
    fn of_tenant(tenant: &str, id: &str) -> Result<String, Error> {
        Ok(format!("{tenant} {id}"))
    }
    assert_eq!(order("").unwrap_err().kind(), ErrorKind::InvalidKey);
    assert_eq!(order("1").unwrap(), 1);
    assert_eq!(of_tenant("", "").unwrap_err().kind(), ErrorKind::InvalidKey);
    assert_eq!(of_tenant("a:b", "c").unwrap(), "a:b c");
    assert_eq!(of_tenant("a", "b:c").unwrap(), "a b:c");
}

#[test]
fn a_missing_key_runs_unprotected_or_is_refused() {
    #[idempotent(key = key, missing = run)]
    fn run(key: Option<&str>) -> u64 {
        key.map_or(1, |key| key.len() as u64)
    }
    #[idempotent(key = key, missing = reject)]
    async fn reject(key: Option<String>) -> Result<u64, Error> {
        Ok(key.map_or(1, |key| key.len() as u64))
    }
    let how = |key| observe(|| run(key)).how;
    assert_eq!(
        (how(None), how(None), how(Some("a")), how(Some("a"))),
        (How::Unprotected, How::Unprotected, How::Executed, How::Replayed)
    );
    assert_eq!(now(reject(None)).unwrap_err().kind(), ErrorKind::MissingKey);
    assert_eq!(now(reject(Some("ab".into()))).unwrap(), 2);
}

#[test]
fn options_that_refuse_return_their_kinds() {
    #[idempotent(key = (1,), fingerprint = (amount, note), handle = PAY)]
    fn pay(amount: f64, note: Option<&str>) -> Result<f64, Error> {
        let _ = note;
        Ok(amount)
    }
    #[idempotent(key = id, capacity = 2)]
    fn few(id: u32) -> Result<u32, Error> {
        Ok(id)
    }
    #[idempotent(key = 1, in_flight = reject)]
    async fn at_once() -> Result<u32, Error> {
        std::future::pending().await
    }
    #[idempotent(key = 1, in_flight = wait("20ms"))]
    async fn soon() -> Result<u32, Error> {
        std::future::pending().await
    }
    let kind = |outcome: Result<u32, Error>| outcome.unwrap_err().kind();
    assert!(pay(0.5, None).is_ok() && pay(0.5, None).is_ok());
    assert_eq!(pay(0.5, Some("")).unwrap_err().kind(), ErrorKind::KeyReused);
    assert_eq!(pay(0.25, None).unwrap_err().kind(), ErrorKind::KeyReused);
    assert_eq!(PAY.len(), 1);
    assert!(few(1).is_ok() && few(2).is_ok() && few(1).is_ok());
    assert_eq!(kind(few(3)), ErrorKind::Full);
    guarded(move || {
        let (mut one, mut two) = (Box::pin(at_once()), Box::pin(soon()));
        pending(&mut one);
        pending(&mut two);
        assert_eq!(kind(now(at_once())), ErrorKind::InFlight);
        assert_eq!(kind(futures_lite::future::block_on(soon())), ErrorKind::WaitTimedOut);
    });
}
