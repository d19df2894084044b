//! What axum's handlers take and return.

use super::headers::{REPLAYED, TRUE};
use super::key::{IDEMPOTENCY_KEY, IdempotencyKey};
use super::problem::{Problem, ProblemKind};
use crate::observe::How;
use ::http::Uri;
use ::http::header::{CACHE_CONTROL, HeaderValue};
use ::http::request::Parts;
use axum::body::Body;
use axum::extract::{FromRequestParts, OptionalFromRequestParts, OriginalUri};
use axum::response::{IntoResponse, IntoResponseParts, Response, ResponseParts};
use std::convert::Infallible;

/// For handlers that hand the key to an `#[idempotent]` function, instead of a layer around them.
///
/// The header is `Idempotency-Key`; without it, or with one that is no key, the request is refused with a [`Problem`].
/// `Option<IdempotencyKey>` is for handlers that do without.
///
/// ```
/// use axum::{Router, extract::Path, response::IntoResponse, routing::post};
/// use idempotently::http::{IdempotencyKey, Problem};
/// use idempotently::{idempotent, observe_async};
///
/// #[idempotent(key = (account, key), fingerprint = order, in_flight = reject)]
/// async fn charge(account: u64, key: &IdempotencyKey, order: &str) -> Result<String, Problem> {
///     Ok(format!("paid: {order}")) // runs once per account and key
/// }
///
/// async fn pay(Path(account): Path<u64>, key: IdempotencyKey, order: String) -> Result<impl IntoResponse, Problem> {
///     let seen = observe_async(charge(account, &key, &order)).await;
///     Ok((seen.how, seen.value?)) // `how` sets `Idempotent-Replayed` where it was replayed
/// }
///
/// let app: Router = Router::new().route("/accounts/{account}/charges", post(pay));
/// # let _ = app;
/// ```
impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(&parts.headers, &IDEMPOTENCY_KEY)?.ok_or_else(|| Problem::new(ProblemKind::KeyMissing))
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        Ok(Self::of(&parts.headers, &IDEMPOTENCY_KEY)?)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        Self::into_response::<Body>(self)
    }
}

/// What the client asked for, before a nested router took its prefix away.
pub(super) fn original_uri(parts: &Parts) -> &Uri {
    parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0)
}

/// Where a call was answered by an earlier one, its response says so: `Idempotent-Replayed: true` and
/// `Cache-Control: no-store`.
impl IntoResponseParts for How {
    type Error = Infallible;

    fn into_response_parts(self, mut response: ResponseParts) -> Result<ResponseParts, Infallible> {
        if matches!(self, Self::Replayed | Self::Joined) {
            response.headers_mut().insert(REPLAYED, TRUE);
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        Ok(response)
    }
}
