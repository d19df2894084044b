//! A future that is made by its first poll, so that making it is part of the execution too.

use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project! {
    /// A function that returns a future by hand runs code before that future is polled.
    pub(crate) struct Deferred<F, Fut> {
        make: Option<F>,
        #[pin]
        made: Option<Fut>,
    }
}

impl<F: FnOnce() -> Fut, Fut> Deferred<F, Fut> {
    pub(crate) fn new(make: F) -> Self {
        Self { make: Some(make), made: None }
    }
}

impl<F: FnOnce() -> Fut, Fut: Future> Future for Deferred<F, Fut> {
    type Output = Fut::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Fut::Output> {
        let mut this = self.project();
        if let Some(make) = this.make.take() {
            this.made.set(Some(make()));
        }
        // None only where making it panicked, which nobody polls again.
        this.made.as_pin_mut().map_or(Poll::Pending, |made| made.poll(cx))
    }
}
