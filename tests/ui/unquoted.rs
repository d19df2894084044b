use idempotently::idempotent;

#[idempotent(key = n, scope = payments.charge)]
fn dotted(n: u8) -> u8 {
    n
}

#[idempotent(key = n, scope = payments)]
fn word(n: u8) -> u8 {
    n
}

#[idempotent(id)]
fn key_alone(id: u8) -> u8 {
    id
}

#[idempotent(name, retention = "1h")]
fn argument_alone(name: u8) -> u8 {
    name
}

fn main() {}
