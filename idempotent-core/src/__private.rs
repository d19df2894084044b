//! What generated code calls. Not public API: it changes in any version.

pub use crate::outcome::refusable;

use crate::engine::Deferred;
use crate::error::Error;
use crate::key::{Print, ToFingerprint, ToKey, Writer};
#[cfg(feature = "durable")]
use crate::operation::DurableCall;
use crate::operation::{Call, Identity};
#[cfg(feature = "durable")]
use crate::outcome::Storable;
use crate::outcome::{Judge, Keep, KeepAll, KeepIf, KeepOk, KeepUnseen, Plan, Share, ThreadSafe};
use crate::policy::{AsRetention, Retention};
use crate::table::Settled;
#[cfg(any(feature = "postgres", feature = "sqlx-sqlite"))]
use crate::transaction::Verbs;
use std::fmt;
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

/// As [`returns_future`], where the type that the future yields is written.
#[inline]
pub fn returns_future_of<R, F: FnOnce() -> Fut, Fut: Future<Output = R>>(_: &F) -> Returns<R> {
    Returns(PhantomData)
}

/// A part of a key. One that cannot be a key is reported where it is written, and only there: what is made of it is a key
/// whatever its type.
#[inline]
pub fn part<T: ToKey + ?Sized>(part: &T) -> Part<'_, T> {
    Part { value: part, write: T::write }
}

/// A part of a fingerprint; see [`part`].
#[inline]
pub fn print_part<T: ToFingerprint + ?Sized>(part: &T) -> Part<'_, T> {
    Part { value: part, write: T::write }
}

/// A value that was found to be a part.
pub struct Part<'a, T: ?Sized> {
    value: &'a T,
    write: fn(&T, &mut Writer<'_>),
}

impl<T: ?Sized> ToFingerprint for Part<'_, T> {
    #[inline]
    fn write(&self, out: &mut Writer<'_>) {
        (self.write)(self.value, out);
    }
}

impl<T: ?Sized> ToKey for Part<'_, T> {}

impl<T: ?Sized> fmt::Debug for Part<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Part(..)")
    }
}

/// The retention of one call, from the expression that was written for it.
#[inline]
pub fn retention(time: impl AsRetention) -> Retention {
    time.into_retention()
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
pub trait NotAFuture: Sized {
    fn made() -> Self;
}

impl<R: NotAFuture> Keep<R> for NotAwaited {
    // What a future is not would only be reported beside the error that counts.
    type Kept = ();

    fn settle(&self, _: &R) -> Settled<()> {
        Settled::Released
    }

    fn revive((): ()) -> R {
        R::made()
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

    // What is returned is said by its traits alone, so that a bound that does not hold is reported here and not again
    // where the plan is used.
    #[inline]
    pub fn keep_all(self) -> Plan<Ret, impl Keep<Ret, Kept = Ret>>
    where
        Ret: ClonedToKeep,
    {
        self.keeping(|_| KeepAll)
    }

    #[inline]
    pub fn keep_if<F: Fn(&Ret) -> bool>(self, keeps: F) -> Plan<Ret, KeepIf<Ret, F>> {
        self.keeping(|_| KeepIf::new(keeps))
    }

    #[inline]
    pub fn share(self) -> Plan<Ret, impl Keep<Ret, Kept = Ret>>
    where
        Ret: ClonedToShare,
        K: Judge<Ret>,
    {
        self.keeping(Share)
    }
}

impl<Ret, F> Plan<Ret, KeepIf<Ret, F>> {
    #[inline]
    pub fn whole(self) -> Plan<Ret, impl Keep<Ret, Kept = Ret> + Judge<Ret>>
    where
        Ret: ClonedToKeep,
    {
        self
    }
}

/// An outcome of which all is kept, the error of a `Result` too.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not `Clone + Send + Sync + 'static`, and `keep = all` or a predicate keeps the error, too",
    label = "cannot be kept whole",
    note = "give the error type what it lacks, put it into an `Arc`, or leave `keep` out: then only the `Ok` is kept"
)]
pub trait ClonedToKeep: Clone + ThreadSafe {}

#[diagnostic::do_not_recommend]
impl<R: Clone + ThreadSafe> ClonedToKeep for R {}

/// An outcome that the callers who waited get, the error of a `Result` too.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not `Clone + Send + Sync + 'static`, and `on_failure = share` gives every waiting caller a clone of it",
    label = "cannot be shared",
    note = "give the error type what it lacks, put it into an `Arc`, or leave `on_failure` out: then a waiting caller runs next"
)]
pub trait ClonedToShare: Clone + ThreadSafe {}

#[diagnostic::do_not_recommend]
impl<R: Clone + ThreadSafe> ClonedToShare for R {}

#[cfg_attr(not(debug_assertions), inline(always))]
#[track_caller]
pub fn run<Ret, P, K, F>(call: Call<'_, P>, plan: Plan<Ret, K>, body: F) -> Ret
where
    P: Print,
    K: Keep<Ret>,
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
    K::Kept: Storable,
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
    K::Kept: Storable,
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
    K::Kept: Storable,
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
    K::Kept: Storable,
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
    K::Kept: Storable,
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
    Ret: refusable::ByTransaction,
    K: Keep<Ret>,
    K::Kept: Storable,
{
    call.begin_as(plan, transaction)
}
