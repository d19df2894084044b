//! What a client is told that gets no answer of the service: a status of gRPC that its library understands.

use crate::server::{Clinic, layer};
use std::time::Duration;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// The code, the reason, and when to come back.
fn told(status: &Status) -> (Code, String, Option<Duration>) {
    let details = status.get_error_details();
    let info = details.error_info().expect("an ErrorInfo");
    assert_eq!(info.domain, "idempotently");
    assert!(info.metadata["type"].contains("over_http"), "{info:?}");
    let retry = details.retry_info().and_then(|info| info.retry_delay);
    let pushback = status.metadata().get("grpc-retry-pushback-ms").map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(pushback, retry.map(|delay| delay.as_millis().to_string()));
    assert!(!status.message().is_empty());
    (status.code(), info.reason.clone(), retry)
}

#[tokio::test]
async fn a_key_that_is_missing_invalid_or_of_another_request() {
    let clinic = Clinic::with(layer().required()).await;
    let missing = clinic.check("", "it").await.unwrap_err();
    assert_eq!(told(&missing), (Code::InvalidArgument, "KEY_MISSING".into(), None));
    let invalid = clinic.check("a, b", "it").await.unwrap_err();
    assert_eq!(told(&invalid), (Code::InvalidArgument, "KEY_INVALID".into(), None));
    assert_eq!(clinic.ward.calls(), 0);
    clinic.check("k", "it").await.unwrap();
    let reused = clinic.check("k", "another").await.unwrap_err();
    assert_eq!(told(&reused), (Code::FailedPrecondition, "KEY_REUSED".into(), None));
    assert_eq!(clinic.ward.calls(), 1);
}

#[tokio::test]
async fn a_call_while_the_first_runs() {
    let clinic = Clinic::with(layer().retry_after(Duration::from_secs(7))).await;
    let (first, ()) = tokio::join!(clinic.check("k", "slow"), async {
        clinic.ward.entered().await;
        let meanwhile = clinic.check("k", "slow").await.unwrap_err();
        assert_eq!(told(&meanwhile), (Code::Aborted, "IN_FLIGHT".into(), Some(Duration::from_secs(7))));
        clinic.ward.go();
    });
    assert_eq!(first.unwrap().get_ref().status, 1);
}

#[tokio::test]
async fn more_than_are_worked_on_at_once() {
    let clinic = Clinic::with(layer().max_in_flight(0)).await;
    let shed = clinic.check("k", "it").await.unwrap_err();
    assert_eq!(told(&shed), (Code::Unavailable, "OVERLOADED".into(), Some(Duration::from_secs(1))));
    assert_eq!(clinic.ward.calls(), 0);
}

#[tokio::test]
async fn a_request_or_an_answer_that_is_too_large() {
    let clinic = Clinic::with(layer().max_request(20)).await;
    let refused = clinic.check("k", "a name that is too long").await.unwrap_err();
    assert_eq!(told(&refused), (Code::ResourceExhausted, "REQUEST_TOO_LARGE".into(), None));
    let clinic = Clinic::with(layer().max_response(3)).await;
    assert_eq!(clinic.check("k", "it").await.unwrap().get_ref().status, 1, "it is delivered");
    let lost = clinic.check("k", "it").await.unwrap_err();
    assert_eq!(told(&lost), (Code::DataLoss, "RESPONSE_NOT_KEPT".into(), None));
    assert_eq!(clinic.ward.calls(), 1);
}

/// What a problem says may be anybody's words; a header takes ASCII.
#[tokio::test]
async fn the_words_can_be_chosen() {
    let clinic = Clinic::with(layer().required().problems(|problem| problem.with_detail("100 % über\n„Kasse“"))).await;
    assert_eq!(clinic.check("", "it").await.unwrap_err().message(), "100 % über\n„Kasse“");
}
