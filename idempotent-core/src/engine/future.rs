//! Calls of functions that are awaited.

use super::leading::Leading;
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
        Leading { #[pin] leading: Leading<'a, T, P, Fut> },
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

    fn leading(lead: Option<Lead<'a, T, P>>, body: F) -> Self {
        Self::Leading { leading: Leading::begin(lead, body) }
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
        Begun::Lead(lead) => Stage::leading(Some(lead), body),
        Begun::Follow(follow) => Stage::Following { waiting: Waiting::new(follow, in_flight), body: Some(body) },
        Begun::Unprotected => Stage::leading(None, body),
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
                StageProjection::Leading { leading } => {
                    let keep = &this.plan.keep;
                    let (outcome, settled, lead) = ready!(leading.poll_body(cx, |outcome| keep.settle(outcome)));
                    let Some(lead) = lead else { break (outcome, How::Unprotected) };
                    lead.settle(settled, *this.retention);
                    break (outcome, How::Executed);
                }
                StageProjection::Following { waiting, body } => match (ready!(waiting.poll(cx)), body.take()) {
                    (Waited::Landed(kept), _) => break (K::revive(kept), How::Joined),
                    (Waited::TimedOut(error), _) => break (this.plan.refusal().refuse(error), How::Refused),
                    (Waited::Seated(lead), Some(body)) => Stage::leading(Some(lead), body),
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
