use idempotently::idempotent;

#[idempotent(key = n, keep = |outcome| *outcome)]
fn no_boolean(n: u8) -> u8 {
    n
}

#[idempotent(key = n, keep = |outcome: &String| outcome.is_empty())]
fn of_another_type(n: u8) -> u8 {
    n
}

#[idempotent(key = n, keep = err)]
fn unknown_word(n: u8) -> Result<u8, u8> {
    Ok(n)
}

fn main() {}
