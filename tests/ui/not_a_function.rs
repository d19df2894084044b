use idempotently::idempotent;

#[idempotent(key = id)]
struct Order {
    id: u64,
}

#[idempotent(key = id)]
impl Order {
    fn id(&self) -> u64 {
        self.id
    }
}

#[idempotent(key = id)]
trait Pay {
    fn pay(&self);
}

#[idempotent(key = id)]
mod payments {}

#[idempotent(key = id)]
const LIMIT: u64 = 1;

#[idempotent(key = id)]
enum Kind {
    Only,
}

fn main() {
    let order = Order { id: LIMIT };
    let _ = (order.id(), Kind::Only);
}
