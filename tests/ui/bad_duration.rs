use idempotently::idempotent;

#[idempotent(key = n, retention = "5 parsecs")]
fn unit(n: u8) -> u8 {
    n
}

#[idempotent(key = n, retention = "24")]
fn no_unit(n: u8) -> u8 {
    n
}

#[idempotent(key = n, retention = 24)]
fn number(n: u8) -> u8 {
    n
}

#[idempotent(key = n, retention = "0s")]
fn nothing(n: u8) -> u8 {
    n
}

#[idempotent(key = n, retention = "forever")]
fn quoted(n: u8) -> u8 {
    n
}

#[idempotent(key = n, in_flight = wait("soon"))]
fn word(n: u8) -> Result<u8, idempotently::Error> {
    Ok(n)
}

#[idempotent(key = n, retention = n)]
fn not_a_duration(n: u8) -> u8 {
    n
}

fn main() {}
