use idempotently::idempotent;

#[idempotent(key = n, keep = all, on_failure = share)]
fn nothing_fails(n: u8) -> Result<u8, String> {
    Ok(n)
}

#[idempotent(key = n, on_failure = share, keep = all)]
fn nothing_fails_in_another_order(n: u8) -> Result<u8, String> {
    Ok(n)
}

#[idempotent(key = n, on_failure = share)]
fn cannot_fail(n: u8) -> u8 {
    n
}

#[idempotent(key = n, on_failure = share, in_flight = reject)]
fn nobody_waits(n: u8) -> Result<u8, idempotently::Error> {
    Ok(n)
}

fn main() {}
