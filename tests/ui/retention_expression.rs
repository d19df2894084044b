use idempotently::idempotent;

const TEXT: &str = "1h";
const SECONDS: u64 = 3600;

#[idempotent(key = id, retention = TEXT)]
fn text(id: u64) -> u64 {
    id
}

#[idempotent(key = id, retention = SECONDS)]
async fn number(id: u64) -> u64 {
    id
}

fn main() {}
