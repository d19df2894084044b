use idempotently::idempotent;

#[idempotent(key = n, capacity = 0)]
fn zero(n: u8) -> Result<u8, idempotently::Error> {
    Ok(n)
}

#[idempotent(key = n, capacity = -1)]
fn negative(n: u8) -> Result<u8, idempotently::Error> {
    Ok(n)
}

#[idempotent(key = n, capacity = "many")]
fn text(n: u8) -> Result<u8, idempotently::Error> {
    Ok(n)
}

fn main() {}
