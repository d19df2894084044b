//! Bodies are read up to a cap, and no further.

use super::body::{BoxError, whole};
use super::grpc;
use super::limits::Permit;
use super::problem::{Problem, ProblemKind};
use ::http::HeaderMap;
use bytes::{Bytes, BytesMut};
use futures_timer::Delay;
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError};
use std::error::Error as StdError;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

/// How long an answer of gRPC may be silent before its end, unless it is a stream.
const MAX_SILENCE: Duration = Duration::from_millis(100);

/// What reading came to.
pub(super) enum Read<B: Body> {
    Whole(Bytes, Option<HeaderMap>),
    /// There is more than the cap: what was read, and the rest.
    Over(Bytes, Pin<Box<B>>),
    /// It is a stream: what was read, and the rest.
    Streamed(Bytes, Pin<Box<B>>),
    /// It broke off after this.
    Broken(Bytes, B::Error),
}

/// Reads a body, and stops with the frame that goes over the cap.
pub(super) async fn read<B: Body>(body: B, cap: usize) -> Read<B> {
    let mut body = Box::pin(body);
    let mut bytes = Gathered::default();
    let mut trailers = None;
    while let Some(frame) = body.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return Read::Broken(bytes.into_bytes(), error),
        };
        match frame.into_data() {
            Ok(data) => bytes.add(whole(data)),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
        if bytes.len() > cap {
            return Read::Over(bytes.into_bytes(), body);
        }
    }
    Read::Whole(bytes.into_bytes(), trailers)
}

