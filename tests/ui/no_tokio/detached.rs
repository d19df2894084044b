use idempotently::idempotent;

#[idempotent(key = n, detached)]
async fn charge(n: u8) -> u8 {
    n
}

fn main() {}
