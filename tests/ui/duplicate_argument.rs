use idempotently::idempotent;

#[idempotent(key = n, retention = "1h", key = m)]
fn twice(n: u8, m: u8) -> u8 {
    n + m
}

#[idempotent(key = n)]
#[idempotent(key = m)]
fn two_attributes(n: u8, m: u8) -> u8 {
    n + m
}

fn main() {}
