#[idempotent(key = (tenant, order.id))]
/// Documented.
#[must_use]
#[cfg(feature = "orders")]
pub(crate) unsafe extern "C" fn place<'a, T, const N: usize>(
    mut order: Order<'a, T>,
    (tenant, _): (u8, [u8; N]),
    #[cfg(test)] ref note: String,
    by: impl Fn(&str) -> u8,
) -> Result<u64, String>
where
    T: Clone,
{
    #![allow(unused)]
    order.id += u64::from(by("a"));
    if tenant == 0 {
        return Err("nobody".into());
    }
    Ok(order.id.parse()?)
}

// Becomes:

/// Documented.
#[must_use]
#[cfg(feature = "orders")]
pub(crate) unsafe extern "C" fn place<'a, T, const N: usize>(
    mut order: Order<'a, T>,
    (tenant, _): (u8, [u8; N]),
    #[cfg(test)]
    ref note: String,
    by: impl Fn(&str) -> u8,
) -> Result<u64, String>
where
    T: Clone,
{
    #![allow(unused)]
    let operation = {
        static OPERATION: ::idempotently::Operation = ::idempotently::Operation::of_function();
        &OPERATION
    };
    let call = operation
        .call(
            &(
                ::idempotently::__private::part(&tenant),
                ::idempotently::__private::part(&order.id),
            ),
        );
    let body = || -> Result<u64, String> {
        order.id += u64::from(by("a"));
        if tenant == 0 {
            return Err("nobody".into());
        }
        Ok(order.id.parse()?)
    };
    let plan = {
        use ::idempotently::__private::{PlanAny as _, PlanFuture as _, PlanResult as _};
        ::idempotently::__private::returns(&body).idempotent_plan()
    };
    ::idempotently::__private::run(call, plan, body)
}
