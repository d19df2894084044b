use idempotently::idempotent;

struct Order {
    id: u64,
    weight: f64,
    note: Option<String>,
}

struct Money;

#[idempotent(key = (order.id, order.weight, order.note))]
fn tuple(order: &Order) -> u8 {
    1
}

#[idempotent(key = "{order.id}-{order.weight}")]
fn holes(order: &Order) -> u8 {
    1
}

#[idempotent(key = (order.id, (1, order.weight)))]
fn nested(order: &Order) -> u8 {
    1
}

#[idempotent(key = order.id, fingerprint = (order.weight, Money))]
fn fingerprint(order: &Order) -> Result<u8, idempotently::Error> {
    Ok(1)
}

fn main() {}
