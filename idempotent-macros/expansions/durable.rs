#[idempotent(key = payment.id, durable, scope = "payments.charge", interrupted = fail)]
fn installed(payment: &Payment) -> Result<Receipt, ChargeError> {
    gateway(payment)
}

impl Payments {
    #[idempotent(
        key = (self.tenant, id),
        fingerprint = cents,
        store = &self.store,
        scope = T::SCOPE,
        retention = self.retention,
        interrupted = retry(5),
        lease = "1500ms",
        max_run = "15m",
        keep = all
    )]
    async fn given(&self, id: &str, cents: u64) -> Result<Receipt, ChargeError> {
        gateway(id, cents).await
    }
}

#[idempotent(key = payment.id, durable, detached, scope = "payments.refund", interrupted = retry)]
async fn detached(payment: Payment) -> Result<Receipt, ChargeError> {
    refund(payment).await
}

#[idempotent(key = id, missing = reject, store = store, scope = SCOPE, interrupted = retry, crate = my::own)]
fn boxed(store: &SharedStore, id: Option<u64>) -> BoxFuture<'_, Result<Receipt, ChargeError>> {
    Box::pin(gateway(id))
}

// Becomes:

fn installed(payment: &Payment) -> Result<Receipt, ChargeError> {
    let operation = {
        static OPERATION: ::idempotently::Operation = ::idempotently::Operation::of_function()
            .interrupted(::idempotently::OnInterruption::Fail);
        &OPERATION
    };
    let call = operation.call(&payment.id);
    let call = call.scope("payments.charge");
    let call = call.durable();
    let body = || -> Result<Receipt, ChargeError> { gateway(payment) };
    let plan = {
        use ::idempotently::__private::{PlanAny as _, PlanFuture as _, PlanResult as _};
        ::idempotently::__private::returns(&body).idempotent_plan().refused_by_durable()
    };
    ::idempotently::__private::run_durable(call, plan, body)
}
impl Payments {
    async fn given(&self, id: &str, cents: u64) -> Result<Receipt, ChargeError> {
        let running = {
            let operation = {
                static OPERATION: ::idempotently::Operation = ::idempotently::Operation::of_function()
                    .interrupted(::idempotently::OnInterruption::RetryUpTo(5))
                    .lease(::core::time::Duration::from_millis(1500))
                    .max_run(::core::time::Duration::from_secs(900));
                &OPERATION
            };
            let call = operation
                .call(
                    &(
                        ::idempotently::__private::part(&self.tenant),
                        ::idempotently::__private::part(&id),
                    ),
                );
            let call = call.fingerprint(&cents);
            let call = call.scope(T::SCOPE);
            let call = call
                .retention(::idempotently::__private::retention(self.retention));
            let call = call.store(&self.store);
            let body = async move {
                if let ::core::option::Option::Some(outcome) = ::core::option::Option::None::<
                    Result<Receipt, ChargeError>,
                > {
                    return outcome;
                }
                { gateway(id, cents).await }
            };
            let plan = {
                use ::idempotently::__private::{
                    PlanAny as _, PlanFuture as _, PlanResult as _,
                };
                ::idempotently::__private::returns_async(&body)
                    .idempotent_plan()
                    .keep_all()
                    .refused_by_store()
            };
            ::idempotently::__private::run_durable_async(call, plan, body)
        };
        running.await
    }
}
async fn detached(payment: Payment) -> Result<Receipt, ChargeError> {
    let running = {
        let operation = {
            static OPERATION: ::idempotently::Operation = ::idempotently::Operation::of_function()
                .interrupted(::idempotently::OnInterruption::Retry);
            &OPERATION
        };
        let call = operation.call(&payment.id);
        let call = call.scope("payments.refund");
        let call = call.durable();
        let body = async move {
            if let ::core::option::Option::Some(outcome) = ::core::option::Option::None::<
                Result<Receipt, ChargeError>,
            > {
                return outcome;
            }
            { refund(payment).await }
        };
        let plan = {
            use ::idempotently::__private::{
                PlanAny as _, PlanFuture as _, PlanResult as _,
            };
            ::idempotently::__private::returns_async(&body)
                .idempotent_plan()
                .refused_by_durable()
        };
        ::idempotently::__private::run_durable_detached(call, plan, body)
    };
    running.await
}
fn boxed(
    store: &SharedStore,
    id: Option<u64>,
) -> BoxFuture<'_, Result<Receipt, ChargeError>> {
    ::std::boxed::Box::pin(async move {
        let running = {
            let operation = {
                static OPERATION: my::own::Operation = my::own::Operation::of_function()
                    .interrupted(my::own::OnInterruption::Retry);
                &OPERATION
            };
            let call = operation.call_optional(&id, my::own::Missing::Reject);
            let call = call.scope(SCOPE);
            let call = call.store(store);
            let body = move || -> BoxFuture<'_, Result<Receipt, ChargeError>> {
                Box::pin(gateway(id))
            };
            let plan = {
                use my::own::__private::{PlanAny as _, PlanFuture as _, PlanResult as _};
                my::own::__private::returns_future(&body)
                    .idempotent_plan()
                    .refused_by_store()
            };
            my::own::__private::run_durable_future(call, plan, body)
        };
        running.await
    })
}
