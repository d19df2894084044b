//! One call whose records live in a store.

use super::{Call, Identity};
#[cfg(feature = "tokio")]
use crate::engine::run_durable_detached;
use crate::engine::{Deferred, Errand, Shared, run_durable, run_durable_async};
use crate::error::{Error, ErrorKind};
use crate::installed::installed;
use crate::key::Print;
use crate::lease::SharedStore;
use crate::observe::How;
use crate::outcome::{Keep, KeepOk, Plan};
use crate::report::{Opened, Place as Told};
use crate::store::Place;
use crate::table::TableRef;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;

/// A call whose record lives in a store: it is shared between processes and outlives them.
///
/// Its outcomes must be `Serialize + DeserializeOwned`: they are kept as JSON, which survives added fields.
#[must_use = "a call does nothing until it is told what to run"]
pub struct DurableCall<'a, P> {
    call: Call<'a, P>,
    store: Option<SharedStore>,
}

impl<'a, P: Print> Call<'a, P> {
    /// The record lives in the store that the program installed; without one the call is refused as
    /// [`NoStore`](ErrorKind::NoStore).
    pub fn durable(self) -> DurableCall<'a, P> {
        DurableCall { call: self, store: installed() }
    }

    /// The record lives in this store.
    pub fn store(self, store: &SharedStore) -> DurableCall<'a, P> {
        DurableCall { call: self, store: Some(store.clone()) }
    }
}

/// The largest outcome that is kept, in bytes; a larger one is recorded as lost.
pub(super) const MAX_OUTCOME: usize = 1024 * 1024;

/// Everything that a durable call needs besides its body.
struct Ready<'a, T: Clone + Send + Sync + 'static, P: Print> {
    table: TableRef<'a, Shared<T>, P>,
    errand: Errand,
}

impl<'a, P: Print> DurableCall<'a, P> {
    /// Runs `body`, or answers from the record; an `Err` is not kept, so the next call runs.
    ///
    /// A duplicate blocks its thread while the first call runs, in whichever process. It may be called inside an async
    /// runtime: nothing that the store needs runs on the caller's.
    ///
    /// ```
    /// use idempotently::{Error, OnInterruption, Operation, SharedStore};
    /// use idempotently::backend::memory::MemoryStore;
    ///
    /// static CHARGE: Operation = Operation::new("docs.durable").interrupted(OnInterruption::Fail);
    /// let store = SharedStore::new(MemoryStore::new());
    ///
    /// let charge = || CHARGE.call("pay_1").store(&store).try_run(|| Ok::<u64, Error>(500));
    /// assert_eq!((charge()?, charge()?), (500, 500)); // charged once
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// The body's own, or that the call was refused: see [`ErrorKind`].
    pub fn try_run<T, E>(self, body: impl FnOnce() -> Result<T, E>) -> Result<T, E>
    where
        T: Clone + Send + Sync + 'static + Serialize + DeserializeOwned,
        E: From<Error>,
    {
        self.run_as(Identity::of_records::<T, P>(), Plan::returning(KeepOk), body)
    }

    /// The async twin of [`try_run`](Self::try_run).
    ///
    /// Dropping the future drops the body; the key is given back, or interrupted where nobody is to run it again.
    ///
    /// # Errors
    /// The body's own, or that the call was refused: see [`ErrorKind`].
    pub async fn try_run_async<T, E, Fut>(self, body: impl FnOnce() -> Fut) -> Result<T, E>
    where
        T: Clone + Send + Sync + 'static + Serialize + DeserializeOwned,
        E: From<Error>,
        Fut: Future<Output = Result<T, E>>,
    {
        let body = Deferred::new(body);
        self.run_async_as(Identity::of_records::<T, P>(), Plan::returning(KeepOk), body).await
    }

    #[track_caller]
    pub(crate) fn run_as<Ret, K>(self, identity: Identity, plan: Plan<Ret, K>, body: impl FnOnce() -> Ret) -> Ret
    where
        K: Keep<Ret, Kept: Clone + Send + Sync + 'static + Serialize + DeserializeOwned>,
    {
        let (told, ready) = self.ready(identity, K::misdeclared);
        match ready {
            Ok(Ready { table, errand }) => run_durable(table, &self.call.ask, &errand, plan, body, &told),
            Err(error) => plan.refusal().refuse(error),
        }
    }

