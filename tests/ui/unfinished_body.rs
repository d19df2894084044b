use idempotently::idempotent;

#[idempotent(key = id)]
fn unfinished(id: String) -> usize {
    id.
}

fn main() {}
