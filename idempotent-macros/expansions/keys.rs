#[idempotent(key = "{order.tenant}:{order.id}")]
fn literal(order: &Order) -> u8 {
    1
}

#[idempotent(key = "nightly")]
fn constant() -> u8 {
    1
}

#[idempotent(key = (a + b, (c.d, "v{e}")))]
fn nested(a: u8, b: u8, c: C, e: u8) -> u8 {
    1
}

#[idempotent(key = header, missing = run)]
fn optional(header: Option<String>) -> u8 {
    1
}

#[idempotent(key = header.as_ref().map(|key| (tenant, key)), missing = reject)]
fn required(tenant: u8, header: Option<String>) -> Result<u8, Error> {
    Ok(1)
}

// Becomes:

fn literal(order: &Order) -> u8 {
    let operation = {
        static OPERATION: ::idempotently::Operation = ::idempotently::Operation::of_function();
        &OPERATION
    };
    let call = operation
        .call(
            &(
                ::idempotently::__private::part(&order.tenant),
                &::idempotently::key::Piece(":"),
                ::idempotently::__private::part(&order.id),
            ),
        );
    let body = || -> u8 { 1 };
    let plan = {
        use ::idempotently::__private::{PlanAny as _, PlanFuture as _, PlanResult as _};
        ::idempotently::__private::returns(&body).idempotent_plan()
    };
    ::idempotently::__private::run(call, plan, body)
}
fn constant() -> u8 {
    let operation = {
        static OPERATION: ::idempotently::Operation = ::idempotently::Operation::of_function();
        &OPERATION
    };
    let call = operation.call(&"nightly");
    let body = || -> u8 { 1 };
    let plan = {
        use ::idempotently::__private::{PlanAny as _, PlanFuture as _, PlanResult as _};
        ::idempotently::__private::returns(&body).idempotent_plan()
    };
    ::idempotently::__private::run(call, plan, body)
}
fn nested(a: u8, b: u8, c: C, e: u8) -> u8 {
    let operation = {
        static OPERATION: ::idempotently::Operation = ::idempotently::Operation::of_function();
        &OPERATION
    };
    let call = operation
        .call(
            &(
                ::idempotently::__private::part(&(a + b)),
                &(
                    ::idempotently::__private::part(&c.d),
                    &(
                        &::idempotently::key::Piece("v"),
                        ::idempotently::__private::part(&e),
                    ),
                ),
            ),
        );
    let body = || -> u8 { 1 };
    let plan = {
        use ::idempotently::__private::{PlanAny as _, PlanFuture as _, PlanResult as _};
        ::idempotently::__private::returns(&body).idempotent_plan()
    };
    ::idempotently::__private::run(call, plan, body)
}
fn optional(header: Option<String>) -> u8 {
    let operation = {
        static OPERATION: ::idempotently::Operation = ::idempotently::Operation::of_function();
        &OPERATION
    };
    let call = operation.call_optional_lent(&header, ::idempotently::Missing::Run);
    let body = || -> u8 { 1 };
    let plan = {
        use ::idempotently::__private::{PlanAny as _, PlanFuture as _, PlanResult as _};
        ::idempotently::__private::returns(&body).idempotent_plan()
    };
    ::idempotently::__private::run(call, plan, body)
}
fn required(tenant: u8, header: Option<String>) -> Result<u8, Error> {
    let operation = {
        static OPERATION: ::idempotently::Operation = ::idempotently::Operation::of_function();
        &OPERATION
    };
    let call = operation
        .call_optional(
            &header.as_ref().map(|key| (tenant, key)),
            ::idempotently::Missing::Reject,
        );
    let body = || -> Result<u8, Error> { Ok(1) };
    let plan = {
        use ::idempotently::__private::{PlanAny as _, PlanFuture as _, PlanResult as _};
        ::idempotently::__private::returns(&body).idempotent_plan().refused_by_missing()
    };
    ::idempotently::__private::run(call, plan, body)
}
