impl Bank {
    #[idempotent(key = (self.name, id))]
    fn pay(&mut self, id: u64) -> Self {
        self.paid += id;
        self.clone()
    }

    #[idempotent(key = id, scope = Self::SCOPE)]
    async fn open(id: u64) -> Self {
        Self::with(id).await
    }
}

trait Pay {
    #[idempotent(key = id)]
    fn pay(&self, id: u64) -> Self::Receipt {
        self.receipt(id)
    }
}

// Becomes:

impl Bank {
    fn pay(&mut self, id: u64) -> Self {
        let operation = {
            static OPERATION: ::idempotently::Operation = ::idempotently::Operation::of_function();
            &OPERATION
        };
        let call = operation
            .call(
                &(
                    ::idempotently::__private::part(&self.name),
                    ::idempotently::__private::part(&id),
                ),
            );
        let body = || -> Self {
            self.paid += id;
            self.clone()
        };
        let plan = {
            use ::idempotently::__private::{
                PlanAny as _, PlanFuture as _, PlanResult as _,
            };
            ::idempotently::__private::returns(&body).idempotent_plan()
        };
        ::idempotently::__private::run(call, plan, body)
    }
    async fn open(id: u64) -> Self {
        let running = {
            let operation = {
                static OPERATION: ::idempotently::Operation = ::idempotently::Operation::of_function();
                &OPERATION
            };
            let call = operation.call_lent(&id);
            let call = call.scope(Self::SCOPE);
            let body = async move {
                if let ::core::option::Option::Some(outcome) = ::core::option::Option::None::<
                    Self,
                > {
                    return outcome;
                }
                { Self::with(id).await }
            };
            let plan = {
                use ::idempotently::__private::{
                    PlanAny as _, PlanFuture as _, PlanResult as _,
                };
                ::idempotently::__private::returns_async(&body).idempotent_plan()
            };
            ::idempotently::__private::run_async(call, plan, body)
        };
        running.await
    }
}
trait Pay {
    fn pay(&self, id: u64) -> Self::Receipt {
        let operation = {
            static OPERATION: ::idempotently::Operation = ::idempotently::Operation::of_function();
            &OPERATION
        };
        let call = operation.call_lent(&id);
        let body = || -> Self::Receipt { self.receipt(id) };
        let plan = {
            use ::idempotently::__private::{
                PlanAny as _, PlanFuture as _, PlanResult as _,
            };
            ::idempotently::__private::returns(&body).idempotent_plan()
        };
        ::idempotently::__private::run(call, plan, body)
    }
}
