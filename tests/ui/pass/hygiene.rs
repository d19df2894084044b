//! Names of the user's that the expansion also uses.

#![deny(warnings)]
#![allow(non_camel_case_types, non_upper_case_globals, non_snake_case)]

mod core {}
mod std {}

use idempotently::idempotent;

struct Operation;
struct Retention;
struct Missing;
struct InFlight;
struct Box;
struct Duration;

static OPERATION: u64 = 1;

#[idempotent(key = (operation, call, body), fingerprint = plan, retention = "1h", in_flight = wait("1s"))]
fn locals(
    operation: u64,
    call: u64,
    body: u64,
    plan: u64,
    future: u64,
) -> Result<u64, idempotently::Error> {
    let _ = (Operation, Retention, Missing, InFlight, Box, Duration);
    Ok(operation + call + body + plan + future + OPERATION)
}

#[idempotent(key = (operation, call, body, OPERATION))]
async fn locals_async(operation: u64, call: u64, body: u64, plan: u64, future: u64) -> u64 {
    ::std::future::ready(operation + call + body + plan + future + OPERATION).await
}

#[idempotent(key = (operation, call, body, future))]
fn locals_future(operation: u64, call: u64, body: u64, future: u64) -> impl Future<Output = u64> {
    async move { operation + call + body + future }
}

const fn operation() -> u64 {
    1
}
const fn call() -> u64 {
    2
}
const fn body() -> u64 {
    3
}
const fn plan() -> u64 {
    4
}
const fn run() -> u64 {
    5
}

#[idempotent(key = n, keep = |outcome| *outcome > plan())]
fn functions(n: u64) -> u64 {
    n + operation() + call() + body() + plan() + run()
}

trait Everything {
    fn call(&self) -> u8 {
        1
    }
    fn scope(&self) -> u8 {
        1
    }
    fn retention(&self) -> u8 {
        1
    }
    fn fingerprint(&self) -> u8 {
        1
    }
    fn share(&self) -> u8 {
        1
    }
    fn fallible(&self) -> u8 {
        1
    }
    fn keep_all(&self) -> u8 {
        1
    }
}
impl<T: ?Sized> Everything for T {}

#[idempotent(key = n, fingerprint = m, scope = "everything", retention = ::std::time::Duration::from_secs(n), on_failure = share)]
fn traits(n: u64, m: u64) -> Result<u64, idempotently::Error> {
    Ok(n + m)
}

mod shadowed {
    use idempotently::idempotent;

    pub enum Own {
        Some,
        None,
        Ok,
        Err,
    }
    pub use Own::{Err, None, Ok, Some};

    #[idempotent(key = n)]
    pub fn variants(n: u8) -> usize {
        [Some, None, Ok, Err].len()
    }
}

fn main() {
    assert_eq!(locals(1, 2, 3, 4, 5).ok(), Some(16));
    drop(locals_async(1, 2, 3, 4, 5));
    drop(locals_future(1, 2, 3, 4));
    assert_eq!(functions(1), 16);
    assert_eq!(traits(1, 2).ok(), Some(3));
    assert_eq!(1.scope() + 1.call() + 1.retention() + 1.fingerprint(), 4);
    assert_eq!(1.share() + 1.fallible() + 1.keep_all(), 3);
    assert_eq!(shadowed::variants(1), 4);
}
