#[idempotent(key = order.id, transaction = tx, scope = "shop.place", in_flight = wait("10s"), lease = "5s")]
async fn place(mut tx: &mut PgConnection, order: &Order) -> Result<i64, ShopError> {
    insert(tx, order).await
}

impl Work<'_> {
    #[idempotent(key = (self.tenant, id), transaction = self.tx, scope = T::SCOPE, keep = |it| it.is_ok())]
    async fn add(&mut self, id: i64) -> Result<i64, ShopError> {
        self.insert(id).await
    }
}

#[idempotent(key = id, missing = run, transaction = tx, scope = "shop.boxed", crate = my::own)]
fn boxed<'a>(tx: &'a mut PgConnection, id: Option<i64>) -> BoxFuture<'a, Result<i64, ShopError>> {
    Box::pin(insert(tx, id))
}

#[idempotent(key = id, transaction = tx, scope = "shop.by_hand", retention = forever)]
fn by_hand(tx: &mut PgConnection, id: i64) -> impl Future<Output = Result<i64, ShopError>> + Send {
    insert(tx, id)
}

// Becomes:

async fn place(tx: &mut PgConnection, order: &Order) -> Result<i64, ShopError> {
    let mut running = {
        let operation = {
            static OPERATION: ::idempotently::Operation = ::idempotently::Operation::of_function()
                .in_flight(
                    ::idempotently::InFlight::WaitFor(
                        ::core::time::Duration::from_secs(10),
                    ),
                )
                .lease(::core::time::Duration::from_secs(5));
            &OPERATION
        };
        let call = operation.call(&order.id);
        let call = call.scope("shop.place");
        let plan = {
            use ::idempotently::__private::{
                PlanAny as _, PlanFuture as _, PlanResult as _,
            };
            ::idempotently::__private::returns_as::<Result<i64, ShopError>>()
                .idempotent_plan()
                .refused_by_transaction()
        };
        match ::idempotently::__private::begin(
                call,
                plan,
                ::idempotently::__private::lent(&mut *tx),
            )
            .await
        {
            ::idempotently::__private::Begun::Answered(outcome) => return outcome,
            ::idempotently::__private::Begun::Run(running) => running,
        }
    };
    let outcome = {
        let mut tx = &mut *tx;
        running
            .body(async move {
                if let ::core::option::Option::Some(outcome) = ::core::option::Option::None::<
                    Result<i64, ShopError>,
                > {
                    return outcome;
                }
                { insert(tx, order).await }
            })
    }
        .await;
    running.end(::idempotently::__private::lent(&mut *tx), outcome).await
}
impl Work<'_> {
    async fn add(&mut self, id: i64) -> Result<i64, ShopError> {
        let mut running = {
            let operation = {
                static OPERATION: ::idempotently::Operation = ::idempotently::Operation::of_function();
                &OPERATION
            };
            let call = operation
                .call(
                    &(
                        ::idempotently::__private::part(&self.tenant),
                        ::idempotently::__private::part(&id),
                    ),
                );
            let call = call.scope(T::SCOPE);
            let plan = {
                use ::idempotently::__private::{
                    PlanAny as _, PlanFuture as _, PlanResult as _,
                };
                ::idempotently::__private::returns_as::<Result<i64, ShopError>>()
                    .idempotent_plan()
                    .keep_if(|it| it.is_ok())
                    .whole()
                    .refused_by_transaction()
            };
            match ::idempotently::__private::begin(
                    call,
                    plan,
                    ::idempotently::__private::lent(&mut self.tx),
                )
                .await
            {
                ::idempotently::__private::Begun::Answered(outcome) => return outcome,
                ::idempotently::__private::Begun::Run(running) => running,
            }
        };
        let outcome = running
            .body(async {
                if let ::core::option::Option::Some(outcome) = ::core::option::Option::None::<
                    Result<i64, ShopError>,
                > {
                    return outcome;
                }
                { self.insert(id).await }
            })
            .await;
        running.end(::idempotently::__private::lent(&mut self.tx), outcome).await
    }
}
fn boxed<'a>(
    tx: &'a mut PgConnection,
    id: Option<i64>,
) -> BoxFuture<'a, Result<i64, ShopError>> {
    ::std::boxed::Box::pin(async move {
        let mut running = {
            let operation = {
                static OPERATION: my::own::Operation = my::own::Operation::of_function();
                &OPERATION
            };
            let call = operation.call_optional(&id, my::own::Missing::Run);
            let call = call.scope("shop.boxed");
            let plan = {
                use my::own::__private::{PlanAny as _, PlanFuture as _, PlanResult as _};
                my::own::__private::returns_as::<Result<i64, ShopError>>()
                    .idempotent_plan()
                    .refused_by_transaction()
            };
            match my::own::__private::begin(
                    call,
                    plan,
                    my::own::__private::lent(&mut *tx),
                )
                .await
            {
                my::own::__private::Begun::Answered(outcome) => return outcome,
                my::own::__private::Begun::Run(running) => running,
            }
        };
        let outcome = {
            let tx = &mut *tx;
            running
                .body(
                    (move || -> BoxFuture<'_, Result<i64, ShopError>> {
                        Box::pin(insert(tx, id))
                    })(),
                )
        }
            .await;
        running.end(my::own::__private::lent(&mut *tx), outcome).await
    })
}
fn by_hand(
    tx: &mut PgConnection,
    id: i64,
) -> impl Future<Output = Result<i64, ShopError>> + Send {
    let future = async move {
        let mut running = {
            let operation = {
                static OPERATION: ::idempotently::Operation = ::idempotently::Operation::of_function()
                    .retention(::idempotently::Retention::Forever);
                &OPERATION
            };
            let call = operation.call(&id);
            let call = call.scope("shop.by_hand");
            let plan = {
                use ::idempotently::__private::{
                    PlanAny as _, PlanFuture as _, PlanResult as _,
                };
                ::idempotently::__private::returns_as::<Result<i64, ShopError>>()
                    .idempotent_plan()
                    .refused_by_transaction()
            };
            match ::idempotently::__private::begin(
                    call,
                    plan,
                    ::idempotently::__private::lent(&mut *tx),
                )
                .await
            {
                ::idempotently::__private::Begun::Answered(outcome) => return outcome,
                ::idempotently::__private::Begun::Run(running) => running,
            }
        };
        let outcome = {
            let tx = &mut *tx;
            running.body((move || -> _ { insert(tx, id) })())
        }
            .await;
        running.end(::idempotently::__private::lent(&mut *tx), outcome).await
    };
    future
}
