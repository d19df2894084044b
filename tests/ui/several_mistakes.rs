use idempotently::idempotent;

#[idempotent(retenton = "1h", keep = ok, in_flight = fail, capacity = 0, detached, handle = 5)]
const fn all_wrong(text: &str) -> &str {
    text
}

#[idempotent(key = n, key = n, fingerprint = 5)]
fn also_wrong(n: u8) -> u8 {
    n
}

// The functions are there, so that nothing else is reported.
fn main() {
    let _ = (all_wrong("a"), also_wrong(1));
}
