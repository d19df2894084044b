//! A future of a call, polled inside it.

use super::Place;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project! {
    /// Not an async function, which would hold the future twice.
    pub(crate) struct Within<'a, F> {
        place: &'a Place,
        #[pin]
        future: F,
    }
}

impl<'a, F> Within<'a, F> {
    pub(super) fn new(place: &'a Place, future: F) -> Self {
        Self { place, future }
    }
}

impl<F: Future> Future for Within<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _inside = this.place.inside();
        this.future.poll(cx)
    }
}
