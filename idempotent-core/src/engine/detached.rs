//! Calls whose body runs in a task of its own, so that a caller that goes away does not stop it half way.

use super::leading::Leading;
use super::waiting::{Waited, Waiting};
use super::{Ask, Begun, begin};
use crate::context::Ancestors;
use crate::error::{Error, ErrorKind};
use crate::key::Print;
use crate::observe::{How, Place};
use crate::outcome::{Keep, Plan, Refuse};
use crate::policy::Retention;
#[cfg(feature = "testing")]
use crate::realm::{self, Realm};
use crate::table::{Lead, TableRef};
use pin_project_lite::pin_project;
use std::fmt;
use std::marker::PhantomData;
use std::panic::resume_unwind;
use std::pin::Pin;
#[cfg(feature = "testing")]
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// A call whose body runs in a task of its own. Dropping it stops waiting; the body goes on.
#[must_use = "a future does nothing unless it is awaited"]
pub(crate) struct RunDetached<Ret, P, K, Fut>
where
    P: Print,
    K: Keep<Ret, Kept: Clone + Send + Sync + 'static>,
{
    stage: Stage<Ret, K::Kept, P>,
    // Taken when the body is spawned.
    parts: Option<(K, Fut)>,
    refuse: Refuse<Ret>,
    scope: &'static str,
    retention: Option<Retention>,
    place: Place,
}

enum Stage<Ret, T: Clone + Send + Sync + 'static, P: Print> {
    Answered(Option<(Ret, How)>),
    Following(Waiting<'static, T, P>),
    Running(JoinHandle<Ret>, How),
}

// Nothing in it is pinned: the body lives in its task.
impl<Ret, P, K, Fut> Unpin for RunDetached<Ret, P, K, Fut>
where
    P: Print,
    K: Keep<Ret, Kept: Clone + Send + Sync + 'static>,
{
}

/// Begins a detached call that was not a replay.
#[track_caller]
pub(crate) fn run_detached<Ret, P, K, Fut>(
    table: TableRef<'static, K::Kept, P>,
    ask: &Ask<P>,
    plan: Plan<Ret, K>,
    body: Fut,
    place: Place,
) -> RunDetached<Ret, P, K, Fut>
where
    P: Print,
    K: Keep<Ret, Kept: Clone + Send + Sync + 'static> + Send + 'static,
    Fut: Future<Output = Ret> + Send + 'static,
    Ret: Send + 'static,
{
    let scope = table.scope();
    let mut run = RunDetached {
        stage: Stage::Answered(None),
        refuse: plan.refusal(),
        parts: Some((plan.keep, body)),
        scope,
        retention: ask.retention,
        place,
    };
    let in_flight = table.in_flight();
    run.stage = match begin(table, ask, in_flight) {
        Begun::Kept(kept) => Stage::Answered(Some((K::revive(kept), How::Replayed))),
        Begun::Lead(lead) => run.spawn(Some(lead)),
        Begun::Unprotected => run.spawn(None),
        Begun::Follow(follow) => Stage::Following(Waiting::new(follow, in_flight)),
        Begun::Refused(error) => Stage::Answered(Some((run.refuse.refuse(error), How::Refused))),
    };
    run
}

impl<Ret, P, K, Fut> RunDetached<Ret, P, K, Fut>
where
    P: Print,
    K: Keep<Ret, Kept: Clone + Send + Sync + 'static>,
{
    /// A call that is answered before it is awaited.
    #[inline]
    pub(crate) fn answered(answer: Ret, how: How, refuse: Refuse<Ret>, scope: &'static str, place: Place) -> Self {
        let stage = Stage::Answered(Some((answer, how)));
        RunDetached { stage, parts: None, refuse, scope, retention: None, place }
    }
}

impl<Ret, P, K, Fut> RunDetached<Ret, P, K, Fut>
where
    P: Print,
    K: Keep<Ret, Kept: Clone + Send + Sync + 'static> + Send + 'static,
    Fut: Future<Output = Ret> + Send + 'static,
    Ret: Send + 'static,
{
    /// Starts the body's task; outside a runtime the call is refused, and its hold given up.
    #[track_caller]
    fn spawn(&mut self, lead: Option<Lead<'static, K::Kept, P>>) -> Stage<Ret, K::Kept, P> {
        let Some((keep, body)) = self.parts.take() else { return Stage::Answered(None) };
        let runtime = match Handle::try_current() {
            Ok(runtime) => runtime,
            Err(error) => {
                let error = Error::caused(ErrorKind::NoRuntime, self.scope, error);
                return Stage::Answered(Some((self.refuse.refuse(error), How::Refused)));
            }
        };
        let how = if lead.is_some() { How::Executed } else { How::Unprotected };
        let leading = Leading::begin(lead, body);
        let ancestors = Ancestors::of_here();
        let task = Detached { leading, keep, retention: self.retention, ancestors, ret: PhantomData };
        #[cfg(feature = "testing")]
        let task = within(realm::current(), task);
        Stage::Running(runtime.spawn(task), how)
    }
}

