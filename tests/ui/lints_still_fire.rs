#![deny(dead_code, unused_variables, unused_mut, unreachable_code, unsafe_code)]

use idempotently::idempotent;

#[idempotent(key = n)]
fn never_called(n: u8) -> u8 {
    n
}

#[idempotent(key = n)]
fn unused(mut n: u8, unused: u8) -> u8 {
    let also_unused = n;
    return n;
    n
}

#[idempotent(key = n)]
async fn forbidden(n: u8) -> u8 {
    unsafe { *(&raw const n) }
}

fn main() {
    let _ = (unused(1, 2), forbidden(1));
}
