use idempotently::idempotent;

#[idempotent(key = n, keep = ok)]
fn number(n: u8) -> u8 {
    n
}

#[idempotent(key = n, keep = ok)]
fn nothing(n: u8) {
    drop(n.to_string());
}

#[derive(Clone)]
struct Receipt;

#[idempotent(key = n, keep = ok)]
fn own_type(n: u8) -> Receipt {
    drop(n.to_string());
    Receipt
}

fn main() {}
