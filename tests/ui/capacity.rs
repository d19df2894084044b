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

const NOTHING: usize = 0;
const MANY: u64 = 1;

#[idempotent(key = n, capacity = NOTHING)]
fn constant_zero(n: u8) -> Result<u8, idempotently::Error> {
    Ok(n)
}

#[idempotent(key = n, capacity = MANY)]
fn constant_of_another_type(n: u8) -> Result<u8, idempotently::Error> {
    Ok(n)
}

#[idempotent(key = n, capacity = most)]
fn argument(n: u8, most: usize) -> Result<u8, idempotently::Error> {
    Ok(n)
}

#[idempotent(key = n, capacity = N)]
fn parameter<const N: usize>(n: u8) -> Result<u8, idempotently::Error> {
    Ok(n)
}

fn main() {}
