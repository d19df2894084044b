//! Calls whose body runs in a task of its own, so that a caller that goes away does not stop it half way.

use super::leading::Leading;
use super::waiting::{Waited, Waiting};
use super::{Ask, Begun, begin};
use crate::context::Ancestors;
use crate::error::{Error, ErrorKind};
use crate::key::Print;
use crate::observe::How;
use crate::outcome::{Keep, Plan, Refuse};
use crate::policy::Retention;
#[cfg(feature = "testing")]
use crate::realm::{self, Realm};
use crate::report::Place;
use crate::table::{Lead, TableRef};
use crate::underway::{Tally, Underway};
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

/// The bodies that run in tasks of their own.
pub(crate) static BODIES: Tally = Tally::new();

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
    ask: &Ask<'_, P>,
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
        Begun::Refused(error) => run.refused(error),
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
        let runtime = match runtime(self.scope) {
            Ok(runtime) => runtime,
            Err(error) => return self.refused(error),
        };
        let how = if lead.is_some() { How::Executed } else { How::Unprotected };
        let leading = Leading::begin(lead, body);
        // The call is the body's from here on: it is answered when the body is, whether or not its caller still waits.
        let place = self.place.hand_over();
        let (ancestors, underway) = (Ancestors::of_here(), BODIES.begin());
        let task = Detached { leading, keep, retention: self.retention, ancestors, place, underway, ret: PhantomData };
        #[cfg(feature = "testing")]
        let task = within(realm::current(), task);
        Stage::Running(runtime.spawn(task), how)
    }

    #[track_caller]
    fn refused(&self, error: Error) -> Stage<Ret, K::Kept, P> {
        self.place.refused(&error);
        Stage::Answered(Some((self.refuse.refuse(error), How::Refused)))
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
                    Waited::TimedOut(error) => this.stage = this.refused(error),
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

/// The runtime that a body is to run in.
pub(super) fn runtime(scope: &'static str) -> Result<Handle, Error> {
    Handle::try_current().map_err(|error| Error::caused(ErrorKind::NoRuntime, scope, error))
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
        place: Place,
        underway: Underway,
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
        let (keep, place) = (&*this.keep, &*this.place);
        let _inside = place.inside();
        place.begins(this.leading.attempt());
        let above = this.ancestors.enter();
        let (outcome, settled, lead) = ready!(this.leading.poll_body(cx, |outcome| keep.settle(outcome)));
        let mut how = How::Unprotected;
        if let Some(lead) = lead {
            place.kept(settled.is_kept());
            lead.settle(settled, *this.retention);
            how = How::Executed;
        }
        drop(above);
        place.tell(how);
        Poll::Ready(outcome)
    }
}

#[cfg(feature = "durable")]
pin_project! {
    /// A task with all that a durable body needs: it goes on whoever is left to hear of it.
    struct Apart<F> {
        #[pin]
        task: Option<F>,
        ancestors: Ancestors,
        underway: Underway,
    }

    impl<F> PinnedDrop for Apart<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let above = this.ancestors.enter();
            this.task.set(None);
            drop(above);
        }
    }
}

/// Starts a task that inherits what is here.
#[cfg(feature = "durable")]
pub(super) fn spawn<F>(runtime: &Handle, task: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let task = Apart { task: Some(task), ancestors: Ancestors::of_here(), underway: BODIES.begin() };
    #[cfg(feature = "testing")]
    let task = within(realm::current(), task);
    runtime.spawn(task)
}

#[cfg(feature = "durable")]
impl<F: Future> Future for Apart<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let Some(task) = this.task.as_pin_mut() else { return Poll::Pending };
        let above = this.ancestors.enter();
        let polled = task.poll(cx);
        drop(above);
        polled
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
