#[idempotent(key = n, handle = CHARGE, retention = "7d")]
#[cfg(feature = "charge")]
#[inline]
pub(crate) fn charge(n: u8) -> u8 {
    n
}

// Becomes:

#[cfg(feature = "charge")]
/// The operation of `charge`.
pub(crate) static CHARGE: ::idempotently::Operation = ::idempotently::Operation::of_function()
    .retention(
        ::idempotently::Retention::For(::core::time::Duration::from_secs(604800)),
    );
#[cfg(feature = "charge")]
#[inline]
pub(crate) fn charge(n: u8) -> u8 {
    let operation = &CHARGE;
    let call = operation.call_lent(&n);
    let body = || -> u8 { n };
    let plan = {
        use ::idempotently::__private::{PlanAny as _, PlanFuture as _, PlanResult as _};
        ::idempotently::__private::returns(&body).idempotent_plan()
    };
    ::idempotently::__private::run(call, plan, body)
}
