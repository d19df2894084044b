//! One call whose record lives in the transaction that it is made in.

use super::durable::MAX_OUTCOME;
use super::{Call, Identity};
use crate::backend::marker::Request;
use crate::context::{Frame, is_inside};
use crate::engine::{Shared, owner, refusal};
use crate::error::{Error, ErrorKind};
use crate::key::Print;
use crate::observe::How;
use crate::outcome::{Fallible, Keep, KeepOk, Plan};
use crate::policy::Retention;
use crate::report::{Opened, Place as Told};
use crate::store::Place;
use crate::transaction::{Begun, Connection, Errand, Verbs, begin, lent};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Where the tables of transactions stand among those of stores: they hold nothing, and no store has this number.
const TRANSACTIONS: u64 = u64::MAX;

impl<P: Print> Call<'_, P> {
    /// Runs `body` inside the caller's transaction, or answers from a record; what the body does and its record are
    /// committed together or not at all. An `Err` is not kept, and the transaction can then only be rolled back.
    ///
    /// A duplicate waits until the transaction that has the key ends. See [`transaction`](mod@crate::transaction).
    ///
    /// ```no_run
    /// use idempotently::backend::postgres::sqlx::{self, PgConnection};
    /// use idempotently::Operation;
    ///
    /// static PLACE: Operation = Operation::new("docs.place");
    ///
    /// # async fn run(tx: &mut PgConnection) -> Result<i64, Box<dyn std::error::Error + Send + Sync>> {
    /// PLACE
    ///     .call("order-7")
    ///     .try_run_in(tx, async |tx: &mut PgConnection| {
    ///         sqlx::query("INSERT INTO orders DEFAULT VALUES").execute(tx).await?;
    ///         Ok(7)
    ///     })
    ///     .await
    /// # }
    /// ```
    ///
    /// # Errors
    /// The body's own, or that the call was refused or could not be recorded: see [`ErrorKind`].
    pub async fn try_run_in<C, T, E>(
        self,
        transaction: &mut C,
        body: impl AsyncFnOnce(&mut C) -> Result<T, E>,
    ) -> Result<T, E>
    where
        C: Connection,
        T: Clone + Send + Sync + 'static + Serialize + DeserializeOwned,
        E: From<Error>,
    {
        let mut running = match self.begin_as(Plan::returning(KeepOk), lent(transaction)).await {
            Begun::Answered(answer) => return answer,
            Begun::Run(running) => running,
        };
        let outcome = running.body(body(transaction)).await;
        running.end(lent(transaction), outcome).await
    }

    /// Everything before the body. It begins here, not at the first poll, so that the key's text need not live in the
    /// future.
    pub(crate) fn begin_as<Ret, K>(
        self,
        plan: Plan<Ret, K>,
        transaction: &mut dyn Verbs,
    ) -> impl Future<Output = Begun<Ret, K>>
    where
        Ret: Fallible,
        K: Keep<Ret, Kept: Clone + Send + Sync + 'static + Serialize + DeserializeOwned>,
    {
        let told = Told::take();
        let errand = self.errand::<K::Kept>(K::misdeclared);
        let scope = match &errand {
            Ok(Some(errand)) => errand.scope,
            Ok(None) => self.scope.or(self.operation.scope).unwrap_or("an operation"),
            Err(error) => error.operation(),
        };
        let told = told.goes_on(Opened::new(scope, &self.ask.text));
        async move {
            match errand {
                Ok(errand) => begin(errand, plan, told, transaction).await,
                Err(error) => {
                    told.refused(&error);
                    told.tell(How::Refused);
                    Begun::Answered(plan.refusal().refuse(error))
                }
            }
        }
    }

    /// Nothing where the call runs unprotected.
    fn errand<T: Clone + Send + Sync + 'static>(
        &self,
        misdeclared: fn() -> Option<&'static str>,
    ) -> Result<Option<Errand>, Error> {
        let Self { operation, scope, ask } = self;
        // One for each kind of record, and not for each body: a function that is generic over its connection is one.
        let identity = Identity::of_records::<T, P>().in_store(TRANSACTIONS);
        let table = operation.table::<Shared<T>, P>(identity, *scope, misdeclared)?;
        let scope = table.scope();
        match refusal(&ask.text, scope) {
            None => {}
            Some(None) => return Ok(None),
            Some(Some(error)) => return Err(error),
        }
        let Some(key) = ask.text.to_key() else { return Err(Error::new(ErrorKind::InvalidKey, scope)) };
        if is_inside(table.id(), &ask.text) {
            return Err(Error::new(ErrorKind::Reentrant, scope));
        }
        let request = Request {
            place: Place::of(scope, &ask.text),
            owner: owner(),
            fingerprint: ask.print.digest(),
            lease: operation.policy.durable.lease,
            in_flight: operation.policy.in_flight,
        };
        let retention = match ask.retention.unwrap_or(table.retention()) {
            Retention::Forever => None,
            Retention::For(span) => Some(span),
        };
        Ok(Some(Errand {
            request,
            scope,
            frame: Frame::new(table.id(), key, scope, 1),
            retention,
            max_outcome: MAX_OUTCOME,
        }))
    }
}
