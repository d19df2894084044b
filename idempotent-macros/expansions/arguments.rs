#[idempotent(
    key = n,
    scope = "payments.charge",
    retention = "1h 30m",
    in_flight = wait("1500ms"),
    keep = ok,
    on_failure = share,
    fingerprint = (amount, currency),
    capacity = 10_000,
    crate = my::own,
)]
fn everything(n: u8, amount: f64, currency: &str) -> Result<u8, Error> {
    Ok(n)
}

#[idempotent(key = n, retention = forever, in_flight = reject, keep = |outcome| outcome.is_final())]
fn by_predicate(n: u8) -> Outcome {
    Ok(n)
}

#[idempotent(key = n, retention = Duration::from_secs(60 * minutes), in_flight = wait, keep = all)]
fn computed(n: u8, minutes: u64) -> Result<u8, Error> {
    Ok(n)
}

// Becomes:

fn everything(n: u8, amount: f64, currency: &str) -> Result<u8, Error> {
    let operation = {
        static OPERATION: my::own::Operation = my::own::Operation::of_function()
            .retention(my::own::Retention::For(::core::time::Duration::from_secs(5400)))
            .in_flight(
                my::own::InFlight::WaitFor(::core::time::Duration::from_millis(1500)),
            )
            .capacity(10_000);
        &OPERATION
    };
    let call = operation.call_lent(&n);
    let call = call
        .fingerprint(
            &(
                my::own::__private::print_part(&amount),
                my::own::__private::print_part(&currency),
            ),
        );
    let call = call.scope("payments.charge");
    let body = || -> Result<u8, Error> { Ok(n) };
    let plan = {
        use my::own::__private::{PlanAny as _, PlanFuture as _, PlanResult as _};
        my::own::__private::returns(&body)
            .idempotent_plan()
            .keep_ok()
            .share()
            .refused_by_in_flight()
    };
    my::own::__private::run(call, plan, body)
}
fn by_predicate(n: u8) -> Outcome {
    let operation = {
        static OPERATION: ::idempotently::Operation = ::idempotently::Operation::of_function()
            .retention(::idempotently::Retention::Forever)
            .in_flight(::idempotently::InFlight::Reject);
        &OPERATION
    };
    let call = operation.call_lent(&n);
    let body = || -> Outcome { Ok(n) };
    let plan = {
        use ::idempotently::__private::{PlanAny as _, PlanFuture as _, PlanResult as _};
        ::idempotently::__private::returns(&body)
            .idempotent_plan()
            .keep_if(|outcome| outcome.is_final())
            .whole()
            .refused_by_in_flight()
    };
    ::idempotently::__private::run(call, plan, body)
}
fn computed(n: u8, minutes: u64) -> Result<u8, Error> {
    let operation = {
        static OPERATION: ::idempotently::Operation = ::idempotently::Operation::of_function()
            .in_flight(::idempotently::InFlight::Wait);
        &OPERATION
    };
    let call = operation.call_lent(&n);
    let call = call
        .retention(
            ::idempotently::__private::retention(Duration::from_secs(60 * minutes)),
        );
    let body = || -> Result<u8, Error> { Ok(n) };
    let plan = {
        use ::idempotently::__private::{PlanAny as _, PlanFuture as _, PlanResult as _};
        ::idempotently::__private::returns(&body).idempotent_plan().keep_all()
    };
    ::idempotently::__private::run(call, plan, body)
}
