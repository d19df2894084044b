//! The bodies that go through the layer.

use super::limits::Permit;
use ::http::HeaderMap;
use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use pin_project_lite::pin_project;
use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Any error of a body.
pub(super) type BoxError = Box<dyn StdError + Send + Sync>;

/// The body of a request as the service behind the layer gets it: read already where there is a key, as it comes
/// otherwise.
pub struct RequestBody(Request);

enum Request {
    Passed(UnsyncBoxBody<Bytes, BoxError>),
    // Its memory counts until the handler takes it.
    Read { parts: Parts, memory: Option<Permit> },
}

/// What is left of a body that was read.
#[derive(Default)]
struct Parts {
    bytes: Bytes,
    trailers: Option<HeaderMap>,
}

impl Parts {
    fn next<E>(&mut self) -> Option<Result<Frame<Bytes>, E>> {
        if !self.bytes.is_empty() {
            return Some(Ok(Frame::data(std::mem::take(&mut self.bytes))));
        }
        self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers)))
    }

    fn is_end(&self) -> bool {
        self.bytes.is_empty() && self.trailers.is_none()
    }

    fn size(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}

impl RequestBody {
    pub(super) fn passed<B>(body: B) -> Self
    where
        B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        Self(Request::Passed(AsBytes { body }.boxed_unsync()))
    }

    pub(super) fn read(bytes: Bytes, trailers: Option<HeaderMap>, memory: Option<Permit>) -> Self {
        Self(Request::Read { parts: Parts { bytes, trailers }, memory })
    }
}

pin_project! {
    /// Any body, as the service behind the layer gets it.
    struct AsBytes<B> {
        #[pin]
        body: B,
    }
}