impl<Ret, P, K, Fut> Future for RunDetached<Ret, P, K, Fut>
where
    P: Print,
    K: Keep<Ret, Kept: Clone + Send + Sync + 'static> + Send + 'static,
    Fut: Future<Output = Ret> + Send + 'static,
    Ret: Send + 'static,
{
    type Output = Ret;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ret> {
        let this = self.get_mut();
        let (answer, how) = loop {
            match &mut this.stage {
                Stage::Answered(answer) => match answer.take() {
                    Some(answer) => break answer,
                    // Polled again after its answer, which no caller does twice.
                    None => return Poll::Pending,
                },
                Stage::Following(waiting) => match ready!(waiting.poll(cx)) {
                    Waited::Landed(kept) => break (K::revive(kept), How::Joined),
                    Waited::TimedOut(error) => break (this.refuse.refuse(error), How::Refused),
                    Waited::Seated(lead) => this.stage = this.spawn(Some(lead)),
                },
                Stage::Running(task, how) => match ready!(Pin::new(task).poll(cx)) {
                    Ok(answer) => break (answer, *how),
                    Err(error) => match error.try_into_panic() {
                        Ok(panic) => resume_unwind(panic),
                        Err(error) => {
                            let error = Error::caused(ErrorKind::NoRuntime, this.scope, error);
                            break (this.refuse.refuse(error), How::Refused);
                        }
                    },
                },
            }
        };
        this.place.tell(how);
        Poll::Ready(answer)
    }
}

/// A detached body belongs to the test that called it, on whichever thread it runs.
#[cfg(feature = "testing")]
async fn within<F: Future>(realm: Option<Arc<Realm>>, task: F) -> F::Output {
    let mut task = std::pin::pin!(task);
    std::future::poll_fn(|cx| {
        let _inside = realm.as_ref().map(Realm::enter);
        task.as_mut().poll(cx)
    })
    .await
}

pin_project! {
    /// The body's task: it holds the key, so that the outcome is recorded whoever is left to hear of it.
    struct Detached<Ret, P, K, Fut>
    where
        P: Print,
        K: Keep<Ret>,
        K::Kept: Clone,
        K::Kept: Send,
        K::Kept: Sync,
        K::Kept: 'static,
    {
        #[pin]
        leading: Leading<'static, K::Kept, P, Fut>,
        keep: K,
        retention: Option<Retention>,
        ancestors: Ancestors,
        ret: PhantomData<fn() -> Ret>,
    }

    impl<Ret, P, K, Fut> PinnedDrop for Detached<Ret, P, K, Fut>
    where
        P: Print,
        K: Keep<Ret>,
        K::Kept: Clone,
        K::Kept: Send,
        K::Kept: Sync,
        K::Kept: 'static,
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let above = this.ancestors.enter();
            this.leading.drop_body();
            drop(above);
        }
    }
}

impl<Ret, P, K, Fut> Future for Detached<Ret, P, K, Fut>
where
    P: Print,
    K: Keep<Ret, Kept: Clone + Send + Sync + 'static>,
    Fut: Future<Output = Ret>,
{
    type Output = Ret;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ret> {
        let this = self.project();
        let above = this.ancestors.enter();
        let keep = &*this.keep;
        let (outcome, settled, lead) = ready!(this.leading.poll_body(cx, |outcome| keep.settle(outcome)));
        if let Some(lead) = lead {
            lead.settle(settled, *this.retention);
        }
        drop(above);
        Poll::Ready(outcome)
    }
}

impl<Ret, P, K, Fut> fmt::Debug for RunDetached<Ret, P, K, Fut>
where
    P: Print,
    K: Keep<Ret, Kept: Clone + Send + Sync + 'static>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunDetached").finish_non_exhaustive()
    }
}
