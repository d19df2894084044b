use idempotently::idempotent;

#[idempotent(key = amount)]
fn argument(amount: f64) -> u64 {
    amount.to_bits()
}

#[idempotent(key = (name, amount))]
fn in_a_tuple(name: &str, amount: f64) -> usize {
    let _ = amount;
    name.len()
}

#[idempotent(key = "{name}:{amount}")]
async fn in_a_literal(name: &str, amount: f64) -> usize {
    let _ = amount;
    name.len()
}

#[idempotent(key = -1.5)]
fn literal() -> u8 {
    1
}

fn main() {}
