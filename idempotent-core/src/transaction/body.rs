//! A body inside a transaction: polled, and dropped, inside its execution.

use crate::context::{Frame, enter};
use crate::report::Place;
use pin_project_lite::pin_project;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project! {
    /// What [`Running::body`](super::Running::body) returns.
    #[doc(hidden)]
    #[must_use = "a future does nothing unless it is awaited"]
    pub struct Body<'r, F> {
        frame: Option<&'r mut Frame>,
        place: &'r Place,
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for Body<'_, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let entered = enter(this.frame.as_deref_mut());
            this.future.set(None);
            drop(entered);
        }
    }
}

impl<'r, F> Body<'r, F> {
    pub(super) fn new(frame: Option<&'r mut Frame>, place: &'r Place, body: F) -> Self {
        Self { frame, place, future: Some(body) }
    }
}

impl<F: Future> Future for Body<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let _inside = this.place.inside();
        let entered = enter(this.frame.as_deref_mut());
        let polled = this.future.as_mut().as_pin_mut().map_or(Poll::Pending, |future| future.poll(cx));
        if polled.is_ready() {
            this.future.set(None);
        }
        drop(entered);
        polled
    }
}

impl<F> fmt::Debug for Body<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}