/// Reads the one message of an answer of gRPC, and stops where there are more, or where the end does not follow.
pub(super) async fn read_unary<B: Body>(body: B, cap: usize) -> Read<B> {
    let mut body = Box::pin(body);
    let mut bytes = Gathered::default();
    let mut trailers = None;
    loop {
        let frame = match within(Some(MAX_SILENCE), body.frame()).await {
            None => return Read::Streamed(bytes.into_bytes(), body),
            Some(None) => return Read::Whole(bytes.into_bytes(), trailers),
            Some(Some(Err(error))) => return Read::Broken(bytes.into_bytes(), error),
            Some(Some(Ok(frame))) => frame,
        };
        match frame.into_data() {
            Ok(data) => bytes.add(whole(data)),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
        if bytes.len() > cap {
            return Read::Over(bytes.into_bytes(), body);
        }
        if grpc::end_of_message(bytes.as_bytes()).is_some_and(|end| bytes.len() > end) {
            return Read::Streamed(bytes.into_bytes(), body);
        }
    }
}

/// What comes within a span of time; the clock is looked at only by who has to wait.
async fn within<T>(span: Option<Duration>, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut timer = None;
    // A span beyond what the clock counts is none.
    let span = span.filter(|span| Instant::now().checked_add(*span).is_some());
    poll_fn(|cx| {
        if let Poll::Ready(done) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        let Some(span) = span else { return Poll::Pending };
        let timer = timer.get_or_insert_with(|| Delay::new(span));
        Pin::new(timer).poll(cx).map(|()| None)
    })
    .await
}

/// Bytes in the order in which they came; the only piece of a body is not copied.
#[derive(Default)]
struct Gathered {
    first: Bytes,
    all: BytesMut,
}

impl Gathered {
    fn len(&self) -> usize {
        self.first.len() + self.all.len()
    }

    /// How much memory they take.
    fn held(&self) -> usize {
        self.first.len() + self.all.capacity()
    }

    fn as_bytes(&self) -> &[u8] {
        if self.all.is_empty() { &self.first } else { &self.all }
    }

    fn add(&mut self, more: Bytes) {
        if self.len() == 0 {
            self.first = more;
            return;
        }
        self.own();
        self.all.extend_from_slice(&more);
    }

    /// Copies the first piece, which may keep a larger buffer of the connection alive.
    fn own(&mut self) {
        let first = std::mem::take(&mut self.first);
        self.all.extend_from_slice(&first);
    }

    fn into_bytes(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}

/// What a request's body may take.
pub(super) struct Bounds {
    /// The most bytes that it may have.
    pub(super) max: usize,
    /// How long its upload may take.
    pub(super) timeout: Option<Duration>,
    /// The memory for it.
    pub(super) memory: Permit,
}

/// A request's body that was read to its end.
pub(super) struct Uploaded {
    pub(super) bytes: Bytes,
    pub(super) trailers: Option<HeaderMap>,
    pub(super) memory: Permit,
}

/// A request's body, or what its client is told.
pub(super) async fn request<B>(body: B, bounds: Bounds) -> Result<Uploaded, Problem>
where
    B: Body<Error: Into<BoxError>>,
{
    // A client that says beforehand that it is too much is not listened to.
    if body.size_hint().lower() > bounds.max as u64 {
        return Err(Problem::new(ProblemKind::RequestTooLarge));
    }
    match within(bounds.timeout, upload(body, bounds.max, bounds.memory)).await {
        Some(read) => read.map_err(Problem::new),
        None => Err(Problem::new(ProblemKind::UploadTimedOut)),
    }
}

async fn upload<B>(body: B, max: usize, mut memory: Permit) -> Result<Uploaded, ProblemKind>
where
    B: Body<Error: Into<BoxError>>,
{
    // HTTP/2 can end a body early without an error.
    let told = body.size_hint().lower();
    let mut body = pin!(body);
    let mut bytes = Gathered::default();
    let mut trailers = None;
    while let Some(frame) = body.frame().await {
        match frame.map_err(|error| unreadable(&*error.into()))?.into_data() {
            Ok(data) => bytes.add(whole(data)),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
        if bytes.len() > max {
            return Err(ProblemKind::RequestTooLarge);
        }
        if !body.is_end_stream() {
            bytes.own();
        }
        if !memory.grow_to(bytes.held()) {
            return Err(ProblemKind::Overloaded);
        }
    }
    if (bytes.len() as u64) < told {
        return Err(ProblemKind::RequestUnreadable);
    }
    Ok(Uploaded { bytes: bytes.into_bytes(), trailers, memory })
}

/// A layer outside this one may have a cap of its own.
fn unreadable(error: &(dyn StdError + 'static)) -> ProblemKind {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return ProblemKind::RequestTooLarge;
        }
        cause = error.source();
    }
    ProblemKind::RequestUnreadable
}

#[cfg(test)]
mod tests {
    use super::{Bounds, Read, Uploaded, read, read_unary};
    use crate::http::body::BoxError;
    use crate::http::limits::Limits;
    use crate::http::problem::{Problem, ProblemKind};
    use bytes::Bytes;
    use futures_lite::future::block_on;
    use http_body::{Body, Frame, SizeHint};
    use http_body_util::{BodyExt, Full, Limited};
    use std::collections::VecDeque;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::Duration;

    async fn request(body: impl Body<Error: Into<BoxError>>, max: usize) -> Result<Uploaded, Problem> {
        let limits = Limits::new((1, 1), (100, 100));
        let memory = limits.bytes.take(limits.caller("one"), 0).unwrap_or_else(|| unreachable!());
        super::request(body, Bounds { max, timeout: Some(Duration::from_millis(1)), memory }).await
    }

    /// Pieces, and an error where one is `None`.
    struct Pieces(VecDeque<Option<&'static str>>);

    impl Pieces {
        fn new(pieces: &[Option<&'static str>]) -> Self {
            Self(pieces.iter().copied().collect())
        }
    }

    impl Body for Pieces {
        type Data = Bytes;
        type Error = std::fmt::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            let piece = self.0.pop_front();
            Poll::Ready(piece.map(|piece| piece.map(|text| Frame::data(text.into())).ok_or(std::fmt::Error)))
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::default()
        }
    }

    #[test]
    fn it_ends_with_the_body_or_the_cap() {
        let pieces = |pieces| block_on(read(Pieces::new(pieces), 4));
        assert!(matches!(pieces(&[]), Read::Whole(bytes, None) if bytes.is_empty()));
        assert!(matches!(pieces(&[Some("abcd")]), Read::Whole(bytes, None) if bytes == "abcd"));
        assert!(
            matches!(pieces(&[Some("a"), Some(""), Some("bc"), Some("d")]), Read::Whole(bytes, None) if bytes == "abcd")
        );
        assert!(matches!(pieces(&[Some("ab"), None, Some("c")]), Read::Broken(bytes, _) if bytes == "ab"));
        let over = pieces(&[Some("ab"), Some("cde"), Some("f"), Some("g")]);
        let Read::Over(read, rest) = over else { unreachable!() };
        assert_eq!(read, "abcde");
        let rest = block_on(rest.collect()).map(http_body_util::Collected::to_bytes);
        assert!(rest.is_ok_and(|rest| rest == "fg"), "the rest is still there");
    }

    /// One message of gRPC.
    const ONE: &str = "\0\0\0\0\x02ab";

    /// It says a length, and ends or is silent after less.
    struct Short {
        bytes: Option<&'static str>,
        ends: bool,
    }

    impl Body for Short {
        type Data = Bytes;
        type Error = std::fmt::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            match self.bytes.take() {
                None if !self.ends => Poll::Pending,
                bytes => Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes.into())))),
            }
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(18)
        }
    }

    #[test]
    fn what_is_shorter_than_it_says_is_not_taken_for_whole() {
        let kind = |ends| {
            let refused = block_on(request(Short { bytes: Some("to=bob&amount=10"), ends }, 100));
            refused.err().map(|problem| problem.kind())
        };
        assert_eq!(kind(true), Some(ProblemKind::RequestUnreadable));
        assert_eq!(kind(false), Some(ProblemKind::UploadTimedOut));
    }

    #[test]
    fn memory_is_bounded_for_bodies_whose_length_is_not_told() {
        let long = "x".repeat(60).leak();
        let refused = block_on(request(Pieces::new(&[Some(long), Some(long)]), 1000));
        assert_eq!(refused.err().map(|problem| problem.kind()), Some(ProblemKind::Overloaded));
    }

    #[test]
    fn one_message_is_an_answer_and_two_are_a_stream() {
        let pieces = |pieces| block_on(read_unary(Pieces::new(pieces), 100));
        assert!(matches!(pieces(&[Some(ONE)]), Read::Whole(bytes, None) if bytes == ONE));
        assert!(matches!(pieces(&[Some("\0\0\0"), Some("\0\x02a"), Some("b")]), Read::Whole(bytes, _) if bytes == ONE));
        assert!(matches!(pieces(&[Some(ONE), Some("\0")]), Read::Streamed(bytes, _) if bytes.len() == 8));
        assert!(matches!(pieces(&[Some(ONE), None]), Read::Broken(bytes, _) if bytes == ONE));
    }

    #[test]
    fn a_length_that_is_told_is_believed_before_anything_is_read() {
        let problem = |body: Full<Bytes>| block_on(request(body, 4)).map_err(|problem| problem.kind());
        assert!(problem(Full::from("abcd")).is_ok());
        assert_eq!(problem(Full::from("abcde")).err(), Some(ProblemKind::RequestTooLarge));
    }

    #[test]
    fn a_cap_outside_is_a_cap_too() {
        let limited = Limited::new(Pieces::new(&[Some("abc"), Some("def")]), 4);
        let refused = block_on(request(limited, 100)).map_err(|problem| problem.kind());
        assert_eq!(refused.err(), Some(ProblemKind::RequestTooLarge));
        let broken = block_on(request(Pieces::new(&[None]), 100)).map_err(|problem| problem.kind());
        assert_eq!(broken.err(), Some(ProblemKind::RequestUnreadable));
    }
}
