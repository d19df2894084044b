//! What generated code calls. Not public API: it changes in any version.

pub use crate::outcome::Fallible;

use crate::engine::Deferred;
use crate::error::Error;
use crate::key::{Print, ToFingerprint, ToKey};
#[cfg(feature = "durable")]
use crate::operation::DurableCall;
use crate::operation::{Call, Identity};
use crate::outcome::{Keep, KeepAll, KeepIf, KeepOk, KeepUnseen, Plan, Share};
use crate::table::Settled;
#[cfg(any(feature = "postgres", feature = "sqlx-sqlite"))]
use crate::transaction::Verbs;
#[cfg(feature = "durable")]
use serde::{Serialize, de::DeserializeOwned};
use std::marker::PhantomData;

/// A body's return type, to choose a plan by.
#[derive(Debug)]
pub struct Returns<R>(PhantomData<fn() -> R>);

#[inline]
pub fn returns<R, F: FnOnce() -> R>(_: &F) -> Returns<R> {
    Returns(PhantomData)
}

#[inline]
pub fn returns_async<Fut: Future>(_: &Fut) -> Returns<Fut::Output> {
    Returns(PhantomData)
}

#[inline]
pub fn returns_future<F: FnOnce() -> Fut, Fut: Future>(_: &F) -> Returns<Fut::Output> {
    Returns(PhantomData)
}

/// A part of a key: one that is none is reported where it is written, and not only for the whole key.
#[inline]
pub fn part<T: ToKey + ?Sized>(part: &T) -> &T {
    part
}

/// A part of a fingerprint; see [`part`].
#[inline]
pub fn print_part<T: ToFingerprint + ?Sized>(part: &T) -> &T {
    part
}

impl<T, E: From<Error>> Returns<Result<T, E>> {
    /// A `Result` whose error can say that a call was refused. Being inherent, it is found before the others.
    #[inline]
    pub fn idempotent_plan(self) -> Plan<Result<T, E>, KeepOk> {
        Plan::returning(KeepOk)
    }
}

pub trait PlanResult {
    type Ret;
    fn idempotent_plan(self) -> Plan<Self::Ret, KeepOk>;
}

impl<T, E> PlanResult for Returns<Result<T, E>> {
    type Ret = Result<T, E>;

    #[inline]
    fn idempotent_plan(self) -> Plan<Self::Ret, KeepOk> {
        Plan::panicking(KeepOk)
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
    fn idempotent_plan(self) -> Plan<Self::Ret, NotAwaited>;
}

impl<R: Future> PlanFuture for Returns<R> {
    type Ret = R;

    #[inline]
    fn idempotent_plan(self) -> Plan<Self::Ret, NotAwaited> {
        Plan::panicking(NotAwaited)
    }
}

pub trait PlanAny {
    type Ret;
    fn idempotent_plan(self) -> Plan<Self::Ret, KeepUnseen>;
}

// By reference, so that it is found only where neither of the others is.
impl<R> PlanAny for &Returns<R> {
    type Ret = R;

    #[inline]
    fn idempotent_plan(self) -> Plan<Self::Ret, KeepUnseen> {
        Plan::panicking(KeepUnseen)
    }
}

impl<Ret, K> Plan<Ret, K> {
    #[inline]
    pub fn keep_ok(self) -> Plan<Ret, KeepOk> {
        self.keeping(|_| KeepOk)
    }

    #[inline]
    pub fn keep_all(self) -> Plan<Ret, KeepAll> {
        self.keeping(|_| KeepAll)
    }

    #[inline]
    pub fn keep_if<F: Fn(&Ret) -> bool>(self, keeps: F) -> Plan<Ret, KeepIf<F>> {
        self.keeping(|_| KeepIf(keeps))
    }

    #[inline]
    pub fn share(self) -> Plan<Ret, Share<K>> {
        self.keeping(Share)
    }

