//! One call: its key and what is asked of it, and then what it runs.

use super::{Identity, Operation};
use crate::engine::{Ask, Deferred, Run, Seek};
#[cfg(feature = "tokio")]
use crate::engine::{RunDetached, run_detached};
use crate::error::Error;
use crate::key::{Fingerprint, Form, NoFingerprint, Print, Refusal, Text, ToFingerprint};
use crate::observe::How;
use crate::outcome::{Keep, KeepOk, KeepOkIf, Plan};
use crate::policy::Retention;
use crate::report::{Opened, Place};
use std::fmt;

/// A call that knows its key and not yet its body.
///
/// It is made by [`Operation::call`]; the methods that take a closure end it. In process nothing fails but an empty key,
/// recursion, a key reused with another fingerprint, and what the operation's policy refuses.
#[must_use = "a call does nothing until it is told what to run"]
pub struct Call<'a, P = NoFingerprint> {
    pub(super) operation: &'a Operation,
    pub(super) scope: Option<&'static str>,
    pub(super) ask: Ask<'a, P>,
}

impl<'a> Call<'a, NoFingerprint> {
    #[inline]
    pub(super) fn new(operation: &'a Operation, text: Text<'a>) -> Self {
        let ask = Ask { text, print: NoFingerprint, retention: None };
        Self { operation, scope: None, ask }
    }

    /// What must be the same whenever this key is used: otherwise the call is refused as
    /// [`KeyReused`](crate::error::ErrorKind::KeyReused), also while the first one runs.
    ///
    /// ```
    /// use idempotently::{Error, ErrorKind, Operation};
    ///
    /// static PAY: Operation = Operation::new("docs.fingerprint");
    /// let pay = |id: &str, cents: u64| PAY.call(id).fingerprint(&cents).run(|| cents);
    ///
    /// assert_eq!(pay("a", 500)?, 500);
    /// assert_eq!(pay("a", 900).unwrap_err().kind(), ErrorKind::KeyReused);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn fingerprint(self, value: &(impl ToFingerprint + ?Sized)) -> Call<'a, Fingerprint> {
        let Ask { text, retention, .. } = self.ask;
        let (text, print) = match (text.form(), Fingerprint::of(value)) {
            (_, Some(print)) => (text, print),
            (Form::Refused(_), None) => (text, Fingerprint::NONE),
            (_, None) => (Text::refused(Refusal::Fingerprint), Fingerprint::NONE),
        };
        Call { operation: self.operation, scope: self.scope, ask: Ask { text, print, retention } }
    }
}

impl<'a, P: Print> Call<'a, P> {
    /// The scope of this call's records, instead of the operation's.
    #[doc(hidden)]
    #[inline]
    pub fn scope(mut self, scope: &'static str) -> Self {
        self.scope = Some(scope);
        self
    }

    /// How long this call's outcome answers, instead of the operation's retention.
    #[inline]
    pub fn retention(mut self, retention: impl Into<Retention>) -> Self {
        self.ask.retention = Some(retention.into());
        self
    }

