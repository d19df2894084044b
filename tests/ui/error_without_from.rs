use idempotently::idempotent;

#[derive(Clone)]
struct ChargeError;

#[idempotent(key = n, in_flight = reject)]
fn charge(n: u8) -> Result<u8, ChargeError> {
    Ok(n)
}

#[idempotent(key = n, capacity = 10)]
async fn charge_async(n: u8) -> Result<u8, ChargeError> {
    Ok(n)
}

fn main() {}
