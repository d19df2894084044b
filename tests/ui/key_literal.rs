use idempotently::idempotent;

#[idempotent(key = "{id:?}")]
fn format_spec(id: u64) -> u64 {
    id
}

#[idempotent(key = "{}")]
fn positional(id: u64) -> u64 {
    id
}

#[idempotent(key = "{0}")]
fn numbered(id: u64) -> u64 {
    id
}

#[idempotent(key = "{id")]
fn never_closed(id: u64) -> u64 {
    id
}

#[idempotent(key = "id}")]
fn never_opened(id: u64) -> u64 {
    id
}

#[idempotent(key = "{id other}")]
fn not_an_expression(id: u64) -> u64 {
    id
}

#[idempotent(key = "{f(id}")]
fn unbalanced(id: u64) -> u64 {
    id
}

#[idempotent(key = "{f('}")]
fn no_rust_at_all(id: u64) -> u64 {
    id
}

fn main() {}