    #[inline]
    pub fn fallible(self) -> Self
    where
        Ret: Fallible,
    {
        Self::returning(self.keep)
    }
}

#[cfg_attr(not(debug_assertions), inline(always))]
#[track_caller]
pub fn run<Ret, P, K, F>(call: Call<'_, P>, plan: Plan<Ret, K>, body: F) -> Ret
where
    P: Print,
    K: Keep<Ret>,
    K::Kept: Clone + Send + Sync + 'static,
    F: FnOnce() -> Ret,
{
    call.run_as(Identity::of_body::<F>(), plan, body)
}

#[inline]
#[track_caller]
pub fn run_async<Ret, P, K, Fut>(call: Call<'_, P>, plan: Plan<Ret, K>, body: Fut) -> impl Future<Output = Ret>
where
    P: Print,
    K: Keep<Ret>,
    K::Kept: Clone + Send + Sync + 'static,
    Fut: Future<Output = Ret>,
{
    call.run_async_as(Identity::of_body::<Fut>(), plan, body)
}

/// For functions that return a future by hand, which is made inside the execution too.
#[inline]
#[track_caller]
pub fn run_future<Ret, P, K, F, Fut>(call: Call<'_, P>, plan: Plan<Ret, K>, body: F) -> impl Future<Output = Ret>
where
    P: Print,
    K: Keep<Ret>,
    K::Kept: Clone + Send + Sync + 'static,
    F: FnOnce() -> Fut,
    Fut: Future<Output = Ret>,
{
    call.run_async_as(Identity::of_body::<F>(), plan, Deferred::new(body))
}

#[cfg(feature = "tokio")]
#[inline]
#[track_caller]
pub fn run_detached<Ret, P, K, Fut>(call: Call<'static, P>, plan: Plan<Ret, K>, body: Fut) -> impl Future<Output = Ret>
where
    P: Print,
    K: Keep<Ret>,
    K: Send + 'static,
    K::Kept: Clone + Send + Sync + 'static,
    Fut: Future<Output = Ret> + Send + 'static,
    Ret: Send + 'static,
{
    call.run_detached_as(Identity::of_body::<Fut>(), plan, body)
}

/// As [`run_future`], in a task of its own.
#[cfg(feature = "tokio")]
#[inline]
#[track_caller]
pub fn run_detached_future<Ret, P, K, F, Fut>(
    call: Call<'static, P>,
    plan: Plan<Ret, K>,
    body: F,
) -> impl Future<Output = Ret>
where
    P: Print,
    K: Keep<Ret>,
    K: Send + 'static,
    K::Kept: Clone + Send + Sync + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Ret> + Send + 'static,
    Ret: Send + 'static,
{
    call.run_detached_as(Identity::of_body::<F>(), plan, Deferred::new(body))
}

/// One for each kind of record, and not for each body: what a store keeps under a scope is one function's, whatever its
/// type parameters.
#[cfg(feature = "durable")]
fn of_records<Ret, P: Print, K: Keep<Ret, Kept: 'static>>() -> Identity {
    Identity::of_records::<K::Kept, P>()
}

#[cfg(feature = "durable")]
#[track_caller]
pub fn run_durable<Ret, P, K, F>(call: DurableCall<'_, P>, plan: Plan<Ret, K>, body: F) -> Ret
where
    P: Print,
    K: Keep<Ret>,
    K::Kept: Clone + Send + Sync + 'static + Serialize + DeserializeOwned,
    F: FnOnce() -> Ret,
{
    call.run_as(of_records::<Ret, P, K>(), plan, body)
}

#[cfg(feature = "durable")]
pub fn run_durable_async<Ret, P, K, Fut>(
    call: DurableCall<'_, P>,
    plan: Plan<Ret, K>,
    body: Fut,
) -> impl Future<Output = Ret>
where
    P: Print,
    K: Keep<Ret>,
    K::Kept: Clone + Send + Sync + 'static + Serialize + DeserializeOwned,
    Fut: Future<Output = Ret>,
{
    call.run_async_as(of_records::<Ret, P, K>(), plan, body)
}

/// As [`run_future`], with its record in a store.
#[cfg(feature = "durable")]
pub fn run_durable_future<Ret, P, K, F, Fut>(
    call: DurableCall<'_, P>,
    plan: Plan<Ret, K>,
    body: F,
) -> impl Future<Output = Ret>
where
    P: Print,
    K: Keep<Ret>,
    K::Kept: Clone + Send + Sync + 'static + Serialize + DeserializeOwned,
    F: FnOnce() -> Fut,
    Fut: Future<Output = Ret>,
{
    call.run_async_as(of_records::<Ret, P, K>(), plan, Deferred::new(body))
}

/// As [`run_durable_async`], with the body and its recording in a task of their own.
#[cfg(all(feature = "durable", feature = "tokio"))]
pub fn run_durable_detached<Ret, P, K, Fut>(
    call: DurableCall<'static, P>,
    plan: Plan<Ret, K>,
    body: Fut,
) -> impl Future<Output = Ret>
where
    P: Print,
    K: Keep<Ret>,
    K: Send + 'static,
    K::Kept: Clone + Send + Sync + 'static + Serialize + DeserializeOwned,
    Fut: Future<Output = Ret> + Send + 'static,
    Ret: Send + 'static,
{
    call.run_detached_as(of_records::<Ret, P, K>(), plan, body)
}

/// As [`run_durable_detached`], for functions that return a future by hand.
#[cfg(all(feature = "durable", feature = "tokio"))]
pub fn run_durable_detached_future<Ret, P, K, F, Fut>(
    call: DurableCall<'static, P>,
    plan: Plan<Ret, K>,
    body: F,
) -> impl Future<Output = Ret>
where
    P: Print,
    K: Keep<Ret>,
    K: Send + 'static,
    K::Kept: Clone + Send + Sync + 'static + Serialize + DeserializeOwned,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Ret> + Send + 'static,
    Ret: Send + 'static,
{
    call.run_detached_as(of_records::<Ret, P, K>(), plan, Deferred::new(body))
}

#[cfg(any(feature = "postgres", feature = "sqlx-sqlite"))]
pub use crate::transaction::{Begun, Running, lent};

/// The type that a function returns, where there is no body yet to tell it.
#[cfg(any(feature = "postgres", feature = "sqlx-sqlite"))]
#[inline]
pub fn returns_as<R>() -> Returns<R> {
    Returns(PhantomData)
}

/// Everything before the body of a call inside the caller's transaction.
#[cfg(any(feature = "postgres", feature = "sqlx-sqlite"))]
pub fn begin<Ret, P, K>(
    call: Call<'_, P>,
    plan: Plan<Ret, K>,
    transaction: &mut dyn Verbs,
) -> impl Future<Output = Begun<Ret, K>>
where
    P: Print,
    Ret: Fallible,
    K: Keep<Ret>,
    K::Kept: Clone + Send + Sync + 'static + Serialize + DeserializeOwned,
{
    call.begin_as(plan, transaction)
}
