//! `#[derive(ToKey)]` on everything that it is for.

#![deny(warnings, missing_docs)]

use idempotently::{ToKey, idempotent};

/// A newtype.
#[derive(Clone, Copy, Debug, ToKey)]
pub struct OrderId(pub u64);

#[derive(ToKey)]
struct Named<'a> {
    tenant: &'a str,
    order: OrderId,
    r#type: [u8; 2],
}

#[derive(ToKey)]
struct Pair(u8, String);

#[derive(ToKey)]
struct NamedAlone {
    only: u8,
}

#[derive(ToKey)]
struct Generic<T: ?Sized, U, const N: usize>
where
    U: Copy,
{
    many: Vec<U>,
    bytes: [u8; N],
    boxed: Box<T>,
}

#[derive(ToKey)]
struct Unsized(str);

#[derive(ToKey)]
#[to_key(crate = again::idempotently)]
struct Elsewhere {
    number: u8,
}

mod again {
    pub use ::idempotently;
}

#[idempotent(key = (id, named, pair, alone, generic))]
fn uses(
    id: OrderId,
    named: &Named<'_>,
    pair: &Pair,
    alone: &NamedAlone,
    generic: &Generic<str, u8, 2>,
) -> u64 {
    id.0 + named.order.0
        + u64::from(named.r#type[0])
        + u64::from(pair.0)
        + u64::from(alone.only)
        + u64::from(generic.bytes[0])
}

const fn is_key<T: idempotently::key::ToKey + ?Sized>() {}

fn main() {
    is_key::<Unsized>();
    is_key::<Elsewhere>();
    assert_eq!(Elsewhere { number: 1 }.number, 1);
    let named = Named { tenant: "t", order: OrderId(1), r#type: [1, 2] };
    let generic = Generic { many: vec![1], bytes: [1, 2], boxed: "b".into() };
    let sum = uses(OrderId(1), &named, &Pair(1, String::new()), &NamedAlone { only: 1 }, &generic);
    assert_eq!(sum, 6);
    assert_eq!(named.tenant.len() + generic.many.len() + generic.boxed.len(), 3);
}
