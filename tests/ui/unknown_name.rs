use idempotently::idempotent;

#[idempotent(key = nothing)]
fn in_a_key(n: u8) -> u8 {
    n
}

#[idempotent(key = "{nothing}:{n}")]
async fn in_a_hole(n: u8) -> u8 {
    n
}

#[idempotent(key = n, fingerprint = nothing)]
fn in_a_fingerprint(n: u8) -> Result<u8, idempotently::Error> {
    Ok(n)
}

fn main() {}
