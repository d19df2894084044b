//! Calls as spans of the crate `tracing`.

use super::answer::Answer;
#[cfg(feature = "durable")]
use super::limiter::Limiter;
#[cfg(feature = "durable")]
use crate::error::Error;
use crate::key::Text;
#[cfg(feature = "durable")]
use once_cell::sync::Lazy;
use std::time::Duration;
#[cfg(feature = "durable")]
use std::time::Instant;
use tracing::field::Empty;
use tracing::{Span, info_span};

/// Keys are not shown: their digest is, which is made only where somebody looks.
pub(super) fn span(scope: &'static str, text: &Text<'_>) -> Span {
    let span = info_span!(
        target: "idempotently",
        "idempotent",
        operation = scope,
        key = Empty,
        outcome = Empty,
        attempt = Empty,
        waited = Empty,
        error = Empty,
    );
    if !span.is_disabled()
        && let Some(key) = text.to_key()
    {
        span.record("key", key.digest().as_str());
    }
    span
}

pub(super) fn answered(span: &Span, answer: Answer, waited: Duration) {
    span.record("outcome", answer.as_str());
    span.record("waited", u64::try_from(waited.as_micros()).unwrap_or(u64::MAX));
}

#[cfg(feature = "durable")]
pub(super) fn unrecorded(scope: &str, key: &str, error: &dyn std::error::Error) {
    tracing::warn!(
        target: "idempotently",
        operation = scope,
        key = crate::key::digest_of_text(key).as_str(),
        outcome = Answer::Unrecorded.as_str(),
        error = %error,
        "the store could not be reached, so an outcome is not recorded yet; it is tried again until it is",
    );
}

#[cfg(feature = "durable")]
pub(super) fn unkept(scope: &str, why: &'static str) {
    tracing::warn!(
        target: "idempotently",
        operation = scope,
        error = why,
        "an outcome is not kept: its caller has it, and later calls with the key are refused as `OutcomeLost`",
    );
}

#[cfg(feature = "durable")]
pub(super) fn unreleased(scope: &str, key: &str, error: &dyn std::error::Error) {
    tracing::warn!(
        target: "idempotently",
        operation = scope,
        key = crate::key::digest_of_text(key).as_str(),
        outcome = "unreleased",
        error = %error,
        "the store did not take the key of a failed call back; calls with it are refused or wait until the lease is over",
    );
}

/// Says why a call is refused that the store did not answer, or whose record cannot be read.
#[cfg(feature = "durable")]
#[cold]
pub(super) fn broken(error: &Error) {
    static SAID: Lazy<Limiter> = Lazy::new(Limiter::default);
    let Some(withheld) = SAID.pass(error.operation(), error.kind(), Instant::now()) else { return };
    let mut causes = Vec::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    tracing::warn!(
        target: "idempotently",
        operation = error.operation(),
        error = ?error.kind(),
        cause = causes.join(": "),
        withheld,
        "a call is refused: {error}",
    );
}

/// Says that a call waits for another process.
#[cfg(feature = "durable")]
pub(super) fn waits(scope: &'static str, remaining: Duration) {
    tracing::info!(
        target: "idempotently",
        operation = scope,
        at_most = remaining.as_secs(),
        "a call waits for another process that has the key; if that is gone, for at most {} s more",
        remaining.as_secs(),
    );
}
