use idempotently::idempotent;

struct Request {
    order_id: u64,
}

#[idempotent(key = "order_id")]
fn hole_without_braces(request: &Request) -> u64 {
    request.order_id
}

#[idempotent(key = 5)]
fn number(id: u64) -> u64 {
    id
}

#[idempotent(key = -5)]
async fn negative(id: u64) -> u64 {
    id
}

#[idempotent(key = &"nightly")]
fn by_reference(id: u64) -> u64 {
    id
}

impl Request {
    #[idempotent(key = "order_id")]
    fn of_self(&self) -> u64 {
        self.order_id
    }
}

fn main() {}
