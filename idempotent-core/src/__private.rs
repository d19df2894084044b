//! What generated code calls. Not public API: it changes in any version.

pub use crate::outcome::Fallible;

use crate::error::Error;
use crate::key::Print;
use crate::operation::{Call, Identity};
use crate::outcome::{Keep, KeepAll, KeepIf, KeepOk, KeepUnseen, Panics, Plan, Refuse, Returned, Share};
use crate::table::Settled;
use std::marker::PhantomData;

/// A body's return type, to choose a plan by.
#[derive(Debug)]
pub struct Returns<R>(PhantomData<fn() -> R>);

#[inline]
pub fn returns<R, F: FnOnce() -> R>(_: &F) -> Returns<R> {
    Returns(PhantomData)
}

#[inline]
pub fn returns_async<F: FnOnce() -> Fut, Fut: Future>(_: &F) -> Returns<Fut::Output> {
    Returns(PhantomData)
}

impl<T, E: From<Error>> Returns<Result<T, E>> {
    /// A `Result` whose error can say that a call was refused. Being inherent, it is found before the others.
    #[inline]
    pub fn idempotent_plan(self) -> Plan<Result<T, E>, KeepOk, Returned> {
        Plan::new(KeepOk)
    }
}

pub trait PlanResult {
    type Ret;
    fn idempotent_plan(self) -> Plan<Self::Ret, KeepOk, Panics>;
}

impl<T, E> PlanResult for Returns<Result<T, E>> {
    type Ret = Result<T, E>;

    #[inline]
    fn idempotent_plan(self) -> Plan<Self::Ret, KeepOk, Panics> {
        Plan::new(KeepOk)
    }
}

/// Nothing is kept of a future: what it becomes would have to be.
#[derive(Debug)]
pub struct NotAwaited;

/// Not implemented for anything; it is there for what it says.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is a future, and a future cannot be kept",
    label = "returns a future behind a name",
    note = "write `async fn`, or spell the type out: `-> impl Future<Output = …>` or `-> Pin<Box<dyn Future<Output = …>>>`"
)]
pub trait NotAFuture: Clone {}

impl<R: NotAFuture> Keep<R> for NotAwaited {
    type Kept = R;

    fn settle(&self, _: &R) -> Settled<R> {
        Settled::Released
    }

    fn revive(kept: R) -> R {
        kept
    }
}

pub trait PlanFuture {
    type Ret;
    fn idempotent_plan(self) -> Plan<Self::Ret, NotAwaited, Panics>;
}

impl<R: Future> PlanFuture for Returns<R> {
    type Ret = R;

    #[inline]
    fn idempotent_plan(self) -> Plan<Self::Ret, NotAwaited, Panics> {
        Plan::new(NotAwaited)
    }
}

pub trait PlanAny {
    type Ret;
    fn idempotent_plan(self) -> Plan<Self::Ret, KeepUnseen, Panics>;
}

// By reference, so that it is found only where neither of the others is.
impl<R> PlanAny for &Returns<R> {
    type Ret = R;

    #[inline]
    fn idempotent_plan(self) -> Plan<Self::Ret, KeepUnseen, Panics> {
        Plan::new(KeepUnseen)
    }
}

#[expect(clippy::unused_self, reason = "each step of a plan replaces the one before")]
impl<Ret, K, R> Plan<Ret, K, R> {
    #[inline]
    pub fn keep_ok(self) -> Plan<Ret, KeepOk, R> {
        Plan::new(KeepOk)
    }

    #[inline]
    pub fn keep_all(self) -> Plan<Ret, KeepAll, R> {
        Plan::new(KeepAll)
    }

    #[inline]
    pub fn keep_if<F: Fn(&Ret) -> bool>(self, keeps: F) -> Plan<Ret, KeepIf<F>, R> {
        Plan::new(KeepIf(keeps))
    }

    #[inline]
    pub fn share(self) -> Plan<Ret, Share<K>, R> {
        Plan::new(Share(self.keep))
    }

    #[inline]
    pub fn fallible(self) -> Plan<Ret, K, Returned> {
        Plan::new(self.keep)
    }
}

#[cfg_attr(not(debug_assertions), inline(always))]
#[track_caller]
pub fn run<Ret, P, K, R, F>(call: Call<'_, P>, plan: Plan<Ret, K, R>, body: F) -> Ret
where
    P: Print,
    K: Keep<Ret>,
    K::Kept: Clone + Send + Sync + 'static,
    R: Refuse<Ret>,
    F: FnOnce() -> Ret,
{
    call.run_as(Identity::of_body::<F>(), plan, body)
}

#[inline]
pub fn run_async<Ret, P, K, R, F, Fut>(call: Call<'_, P>, plan: Plan<Ret, K, R>, body: F) -> impl Future<Output = Ret>
where
    P: Print,
    K: Keep<Ret>,
    K::Kept: Clone + Send + Sync + 'static,
    R: Refuse<Ret>,
    F: FnOnce() -> Fut,
    Fut: Future<Output = Ret>,
{
    call.run_async_as(Identity::of_body::<F>(), plan, body)
}

#[cfg(feature = "tokio")]
#[inline]
pub fn run_detached<Ret, P, K, R, F, Fut>(
    call: Call<'static, P>,
    plan: Plan<Ret, K, R>,
    body: F,
) -> impl Future<Output = Ret>
where
    P: Print,
    K: Keep<Ret>,
    K: Send + 'static,
    K::Kept: Clone + Send + Sync + 'static,
    R: Refuse<Ret>,
    F: FnOnce() -> Fut,
    Fut: Future<Output = Ret> + Send + 'static,
    Ret: Send + 'static,
{
    call.run_detached_as(Identity::of_body::<F>(), plan, body)
}
