//! What is kept, and what a client gets that calls again.

use crate::server::{Clinic, layer, soon};
use std::time::Duration;
use tonic::Code;
use tonic::metadata::MetadataMap;

fn said<'a>(metadata: &'a MetadataMap, name: &str) -> Option<&'a str> {
    metadata.get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_call_that_is_made_again_gets_the_answer_of_the_first() {
    let clinic = Clinic::with(layer()).await;
    let first = clinic.check("k", "it").await.unwrap();
    assert_eq!(said(first.metadata(), "idempotency-stored"), None, "it was kept");
    assert_eq!(said(first.metadata(), "idempotent-replayed"), None);
    let again = clinic.check("k", "it").await.unwrap();
    assert_eq!(said(again.metadata(), "idempotent-replayed"), Some("true"));
    assert_eq!((first.get_ref().status, again.get_ref().status, clinic.ward.calls()), (1, 1, 1));
    assert_eq!(clinic.check("", "it").await.unwrap().get_ref().status, 2, "without a key it runs");
}

/// By the code of the answer, not by the status of HTTP, which is 200 in each.
#[tokio::test]
async fn which_answers_are_kept() {
    let clinic = Clinic::with(layer()).await;
    let kept = [
        Code::Ok,
        Code::InvalidArgument,
        Code::NotFound,
        Code::AlreadyExists,
        Code::PermissionDenied,
        Code::FailedPrecondition,
        Code::OutOfRange,
        Code::Unimplemented,
        Code::DataLoss,
    ];
    for code in (0..=16).map(Code::from_i32) {
        let name = format!("code {}", code as i32);
        let before = clinic.ward.calls();
        for _ in 0..2 {
            let answer = clinic.check(&name.replace(' ', "-"), &name).await;
            assert_eq!(answer.map_or_else(|status| status.code(), |_| Code::Ok), code);
        }
        let runs = if kept.contains(&code) { 1 } else { 2 };
        assert_eq!(clinic.ward.calls() - before, runs, "{code:?}");
    }
}

/// There the code comes behind a head that says 200 and nothing else.
#[tokio::test]
async fn a_failure_in_the_trailers_frees_the_key() {
    let clinic = Clinic::with(layer()).await;
    for (code, runs) in [(Code::Unavailable, 2), (Code::NotFound, 1)] {
        let name = format!("code {}", code as i32);
        let before = clinic.ward.calls();
        for _ in 0..2 {
            let mut stream = clinic.watch(&name.replace(' ', "-"), &name).await.unwrap().into_inner();
            assert_eq!(soon(stream.message()).await.unwrap_err().code(), code);
        }
        assert_eq!(clinic.ward.calls() - before, runs, "{code:?}");
    }
}

#[tokio::test]
async fn which_answers_are_kept_can_be_chosen_by_their_code() {
    let never = layer().keep(|parts| parts.headers.get("grpc-status").is_some_and(|code| code == "5"));
    let clinic = Clinic::with(never).await;
    for (name, runs) in [("it", 2), ("code 5", 1), ("code 3", 2)] {
        let before = clinic.ward.calls();
        for _ in 0..2 {
            let _ = clinic.check(&name.replace(' ', "-"), name).await;
        }
        assert_eq!(clinic.ward.calls() - before, runs, "{name}");
    }
}

#[tokio::test]
async fn a_stream_is_delivered_as_it_comes_and_not_run_again() {
    for (name, messages) in [("live", 2), ("late", 1)] {
        let clinic = Clinic::with(layer()).await;
        let live = clinic.watch("k", name).await.unwrap();
        assert_eq!(said(live.metadata(), "idempotency-stored"), Some("false"), "{name}: the client is told");
        let mut live = live.into_inner();
        if messages == 2 {
            assert_eq!(soon(live.message()).await.unwrap().unwrap().status, 1, "before the second is there");
        }
        let again = clinic.watch("k", name).await.unwrap_err();
        assert_eq!(again.code(), Code::DataLoss, "{again}");
        clinic.ward.go();
        assert_eq!(soon(live.message()).await.unwrap().unwrap().status, 1);
        assert!(soon(live.message()).await.unwrap().is_none());
        assert_eq!(clinic.ward.calls(), 1);
    }
}

#[tokio::test]
async fn a_stream_that_is_waited_for_is_kept() {
    let clinic = Clinic::with(layer().keep_streamed()).await;
    clinic.ward.go();
    for is_replayed in [None, Some("true")] {
        let stream = clinic.watch("k", "live").await.unwrap();
        assert_eq!(said(stream.metadata(), "idempotent-replayed"), is_replayed);
        let mut stream = stream.into_inner();
        for _ in 0..2 {
            assert_eq!(soon(stream.message()).await.unwrap().unwrap().status, 1);
        }
        assert!(soon(stream.message()).await.unwrap().is_none());
    }
    assert_eq!(clinic.ward.calls(), 1);
}

#[tokio::test]
async fn a_key_is_new_when_its_time_is_over() {
    let clinic = Clinic::with(layer().retention(Duration::ZERO)).await;
    assert_eq!(clinic.check("k", "it").await.unwrap().get_ref().status, 1);
    assert_eq!(clinic.check("k", "it").await.unwrap().get_ref().status, 2);
}
