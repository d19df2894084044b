#[idempotent(key = id)]
fn opaque(id: u64) -> impl Future<Output = Result<u64, String>> + Send {
    async move { Ok(id) }
}

#[idempotent(key = id)]
fn boxed<'a>(&'a self, id: u64) -> Pin<Box<dyn Future<Output = u64> + Send + 'a>> {
    Box::pin(async move { self.run(id).await })
}

#[idempotent(key = id, detached)]
fn alias(id: u64) -> BoxFuture<'static, u64> {
    async move { id }.boxed()
}

#[idempotent(key = id)]
fn not_a_future(id: u8) -> Result<impl Iterator<Item = u8> + Clone, String> {
    Ok(0..id)
}

// Becomes:

fn opaque(id: u64) -> impl Future<Output = Result<u64, String>> + Send {
    let future = async move {
        let running = {
            let operation = {
                static OPERATION: ::idempotently::Operation = ::idempotently::Operation::of_function();
                &OPERATION
            };
            let call = operation.call_lent(&id);
            let body = move || -> _ { async move { Ok(id) } };
            let plan = {
                use ::idempotently::__private::{
                    PlanAny as _, PlanFuture as _, PlanResult as _,
                };
                ::idempotently::__private::returns_future_of::<
                    Result<u64, String>,
                    _,
                    _,
                >(&body)
                    .idempotent_plan()
            };
            ::idempotently::__private::run_future(call, plan, body)
        };
        running.await
    };
    future
}
fn boxed<'a>(&'a self, id: u64) -> Pin<Box<dyn Future<Output = u64> + Send + 'a>> {
    ::std::boxed::Box::pin(async move {
        let running = {
            let operation = {
                static OPERATION: ::idempotently::Operation = ::idempotently::Operation::of_function();
                &OPERATION
            };
            let call = operation.call_lent(&id);
            let body = move || -> Pin<Box<dyn Future<Output = u64> + Send + 'a>> {
                Box::pin(async move { self.run(id).await })
            };
            let plan = {
                use ::idempotently::__private::{
                    PlanAny as _, PlanFuture as _, PlanResult as _,
                };
                ::idempotently::__private::returns_future(&body).idempotent_plan()
            };
            ::idempotently::__private::run_future(call, plan, body)
        };
        running.await
    })
}
fn alias(id: u64) -> BoxFuture<'static, u64> {
    ::std::boxed::Box::pin(async move {
        let running = {
            let operation = {
                static OPERATION: ::idempotently::Operation = ::idempotently::Operation::of_function();
                &OPERATION
            };
            let call = operation.call(&id);
            let body = move || -> BoxFuture<'static, u64> { async move { id }.boxed() };
            let plan = {
                use ::idempotently::__private::{
                    PlanAny as _, PlanFuture as _, PlanResult as _,
                };
                ::idempotently::__private::returns_future(&body).idempotent_plan()
            };
            ::idempotently::__private::run_detached_future(call, plan, body)
        };
        running.await
    })
}
fn not_a_future(id: u8) -> Result<impl Iterator<Item = u8> + Clone, String> {
    let operation = {
        static OPERATION: ::idempotently::Operation = ::idempotently::Operation::of_function();
        &OPERATION
    };
    let call = operation.call_lent(&id);
    let body = || -> Result<_, String> { Ok(0..id) };
    let plan = {
        use ::idempotently::__private::{PlanAny as _, PlanFuture as _, PlanResult as _};
        ::idempotently::__private::returns(&body).idempotent_plan()
    };
    ::idempotently::__private::run(call, plan, body)
}
