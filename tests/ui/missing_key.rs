use idempotently::idempotent;

#[idempotent]
fn nothing(order_id: u64) -> u64 {
    order_id
}

#[idempotent()]
fn empty(order_id: u64) -> u64 {
    order_id
}

#[idempotent(retention = "1h")]
fn other(order_id: u64) -> u64 {
    order_id
}

fn main() {}
