#[idempotent(key = floor)]
fn call_lift(floor: u8) -> Lift {
    Lift::to(floor)
}

#[idempotent(key = floor)]
pub fn without_an_outcome(floor: u8) {
    drive(floor);
}

// Becomes:

fn call_lift(floor: u8) -> Lift {
    let operation = {
        static OPERATION: ::idempotently::Operation = ::idempotently::Operation::of_function();
        &OPERATION
    };
    let call = operation.call_lent(&floor);
    let body = || -> Lift { Lift::to(floor) };
    let plan = {
        use ::idempotently::__private::{PlanAny as _, PlanFuture as _, PlanResult as _};
        ::idempotently::__private::returns(&body).idempotent_plan()
    };
    ::idempotently::__private::run(call, plan, body)
}
pub fn without_an_outcome(floor: u8) {
    let operation = {
        static OPERATION: ::idempotently::Operation = ::idempotently::Operation::of_function();
        &OPERATION
    };
    let call = operation.call_lent(&floor);
    let body = || -> () {
        drive(floor);
    };
    let plan = {
        use ::idempotently::__private::{PlanAny as _, PlanFuture as _, PlanResult as _};
        ::idempotently::__private::returns(&body).idempotent_plan()
    };
    ::idempotently::__private::run(call, plan, body)
}