impl<B: Body<Error: Into<BoxError>>> Body for AsBytes<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let own = |frame: Frame<B::Data>| frame.map_data(whole);
        self.project().body.poll_frame(cx).map(|frame| frame.map(|frame| frame.map(own).map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A buffer as bytes, which it is already where it is one.
pub(super) fn whole(mut data: impl Buf) -> Bytes {
    data.copy_to_bytes(data.remaining())
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.get_mut().0 {
            Request::Passed(body) => Pin::new(body).poll_frame(cx),
            Request::Read { parts, memory } => {
                *memory = None;
                Poll::Ready(parts.next())
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Request::Passed(body) => body.is_end_stream(),
            Request::Read { parts, .. } => parts.is_end(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Request::Passed(body) => body.size_hint(),
            Request::Read { parts, .. } => parts.size(),
        }
    }
}

#[cfg(feature = "axum")]
impl From<RequestBody> for axum::body::Body {
    fn from(body: RequestBody) -> Self {
        Self::new(body)
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").finish_non_exhaustive()
    }
}

pin_project! {
    /// The body of a response: the service's own as it comes, or one that was kept.
    pub struct ResponseBody<B: Body> {
        #[pin]
        from: Source<B>,
    }
}

pin_project! {
    #[project = SourceProject]
    enum Source<B: Body> {
        Passed { #[pin] body: B },
        Whole { parts: Parts },
        // What was read of a body that was not read to its end, and then the rest of it or its error.
        Rest { parts: Parts, error: Option<B::Error>, rest: Option<Pin<Box<B>>> },
    }
}

impl<B: Body> ResponseBody<B> {
    pub(super) fn passed(body: B) -> Self {
        Self { from: Source::Passed { body } }
    }

    pub(super) fn whole(bytes: Bytes, trailers: Option<HeaderMap>) -> Self {
        Self { from: Source::Whole { parts: Parts { bytes, trailers } } }
    }

    pub(super) fn rest(bytes: Bytes, rest: Pin<Box<B>>) -> Self {
        Self { from: Source::Rest { parts: Parts { bytes, trailers: None }, error: None, rest: Some(rest) } }
    }

    pub(super) fn broken(bytes: Bytes, error: B::Error) -> Self {
        Self { from: Source::Rest { parts: Parts { bytes, trailers: None }, error: Some(error), rest: None } }
    }
}

impl<B: Body> From<String> for ResponseBody<B> {
    fn from(text: String) -> Self {
        Self::whole(text.into(), None)
    }
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let own = |frame: Frame<B::Data>| frame.map_data(whole);
        match self.project().from.project() {
            SourceProject::Passed { body } => body.poll_frame(cx).map(|frame| frame.map(|frame| frame.map(own))),
            SourceProject::Whole { parts } => Poll::Ready(parts.next()),
            SourceProject::Rest { parts, error, rest } => {
                if let Some(frame) = parts.next() {
                    return Poll::Ready(Some(frame));
                }
                if let Some(error) = error.take() {
                    return Poll::Ready(Some(Err(error)));
                }
                match rest {
                    Some(rest) => rest.as_mut().poll_frame(cx).map(|frame| frame.map(|frame| frame.map(own))),
                    None => Poll::Ready(None),
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.from {
            Source::Passed { body } => body.is_end_stream(),
            Source::Whole { parts } => parts.is_end(),
            Source::Rest { parts, error, rest } => {
                parts.is_end() && error.is_none() && rest.as_ref().is_none_or(Body::is_end_stream)
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.from {
            Source::Passed { body } => body.size_hint(),
            Source::Whole { parts } => parts.size(),
            Source::Rest { parts, rest: Some(rest), .. } => {
                let (read, rest) = (parts.bytes.len() as u64, rest.size_hint());
                let mut size = SizeHint::new();
                size.set_lower(read.saturating_add(rest.lower()));
                if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(read)) {
                    size.set_upper(upper);
                }
                size
            }
            Source::Rest { .. } => SizeHint::default(),
        }
    }
}

impl<B: Body> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{RequestBody, ResponseBody};
    use ::http::HeaderMap;
    use ::http::header::{ETAG, HeaderValue};
    use bytes::Bytes;
    use futures_lite::future::block_on;
    use http_body::Body;
    use http_body_util::{BodyExt, Full};

    type Replayed = ResponseBody<Full<Bytes>>;

    /// What a body says of its length, and what it then is: its bytes, and whether it has trailers.
    fn all(body: impl Body<Data = Bytes>) -> (Option<u64>, Bytes, bool) {
        let told = body.size_hint().exact();
        let collected = block_on(body.collect()).unwrap_or_else(|_| unreachable!());
        let has_trailers = collected.trailers().is_some();
        (told, collected.to_bytes(), has_trailers)
    }

    #[test]
    fn it_is_as_long_as_it_says() {
        let trailers = || Some(HeaderMap::from_iter([(ETAG, HeaderValue::from_static("1"))]));
        let bytes = || Bytes::from_static(b"abc");
        assert_eq!(all(Replayed::whole(bytes(), None)), (Some(3), bytes(), false));
        assert_eq!(all(Replayed::whole(bytes(), trailers())), (Some(3), bytes(), true));
        assert_eq!(all(RequestBody::read(bytes(), trailers(), None)), (Some(3), bytes(), true));
        assert_eq!(all(RequestBody::passed(Full::new(bytes()))), (Some(3), bytes(), false));
        assert_eq!(all(Replayed::passed(Full::new(bytes()))), (Some(3), bytes(), false));
        let rest = Box::pin(Full::from("def"));
        assert_eq!(all(Replayed::rest(bytes(), rest)), (Some(6), Bytes::from_static(b"abcdef"), false));
    }

    #[test]
    fn what_is_empty_is_known_to_be() {
        assert!(Replayed::whole(Bytes::new(), None).is_end_stream());
        assert!(RequestBody::read(Bytes::new(), None, None).is_end_stream());
        assert!(!Replayed::whole(Bytes::new(), Some(HeaderMap::new())).is_end_stream());
        assert!(!Replayed::rest(Bytes::new(), Box::pin(Full::from("d"))).is_end_stream());
    }
}
