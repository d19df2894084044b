use idempotently::idempotent;

struct Order {
    id: u64,
}

#[idempotent(key = order)]
fn struct_without_derive(order: &Order) -> u64 {
    order.id
}

#[idempotent(key = order.id, fingerprint = order)]
fn fingerprint_without_derive(order: &Order) -> Result<u64, idempotently::Error> {
    Ok(order.id)
}

#[idempotent(key = value)]
fn unbounded_parameter<T>(value: T) -> u8 {
    drop(value);
    1
}

#[idempotent(key = ())]
fn empty() -> u8 {
    1
}

#[idempotent(key = "")]
fn empty_literal() -> u8 {
    1
}

#[idempotent(key = "order.id")]
fn quoted(order: Order) -> u64 {
    order.id
}

fn main() {}
