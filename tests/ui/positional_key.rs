use idempotently::idempotent;

#[idempotent(key = "{}-{}", tenant, id)]
fn as_in_format(tenant: u64, id: u64) -> u64 {
    tenant + id
}

#[idempotent(key = "{}", order.id)]
fn field(order: Order) -> u64 {
    order.id
}

struct Order {
    id: u64,
}

#[idempotent("order-{id}")]
fn bare_text(id: u64) -> u64 {
    id
}

#[idempotent(order.id)]
fn bare_field(order: Order) -> u64 {
    order.id
}

fn main() {}
