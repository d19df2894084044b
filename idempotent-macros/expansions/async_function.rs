#[idempotent(key = payment.id, fingerprint = payment.amount)]
async fn charge(payment: &Payment) -> Result<Receipt, ChargeError> {
    gateway(payment).await
}

#[idempotent(key = payment.id, detached)]
async fn refund(payment: Payment) -> Receipt {
    gateway(&payment).await
}

// Becomes:

async fn charge(payment: &Payment) -> Result<Receipt, ChargeError> {
    let running = {
        let operation = {
            static OPERATION: ::idempotently::Operation = ::idempotently::Operation::of_function();
            &OPERATION
        };
        let call = operation.call_lent(&payment.id);
        let call = call.fingerprint(&payment.amount);
        let body = async move {
            if let ::core::option::Option::Some(outcome) = ::core::option::Option::None::<
                Result<Receipt, ChargeError>,
            > {
                return outcome;
            }
            { gateway(payment).await }
        };
        let plan = {
            use ::idempotently::__private::{
                PlanAny as _, PlanFuture as _, PlanResult as _,
            };
            ::idempotently::__private::returns_async(&body)
                .idempotent_plan()
                .refused_by_fingerprint()
        };
        ::idempotently::__private::run_async(call, plan, body)
    };
    running.await
}
async fn refund(payment: Payment) -> Receipt {
    let running = {
        let operation = {
            static OPERATION: ::idempotently::Operation = ::idempotently::Operation::of_function();
            &OPERATION
        };
        let call = operation.call(&payment.id);
        let body = async move {
            if let ::core::option::Option::Some(outcome) = ::core::option::Option::None::<
                Receipt,
            > {
                return outcome;
            }
            { gateway(&payment).await }
        };
        let plan = {
            use ::idempotently::__private::{
                PlanAny as _, PlanFuture as _, PlanResult as _,
            };
            ::idempotently::__private::returns_async(&body).idempotent_plan()
        };
        ::idempotently::__private::run_detached(call, plan, body)
    };
    running.await
}
