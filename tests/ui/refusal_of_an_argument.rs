use idempotently::idempotent;

struct MyError;

#[idempotent(key = id, fingerprint = amount)]
fn fingerprint(id: u64, amount: u64) -> Result<u64, MyError> {
    let _ = amount;
    Ok(id)
}

#[idempotent(key = id, in_flight = reject)]
async fn in_flight(id: u64) -> Result<u64, MyError> {
    Ok(id)
}

#[idempotent(key = id, missing = reject)]
fn missing(id: Option<u64>) -> Result<u64, MyError> {
    id.ok_or(MyError)
}

#[idempotent(key = id, capacity = 5)]
fn capacity(id: u64) -> Result<u64, MyError> {
    Ok(id)
}

#[idempotent(key = id, durable, scope = "a", interrupted = fail, fingerprint = amount)]
fn durable(id: u64, amount: u64) -> Result<u64, MyError> {
    let _ = amount;
    Ok(id)
}

#[idempotent(key = id, store = store, scope = "b", interrupted = fail)]
async fn store(id: u64, store: &idempotently::SharedStore) -> Result<u64, MyError> {
    Ok(id)
}

fn main() {}
