//! The expansion needs nothing that a prelude brings.

#![no_implicit_prelude]
#![deny(warnings)]

use ::idempotently::{ToKey, idempotent};

#[derive(ToKey)]
struct Order<T> {
    tenant: T,
    number: u64,
}

#[idempotent(
    key = (order, "x{n}"), fingerprint = n, retention = "90m", in_flight = wait("5s"), capacity = 5,
    scope = "orders", keep = ok, on_failure = share, handle = CHARGE
)]
fn charge(order: &Order<u8>, n: u8) -> ::core::result::Result<u64, ::idempotently::Error> {
    ::core::result::Result::Ok(order.number + if n == order.tenant { 1 } else { 3 })
}

#[idempotent(key = n, missing = run)]
async fn pay(n: ::core::option::Option<u8>) -> ::core::option::Option<u8> {
    n
}

#[idempotent(key = n)]
fn boxed(
    n: u8,
) -> ::core::pin::Pin<::std::boxed::Box<dyn ::core::future::Future<Output = u8> + ::core::marker::Send>>
{
    ::std::boxed::Box::pin(async move { n })
}

fn main() {
    let order = Order { tenant: 1, number: 2 };
    ::core::assert!(::core::matches!(charge(&order, 3), ::core::result::Result::Ok(5)));
    ::core::mem::drop((pay(::core::option::Option::None), boxed(1), &CHARGE));
}
