//! Bodies are read up to a cap, and no further.

use super::body::{BoxError, whole};
use super::problem::{Problem, ProblemKind};
use ::http::HeaderMap;
use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError};
use std::error::Error as StdError;
use std::pin::Pin;

/// What reading came to.
pub(super) enum Read<B: Body> {
    Whole(Bytes, Option<HeaderMap>),
    /// There is more than the cap: what was read, and the rest.
    Over(Bytes, Pin<Box<B>>),
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

    fn add(&mut self, more: Bytes) {
        if self.len() == 0 {
            self.first = more;
            return;
        }
        let first = std::mem::take(&mut self.first);
        self.all.extend_from_slice(&first);
        self.all.extend_from_slice(&more);
    }

    fn into_bytes(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}

/// A request's body, or what its client is told.
pub(super) async fn request<B>(body: B, cap: usize) -> Result<(Bytes, Option<HeaderMap>), Problem>
where
    B: Body<Error: Into<BoxError>>,
{
    // Who says beforehand that it is too much is not listened to.
    if body.size_hint().lower() > cap as u64 {
        return Err(Problem::new(ProblemKind::RequestTooLarge));
    }
    match read(body, cap).await {
        Read::Whole(bytes, trailers) => Ok((bytes, trailers)),
        Read::Over(..) => Err(Problem::new(ProblemKind::RequestTooLarge)),
        Read::Broken(_, error) => Err(Problem::new(unreadable(&*error.into()))),
    }
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
    use super::{Read, read, request};
    use crate::http::problem::ProblemKind;
    use bytes::Bytes;
    use futures_lite::future::block_on;
    use http_body::{Body, Frame, SizeHint};
    use http_body_util::{BodyExt, Full, Limited};
    use std::collections::VecDeque;
    use std::pin::Pin;
    use std::task::{Context, Poll};

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