    /// Runs `body`, or answers from the record; every outcome is kept.
    ///
    /// A duplicate blocks its thread while the first call runs, as the policy says. When the body panics, the panic
    /// goes on, nothing is kept, and a caller that waits runs its own body.
    ///
    /// # Errors
    /// The call was refused: see [`ErrorKind`](crate::error::ErrorKind).
    pub fn run<T: Clone + Send + Sync + 'static>(self, body: impl FnOnce() -> T) -> Result<T, Error> {
        self.run_if(|_| true, body)
    }

    /// Runs `body`, or answers from the record; only what `keeps` accepts is kept. See [`run`](Self::run).
    ///
    /// # Errors
    /// The call was refused: see [`ErrorKind`](crate::error::ErrorKind).
    pub fn run_if<T: Clone + Send + Sync + 'static>(
        self,
        keeps: impl Fn(&T) -> bool,
        body: impl FnOnce() -> T,
    ) -> Result<T, Error> {
        self.run_as(Identity::of_records::<T, P>(), Plan::returning(KeepOkIf(keeps)), || Ok(body()))
    }

    /// Runs `body`, or answers from the record; an `Err` is not kept, so the next call runs. See [`run`](Self::run).
    ///
    /// ```
    /// use idempotently::{Error, Operation};
    ///
    /// static SEND: Operation = Operation::new("docs.try_run");
    /// let send = |works: bool| {
    ///     SEND.call(&1).try_run(|| if works { Ok("sent") } else { Err(Box::<dyn std::error::Error>::from("busy")) })
    /// };
    ///
    /// assert!(send(false).is_err());
    /// assert_eq!(send(true)?, "sent");
    /// assert_eq!(send(false)?, "sent"); // answered from the record
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The body's own, or that the call was refused: see [`ErrorKind`](crate::error::ErrorKind).
    pub fn try_run<T, E>(self, body: impl FnOnce() -> Result<T, E>) -> Result<T, E>
    where
        T: Clone + Send + Sync + 'static,
        E: From<Error>,
    {
        self.run_as(Identity::of_records::<T, P>(), Plan::returning(KeepOk), body)
    }

    /// The async twin of [`run`](Self::run): a duplicate waits without blocking its thread, on any runtime.
    ///
    /// Dropping the future stops waiting; where it leads, its body is dropped and a caller that waits runs its own.
    ///
    /// # Errors
    /// The call was refused: see [`ErrorKind`](crate::error::ErrorKind).
    pub async fn run_async<T, Fut>(self, body: impl FnOnce() -> Fut) -> Result<T, Error>
    where
        T: Clone + Send + Sync + 'static,
        Fut: Future<Output = T>,
    {
        let body = async move { Ok(body().await) };
        self.run_async_as(Identity::of_records::<T, P>(), Plan::returning(KeepOk), body).await
    }

    /// The async twin of [`try_run`](Self::try_run); see [`run_async`](Self::run_async).
    ///
    /// # Errors
    /// The body's own, or that the call was refused: see [`ErrorKind`](crate::error::ErrorKind).
    pub async fn try_run_async<T, E, Fut>(self, body: impl FnOnce() -> Fut) -> Result<T, E>
    where
        T: Clone + Send + Sync + 'static,
        E: From<Error>,
        Fut: Future<Output = Result<T, E>>,
    {
        let body = Deferred::new(body);
        self.run_async_as(Identity::of_records::<T, P>(), Plan::returning(KeepOk), body).await
    }

    /// Answers from the record, or awaits the body. It begins here, not at the first poll, so that the key's text need
    /// not live in the future: the caller is an async function that is being polled already.
    #[inline]
    #[track_caller]
    pub(crate) fn run_async_as<Ret, K, Fut>(
        self,
        identity: Identity,
        plan: Plan<Ret, K>,
        body: Fut,
    ) -> Run<'a, Ret, P, K, Fut>
    where
        K: Keep<Ret, Kept: Clone + Send + Sync + 'static>,
        Fut: Future<Output = Ret>,
    {
        let place = Place::take();
        let (seek, opened) = self.seek(identity, K::misdeclared);
        let seek = seek.or_panic(plan.refusal().is_possible());
        Run::new(seek, plan, body, self.ask.retention, place.goes_on(opened))
    }

    #[inline(never)]
    fn seek<T: Clone + Send + Sync + 'static>(
        &self,
        identity: Identity,
        misdeclared: fn() -> Option<&'static str>,
    ) -> (Seek<'a, T, P>, Opened) {
        let table = match self.operation.table(identity, self.scope, misdeclared) {
            Ok(table) => table,
            Err(error) => {
                let opened = Opened::new(error.operation(), &self.ask.text);
                opened.refused(&error);
                return (Seek::Refused(error), opened);
            }
        };
        let opened = Opened::new(table.scope(), &self.ask.text);
        if let Some(kept) = table.replay(&self.ask.text, self.ask.print) {
            return (Seek::Answered(kept, How::Replayed), opened.replayed());
        }
        let seek = Seek::begin(table, &self.ask);
        if let Seek::Refused(error) = &seek {
            opened.refused(error);
        }
        (seek, opened)
    }
}

#[cfg(feature = "tokio")]
impl<P: Print> Call<'static, P> {
    /// As [`run_async`](Self::run_async), with the body in a tokio task of its own: a caller that goes away does not
    /// stop it half way.
    ///
    /// # Errors
    /// The call was refused: see [`ErrorKind`](crate::error::ErrorKind);
    /// [`NoRuntime`](crate::error::ErrorKind::NoRuntime) outside tokio.
    pub async fn run_detached<T, F, Fut>(self, body: F) -> Result<T, Error>
    where
        T: Clone + Send + Sync + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        let plan = Plan::returning(KeepOk);
        self.run_detached_as(Identity::of_records::<T, P>(), plan, async move { Ok(body().await) }).await
    }

    #[inline]
    #[track_caller]
    pub(crate) fn run_detached_as<Ret, K, Fut>(
        self,
        identity: Identity,
        plan: Plan<Ret, K>,
        body: Fut,
    ) -> RunDetached<Ret, P, K, Fut>
    where
        K: Keep<Ret, Kept: Clone + Send + Sync + 'static> + Send + 'static,
        Fut: Future<Output = Ret> + Send + 'static,
        Ret: Send + 'static,
    {
        let place = Place::take();
        let table = match self.operation.table(identity, self.scope, K::misdeclared) {
            Ok(table) => table,
            Err(error) => {
                let place = place.goes_on(Opened::new(error.operation(), &self.ask.text));
                place.refused(&error);
                let scope = error.operation();
                let refuse = plan.refusal();
                return RunDetached::answered(refuse.refuse(error), How::Refused, refuse, scope, place);
            }
        };
        let opened = Opened::new(table.scope(), &self.ask.text);
        if let Some(kept) = table.replay(&self.ask.text, self.ask.print) {
            let _ = opened.replayed();
            return RunDetached::answered(K::revive(kept), How::Replayed, plan.refusal(), table.scope(), place);
        }
        run_detached(table, &self.ask, plan, body, place.goes_on(opened))
    }
}

impl<P> fmt::Debug for Call<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("operation", self.operation).finish_non_exhaustive()
    }
}
