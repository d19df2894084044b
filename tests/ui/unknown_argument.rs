use idempotently::idempotent;

#[idempotent(key = n, retenton = "1h")]
fn misspelled(n: u8) -> u8 {
    n
}

#[idempotent(key = n, ttl = "1h")]
fn known_elsewhere_as_ttl(n: u8) -> u8 {
    n
}

#[idempotent(cache_key = n)]
fn known_elsewhere_as_cache_key(n: u8) -> u8 {
    n
}

#[idempotent(key = n, colour = "red")]
fn like_nothing_else(n: u8) -> u8 {
    n
}

fn main() {}
