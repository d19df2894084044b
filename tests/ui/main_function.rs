use idempotently::idempotent;

#[idempotent(key = "once")]
fn main() {}
