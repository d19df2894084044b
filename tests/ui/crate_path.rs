use idempotently::idempotent;

mod elsewhere {}

#[idempotent(key = n, crate = idem)]
fn no_such_crate(n: u8) -> u8 {
    n
}

#[idempotent(key = n, crate = elsewhere::idempotently)]
fn no_such_module(n: u8) -> u8 {
    n
}

#[idempotent(key = n, crate = idem, handle = CHARGE, fingerprint = m, in_flight = reject)]
fn with_arguments(n: u8, m: u8) -> Result<u8, idempotently::Error> {
    Ok(n + m)
}

fn main() {}