    pub(crate) async fn run_async_as<Ret, K, Fut>(self, identity: Identity, plan: Plan<Ret, K>, body: Fut) -> Ret
    where
        K: Keep<Ret, Kept: Clone + Send + Sync + 'static + Serialize + DeserializeOwned>,
        Fut: Future<Output = Ret>,
    {
        let (told, ready) = self.ready(identity, K::misdeclared);
        match ready {
            Ok(Ready { table, errand }) => {
                told.within(run_durable_async(table, self.call.ask, errand, plan, body, &told)).await
            }
            Err(error) => plan.refusal().refuse(error),
        }
    }

    /// What a call needs, or why it is refused.
    fn ready<T: Clone + Send + Sync + 'static>(
        &self,
        identity: Identity,
        misdeclared: fn() -> Option<&'static str>,
    ) -> (Told, Result<Ready<'a, T, P>, Error>) {
        let told = Told::take();
        let ready = self.found(identity, misdeclared);
        let scope = ready.as_ref().map_or_else(Error::operation, |ready| ready.errand.scope);
        let told = told.goes_on(Opened::new(scope, &self.call.ask.text));
        if let Err(error) = &ready {
            told.refused(error);
            told.tell(How::Refused);
        }
        (told, ready)
    }

    fn found<T: Clone + Send + Sync + 'static>(
        &self,
        identity: Identity,
        misdeclared: fn() -> Option<&'static str>,
    ) -> Result<Ready<'a, T, P>, Error> {
        let Call { operation, scope, ask } = &self.call;
        let named = scope.or(operation.scope);
        let Some(store) = self.store.clone() else {
            return Err(Error::new(ErrorKind::NoStore, named.unwrap_or("an operation")));
        };
        let identity = identity.in_store(store.id());
        // An execution that is given up is ended by another thread, which needs a share of its own.
        let table = match operation.policy.durable.max_run {
            Some(_) => operation.shared_table(identity, *scope, misdeclared)?,
            None => operation.table(identity, *scope, misdeclared)?,
        };
        let errand = Errand {
            store,
            place: Place::of(table.scope(), &ask.text),
            scope: table.scope(),
            fingerprint: ask.print.digest(),
            durable: operation.policy.durable,
            in_flight: operation.policy.in_flight,
            max_outcome: MAX_OUTCOME,
        };
        Ok(Ready { table, errand })
    }
}

#[cfg(feature = "tokio")]
impl<P: Print> DurableCall<'static, P> {
    /// As [`try_run_async`](Self::try_run_async), with the body and the recording of its outcome in a tokio task of their
    /// own: a caller that goes away does not stop it half way. What comes before the body stays with the caller.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// use idempotently::{Error, OnInterruption, Operation, SharedStore};
    /// use idempotently::backend::memory::MemoryStore;
    ///
    /// static CHARGE: Operation = Operation::new("docs.durable.detached").interrupted(OnInterruption::Fail);
    /// let store = SharedStore::new(MemoryStore::new());
    ///
    /// let charge = || CHARGE.call("pay_1").store(&store).try_run_detached(async || Ok::<u64, Error>(500));
    /// assert_eq!((charge().await?, charge().await?), (500, 500)); // charged once
    /// # Ok::<(), Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The body's own, or that the call was refused: see [`ErrorKind`]; [`NoRuntime`](ErrorKind::NoRuntime) outside tokio,
    /// where only a record answers.
    pub async fn try_run_detached<T, E, F, Fut>(self, body: F) -> Result<T, E>
    where
        T: Clone + Send + Sync + 'static + Serialize + DeserializeOwned,
        E: From<Error> + Send + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        let body = Deferred::new(body);
        self.run_detached_as(Identity::of_records::<T, P>(), Plan::returning(KeepOk), body).await
    }

    pub(crate) async fn run_detached_as<Ret, K, Fut>(self, identity: Identity, plan: Plan<Ret, K>, body: Fut) -> Ret
    where
        K: Keep<Ret, Kept: Clone + Send + Sync + 'static + Serialize + DeserializeOwned> + Send + 'static,
        Fut: Future<Output = Ret> + Send + 'static,
        Ret: Send + 'static,
    {
        let (told, ready) = self.ready(identity, K::misdeclared);
        match ready {
            Ok(Ready { table, errand }) => run_durable_detached(table, self.call.ask, errand, plan, body, told).await,
            Err(error) => plan.refusal().refuse(error),
        }
    }
}

impl<P> fmt::Debug for DurableCall<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableCall").field("store", &self.store).finish_non_exhaustive()
    }
}
