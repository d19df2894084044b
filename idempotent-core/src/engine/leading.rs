//! A body that runs under a hold: polled, judged and dropped inside its execution.

use crate::context::{Entered, enter};
use crate::key::Print;
use crate::table::Lead;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A body's outcome, what was made of it, and the hold that it ran under.
pub(super) type Ended<'a, T, P, Ret, S> = (Ret, S, Option<Lead<'a, T, P>>);

pin_project! {
    pub(super) struct Leading<'a, T, P, Fut>
    where
        T: Clone,
        T: Send,
        T: Sync,
        T: 'static,
        P: Print,
    {
        #[pin]
        body: Option<Fut>,
        lead: Option<Lead<'a, T, P>>,
    }

    impl<T, P, Fut> PinnedDrop for Leading<'_, T, P, Fut>
    where
        T: Clone,
        T: Send,
        T: Sync,
        T: 'static,
        P: Print,
    {
        fn drop(this: Pin<&mut Self>) {
            this.drop_body();
        }
    }
}

impl<'a, T, P, Fut> Leading<'a, T, P, Fut>
where
    T: Clone + Send + Sync + 'static,
    P: Print,
{
    pub(super) fn begin(lead: Option<Lead<'a, T, P>>, body: Fut) -> Self {
        Self { body: Some(body), lead }
    }

    #[cfg(feature = "tokio")]
    pub(super) fn attempt(&self) -> u32 {
        self.lead.as_ref().map_or(1, Lead::attempt)
    }

    /// Drops the body, and what it borrows or owns, inside its execution, and returns the hold.
    pub(super) fn drop_body(self: Pin<&mut Self>) -> Option<Lead<'a, T, P>> {
        let mut this = self.project();
        let mut lead = this.lead.take();
        let entered = entered(lead.as_mut());
        this.body.set(None);
        drop(entered);
        lead
    }

    /// Polls the body; its outcome is judged inside the execution too.
    pub(super) fn poll_body<S>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        judge: impl FnOnce(&Fut::Output) -> S,
    ) -> Poll<Ended<'a, T, P, Fut::Output, S>>
    where
        Fut: Future,
    {
        let this = self.as_mut().project();
        // Polled again after its outcome, which no caller does twice.
        let Some(body) = this.body.as_pin_mut() else { return Poll::Pending };
        let entered = entered(this.lead.as_mut());
        let polled = body.poll(cx).map(|outcome| {
            let judged = judge(&outcome);
            (outcome, judged)
        });
        drop(entered);
        polled.map(|(outcome, judged)| (outcome, judged, self.drop_body()))
    }
}

/// The body's execution, or none where it runs unprotected.
fn entered<'l, T, P>(lead: Option<&'l mut Lead<'_, T, P>>) -> Entered<'l>
where
    T: Clone + Send + Sync + 'static,
    P: Print,
{
    lead.map_or_else(|| enter(None), Lead::enter)
}
