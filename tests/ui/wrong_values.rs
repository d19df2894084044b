use idempotently::idempotent;

#[idempotent(key = n, in_flight = fail)]
fn in_flight(n: u8) -> u8 {
    n
}

#[idempotent(key = n, in_flight = wait(10))]
fn in_flight_limit(n: u8) -> u8 {
    n
}

#[idempotent(key = n, keep = "ok")]
fn keep(n: u8) -> Result<u8, String> {
    Ok(n)
}

#[idempotent(key = n, on_failure = ignore)]
fn on_failure(n: u8) -> Result<u8, String> {
    Ok(n)
}

#[idempotent(key = n, missing = skip)]
fn missing(n: Option<u8>) -> Option<u8> {
    n
}

#[idempotent(key = n, scope = "")]
fn empty_scope(n: u8) -> u8 {
    n
}

#[idempotent(key = n, scope = "orders:{n}")]
fn scope_with_hole(n: u8) -> u8 {
    n
}

#[idempotent(key = n, handle = "CHARGE")]
fn handle(n: u8) -> u8 {
    n
}

#[idempotent(key = n, crate = "idempotently")]
fn crate_path(n: u8) -> u8 {
    n
}

fn main() {}
