//! Calls of functions that are awaited.

use super::waiting::{Waited, Waiting};
use super::{Ask, Begun, begin};
use crate::key::Print;
use crate::observe::{How, Place};
use crate::outcome::{Keep, Plan};
use crate::policy::Retention;
use crate::table::{Lead, TableRef};
use pin_project_lite::pin_project;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// A call that is awaited.
    ///
    /// Dropping it stops waiting; where it leads, the body is dropped with it and a waiting caller takes over.
    #[must_use = "a future does nothing unless it is awaited"]
    pub(crate) struct Run<'a, Ret, P, K, F, Fut>
    where
        P: Print,
        K: Keep<Ret>,
        K::Kept: Clone,
        K::Kept: Send,
        K::Kept: Sync,
        K::Kept: 'static,
    {
        #[pin]
        stage: Stage<'a, Ret, K::Kept, P, F, Fut>,
        plan: Plan<Ret, K>,
        retention: Option<Retention>,
        place: Place,
    }

    impl<Ret, P, K, F, Fut> PinnedDrop for Run<'_, Ret, P, K, F, Fut>
    where
        P: Print,
        K: Keep<Ret>,
        K::Kept: Clone,
        K::Kept: Send,
        K::Kept: Sync,
        K::Kept: 'static,
    {
        fn drop(this: Pin<&mut Self>) {
            this.project().stage.drop_body();
        }
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<'a, Ret, T, P, F, Fut>
    where
        T: Clone,
        T: Send,
        T: Sync,
        T: 'static,
        P: Print,
    {
        Answered { answer: Option<(Ret, How)> },
        Following { waiting: Waiting<'a, T, P>, body: Option<F> },
        Leading { #[pin] body: Fut, lead: Option<Lead<'a, T, P>> },
    }
}

impl<'a, Ret, T, P, F, Fut> Stage<'a, Ret, T, P, F, Fut>
where
    T: Clone + Send + Sync + 'static,
    P: Print,
{
    /// Drops the body, and what it borrows or owns, inside its execution, and returns the hold.
    fn drop_body(mut self: Pin<&mut Self>) -> Option<Lead<'a, T, P>> {
        let StageProjection::Leading { lead, .. } = self.as_mut().project() else { return None };
        let mut lead = lead.take();
        let entered = lead.as_mut().map(Lead::enter);
        self.set(Self::Answered { answer: None });
        drop(entered);
        lead
    }
}

impl<'a, Ret, T, P, F, Fut> Stage<'a, Ret, T, P, F, Fut>
where
    T: Clone + Send + Sync + 'static,
    P: Print,
    F: FnOnce() -> Fut,
{
    fn answered(answer: Ret, how: How) -> Self {
        Self::Answered { answer: Some((answer, how)) }
    }

    /// The body begins in its execution, since a function that returns a future by hand runs code before the first poll.
    fn leading(mut lead: Lead<'a, T, P>, body: F) -> Self {
        let entered = lead.enter();
        let body = body();
        drop(entered);
        Self::Leading { body, lead: Some(lead) }
    }
}

/// Begins a call that was not a replay.
#[track_caller]
pub(crate) fn run_async<'a, Ret, P, K, F, Fut>(
    table: TableRef<'a, K::Kept, P>,
    ask: &Ask<P>,
    plan: Plan<Ret, K>,
    body: F,
    place: Place,
) -> Run<'a, Ret, P, K, F, Fut>
where
    P: Print,
    K: Keep<Ret, Kept: Clone + Send + Sync + 'static>,
    F: FnOnce() -> Fut,
    Fut: Future<Output = Ret>,
{
    let in_flight = table.in_flight();
    let stage = match begin(table, ask, in_flight) {
        Begun::Kept(kept) => Stage::answered(K::revive(kept), How::Replayed),
        Begun::Lead(lead) => Stage::leading(lead, body),
        Begun::Follow(follow) => Stage::Following { waiting: Waiting::new(follow, in_flight), body: Some(body) },
        Begun::Unprotected => Stage::Leading { body: body(), lead: None },
        Begun::Refused(error) => Stage::answered(plan.refusal().refuse(error), How::Refused),
    };
    Run { stage, plan, retention: ask.retention, place }
}

impl<Ret, P, K, F, Fut> Run<'_, Ret, P, K, F, Fut>
where
    P: Print,
    K: Keep<Ret, Kept: Clone + Send + Sync + 'static>,
    F: FnOnce() -> Fut,
{
    /// A call that is answered before it is awaited.
    #[inline]
    pub(crate) fn answered(answer: Ret, how: How, plan: Plan<Ret, K>, place: Place) -> Self {
        Run { stage: Stage::answered(answer, how), plan, retention: None, place }
    }
}

impl<Ret, P, K, F, Fut> Future for Run<'_, Ret, P, K, F, Fut>
where
    P: Print,
    K: Keep<Ret, Kept: Clone + Send + Sync + 'static>,
    F: FnOnce() -> Fut,
    Fut: Future<Output = Ret>,
{
    type Output = Ret;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ret> {
        let mut this = self.project();
        let (answer, how) = loop {
            let next = match this.stage.as_mut().project() {
                StageProjection::Answered { answer } => match answer.take() {
                    Some(answer) => break answer,
                    // Polled again after its answer, which no caller does twice.
                    None => return Poll::Pending,
                },
                StageProjection::Leading { body, lead } => {
                    let Some(holder) = lead else { break (ready!(body.poll(cx)), How::Unprotected) };
                    let entered = holder.enter();
                    let polled = body.poll(cx);
                    let settled = polled.map(|outcome| (this.plan.keep.settle(&outcome), outcome));
                    drop(entered);
                    let (settled, outcome) = ready!(settled);
                    if let Some(lead) = this.stage.as_mut().drop_body() {
                        lead.settle(settled, *this.retention);
                    }
                    break (outcome, How::Executed);
                }
                StageProjection::Following { waiting, body } => match (ready!(waiting.poll(cx)), body.take()) {
                    (Waited::Landed(kept), _) => break (K::revive(kept), How::Joined),
                    (Waited::TimedOut(error), _) => break (this.plan.refusal().refuse(error), How::Refused),
                    (Waited::Seated(lead), Some(body)) => Stage::leading(lead, body),
                    (Waited::Seated(_), None) => return Poll::Pending,
                },
            };
            this.stage.set(next);
        };
        this.place.tell(how);
        Poll::Ready(answer)
    }
}

impl<Ret, P, K, F, Fut> fmt::Debug for Run<'_, Ret, P, K, F, Fut>
where
    P: Print,
    K: Keep<Ret, Kept: Clone + Send + Sync + 'static>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").finish_non_exhaustive()
    }
}
