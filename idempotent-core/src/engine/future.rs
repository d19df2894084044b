//! Calls of functions that are awaited.
//!
//! All but the body's own polling is in [`Seek`], which is made once for each kind of record and not for each function.

use super::waiting::{Waited, Waiting};
use super::{Ask, Begun, begin};
use crate::context::{Entered, enter};
use crate::error::Error;
use crate::key::Print;
use crate::observe::How;
use crate::outcome::{Keep, Plan, cannot_refuse};
use crate::policy::Retention;
use crate::report::Place;
use crate::table::{Lead, Settled, TableRef};
use pin_project_lite::pin_project;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// How a call stands that is awaited.
pub(crate) enum Seek<'a, T: Clone + Send + Sync + 'static, P: Print> {
    Answered(T, How),
    Refused(Error),
    Following(Waiting<'a, T, P>),
    Leading(Lead<'a, T, P>),
    /// The body runs without a record.
    Unprotected,
    Over,
}

/// What is next for a call that is polled.
enum Turn<T> {
    Body,
    Answer(T, How),
    Refuse(Error),
    /// It is polled again after its end, which no caller does.
    Over,
}

impl<'a, T: Clone + Send + Sync + 'static, P: Print> Seek<'a, T, P> {
    /// Begins a call that was not a replay.
    pub(crate) fn begin(table: TableRef<'a, T, P>, ask: &Ask<'_, P>) -> Self {
        let in_flight = table.in_flight();
        match begin(table, ask, in_flight) {
            Begun::Kept(kept) => Self::Answered(kept, How::Replayed),
            Begun::Lead(lead) => Self::Leading(lead),
            Begun::Follow(follow) => Self::Following(Waiting::new(follow, in_flight)),
            Begun::Unprotected => Self::Unprotected,
            Begun::Refused(error) => Self::Refused(error),
        }
    }

    /// Panics where the call is refused and its function cannot say so: here, where the caller is known.
    #[inline]
    #[track_caller]
    pub(crate) fn or_panic(self, can_refuse: bool) -> Self {
        match self {
            Self::Refused(error) if !can_refuse => cannot_refuse(&error),
            sought => sought,
        }
    }

    #[inline(never)]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Turn<T>> {
        if let Self::Following(waiting) = self {
            *self = match ready!(waiting.poll(cx)) {
                Waited::Landed(kept) => Self::Answered(kept, How::Joined),
                Waited::Seated(lead) => Self::Leading(lead),
                Waited::TimedOut(error) => Self::Refused(error),
            };
        }
        if let Self::Leading(_) | Self::Unprotected = self {
            return Poll::Ready(Turn::Body);
        }
        Poll::Ready(match std::mem::replace(self, Self::Over) {
            Self::Answered(kept, how) => Turn::Answer(kept, how),
            Self::Refused(error) => Turn::Refuse(error),
            _ => Turn::Over,
        })
    }

    #[inline]
    fn attempt(&self) -> u32 {
        if let Self::Leading(lead) = self { lead.attempt() } else { 1 }
    }

    /// The body's execution, where it may have begun.
    #[inline(never)]
    fn enter(&mut self) -> Option<Entered<'_>> {
        match self {
            Self::Leading(lead) => Some(lead.enter()),
            Self::Unprotected => Some(enter(None)),
            _ => None,
        }
    }

    /// Ends the execution.
    #[inline(never)]
    fn settle(&mut self, settled: Settled<T>, retention: Option<Retention>) -> How {
        match std::mem::replace(self, Self::Over) {
            Self::Leading(lead) => {
                lead.settle(settled, retention);
                How::Executed
            }
            _ => How::Unprotected,
        }
    }
}

pin_project! {
    /// A call that is awaited.
    ///
    /// Dropping it stops waiting; where it leads, the body is dropped with it and a waiting caller takes over.
    #[must_use = "a future does nothing unless it is awaited"]
    pub(crate) struct Run<'a, Ret, P, K, Fut>
    where
        P: Print,
        K: Keep<Ret>,
        K::Kept: Clone,
        K::Kept: Send,
        K::Kept: Sync,
        K::Kept: 'static,
    {
        #[pin]
        body: Option<Fut>,
        seek: Seek<'a, K::Kept, P>,
        plan: Plan<Ret, K>,
        retention: Option<Retention>,
        place: Place,
    }

    impl<Ret, P, K, Fut> PinnedDrop for Run<'_, Ret, P, K, Fut>
    where
        P: Print,
        K: Keep<Ret>,
        K::Kept: Clone,
        K::Kept: Send,
        K::Kept: Sync,
        K::Kept: 'static,
    {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // What the body borrows or owns is dropped inside its execution.
            let entered = this.seek.enter();
            this.body.set(None);
            drop(entered);
        }
    }
}

impl<'a, Ret, P, K, Fut> Run<'a, Ret, P, K, Fut>
where
    P: Print,
    K: Keep<Ret, Kept: Clone + Send + Sync + 'static>,
{
    #[inline]
    pub(crate) fn new(
        seek: Seek<'a, K::Kept, P>,
        plan: Plan<Ret, K>,
        body: Fut,
        retention: Option<Retention>,
        place: Place,
    ) -> Self {
        Self { body: Some(body), seek, plan, retention, place }
    }
}

impl<Ret, P, K, Fut> Future for Run<'_, Ret, P, K, Fut>
where
    P: Print,
    K: Keep<Ret, Kept: Clone + Send + Sync + 'static>,
    Fut: Future<Output = Ret>,
{
    type Output = Ret;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ret> {
        let mut this = self.project();
        let _inside = this.place.inside();
        let (answer, how) = match (ready!(this.seek.poll(cx)), this.body.as_mut().as_pin_mut()) {
            (Turn::Body, Some(body)) => {
                this.place.begins(this.seek.attempt());
                let entered = this.seek.enter();
                let outcome = ready!(body.poll(cx));
                let settled = this.plan.keep.settle(&outcome);
                this.place.kept(settled.is_kept());
                this.body.set(None);
                drop(entered);
                (outcome, this.seek.settle(settled, *this.retention))
            }
            (Turn::Answer(kept, how), _) => (K::revive(kept), how),
            (Turn::Refuse(error), _) => {
                this.place.refused(&error);
                (this.plan.refusal().refuse(error), How::Refused)
            }
            (Turn::Body | Turn::Over, _) => return Poll::Pending,
        };
        this.place.tell(how);
        Poll::Ready(answer)
    }
}

impl<Ret, P, K, Fut> fmt::Debug for Run<'_, Ret, P, K, Fut>
where
    P: Print,
    K: Keep<Ret, Kept: Clone + Send + Sync + 'static>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").finish_non_exhaustive()
    }
}
