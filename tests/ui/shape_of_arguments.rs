use idempotently::idempotent;

#[idempotent(n)]
fn without_name(n: u8) -> u8 {
    n
}

#[idempotent("{n}")]
fn literal_without_name(n: u8) -> u8 {
    n
}

#[idempotent(key(n))]
fn in_parentheses(n: u8) -> u8 {
    n
}

#[idempotent(key)]
fn without_value(n: u8) -> u8 {
    n
}

#[idempotent(key = )]
fn without_value_after_equals(n: u8) -> u8 {
    n
}

#[idempotent(key = n keep = all)]
fn without_comma(n: u8) -> u8 {
    n
}

#[idempotent(key = n, detached = true)]
async fn flag_with_value(n: u8) -> u8 {
    n
}

fn main() {}
