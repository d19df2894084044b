//! A key is given back before its caller hears of the failure.

use crate::gated::Gated;
use futures_lite::future::block_on;
use idempotently::store::Store;
use idempotently::{Error, ErrorKind, InFlight, OnInterruption, Operation, SharedStore};

const CALLS: u32 = 200;

/// How often an `Err` and the same call again meet each other.
fn refused(mut fails_then_runs: impl FnMut(u32) -> Option<ErrorKind>) -> usize {
    (0..CALLS).filter(|key| fails_then_runs(*key) == Some(ErrorKind::InFlight)).count()
}

fn gated() -> SharedStore {
    let gated = Gated::new();
    gated.switch(|switches| &switches.releases_late, true);
    SharedStore::new(gated)
}

#[test]
fn a_call_after_an_error_runs() {
    static CHARGE: Operation =
        Operation::new("releases.blocking").interrupted(OnInterruption::Fail).in_flight(InFlight::Reject);
    let store = gated();
    let call = |key: u32, outcome: anyhow::Result<u8>| CHARGE.call(&key).store(&store).try_run(|| outcome);
    let kind = |error: anyhow::Error| error.downcast_ref::<Error>().map(Error::kind);
    let again = |key| {
        assert!(call(key, Err(anyhow::anyhow!("declined"))).is_err());
        call(key, Ok(1)).err().and_then(kind)
    };
    assert_eq!(refused(again), 0);
}

#[test]
fn an_awaited_call_after_an_error_runs() {
    static CHARGE: Operation =
        Operation::new("releases.awaited").interrupted(OnInterruption::Fail).in_flight(InFlight::Reject);
    let store = gated();
    let call = |key: u32, outcome: anyhow::Result<u8>| {
        block_on(CHARGE.call(&key).store(&store).try_run_async(async || outcome))
    };
    let kind = |error: anyhow::Error| error.downcast_ref::<Error>().map(Error::kind);
    let again = |key| {
        assert!(call(key, Err(anyhow::anyhow!("declined"))).is_err());
        call(key, Ok(1)).err().and_then(kind)
    };
    assert_eq!(refused(again), 0);
}

#[cfg(feature = "tokio")]
#[test]
fn a_detached_call_after_an_error_runs() {
    static CHARGE: Operation =
        Operation::new("releases.detached").interrupted(OnInterruption::Fail).in_flight(InFlight::Reject);
    let store = gated();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let call = |key: u32, outcome: anyhow::Result<u8>| {
        runtime.block_on(CHARGE.call(&key).store(&store).try_run_detached(async move || outcome))
    };
    let kind = |error: anyhow::Error| error.downcast_ref::<Error>().map(Error::kind);
    let again = |key| {
        assert!(call(key, Err(anyhow::anyhow!("declined"))).is_err());
        call(key, Ok(1)).err().and_then(kind)
    };
    assert_eq!(refused(again), 0);
}

#[cfg(feature = "macros")]
#[test]
fn a_shared_failure_is_told_after_the_key_is_free() {
    use idempotently::idempotent;

    #[idempotent(
        key = key,
        store = store,
        scope = "releases.shared",
        interrupted = fail,
        on_failure = share
    )]
    fn charge(store: &SharedStore, key: u32) -> Result<u8, Declined> {
        Err(Declined)
    }

    let gated = Gated::new();
    gated.switch(|switches| &switches.releases_late, true);
    let store = SharedStore::new(gated.clone());
    for key in 0..CALLS {
        assert_eq!(charge(&store, key), Err(Declined));
        let place = idempotently::store::Place { scope: "releases.shared".into(), key: key.to_string().into() };
        assert!(block_on(gated.memory.peek(place)).unwrap().is_none());
    }
}

#[cfg(feature = "macros")]
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Declined;

#[cfg(feature = "macros")]
impl From<Error> for Declined {
    fn from(_: Error) -> Self {
        Self
    }
}

#[test]
fn a_release_without_an_answer_holds_the_caller_up_for_a_while_only() {
    static CHARGE: Operation = Operation::new("releases.never").interrupted(OnInterruption::Fail);
    let gated = Gated::new();
    gated.switch(|switches| &switches.holds_releases, true);
    let store = SharedStore::new(gated.clone());
    let call = || CHARGE.call(&1).store(&store).try_run(|| Err::<u8, _>(anyhow::anyhow!("declined")));
    assert_eq!(call().unwrap_err().to_string(), "declined");
    let place = idempotently::store::Place { scope: "releases.never".into(), key: "1".into() };
    assert!(block_on(gated.memory.peek(place.clone())).unwrap().is_some(), "it was not given back yet");
    // The answer comes all the same, to whoever waits for it.
    gated.switch(|switches| &switches.holds_releases, false);
    while block_on(gated.memory.peek(place.clone())).unwrap().is_some() {
        let _ = idempotently::blocking::shutdown(std::time::Duration::from_millis(10));
    }
}
