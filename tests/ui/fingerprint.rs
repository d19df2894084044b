use idempotently::idempotent;

#[idempotent(key = n, fingerprint = n)]
fn same_as_key(n: u8) -> Result<u8, idempotently::Error> {
    Ok(n)
}

#[idempotent(key = n, fingerprint = "constant")]
fn constant(n: u8) -> Result<u8, idempotently::Error> {
    Ok(n)
}

#[idempotent(key = n, fingerprint = ())]
fn empty(n: u8) -> Result<u8, idempotently::Error> {
    Ok(n)
}

fn main() {}
