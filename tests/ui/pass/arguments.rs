//! Every argument, and every form of its value.

#![deny(warnings, missing_docs)]

use std::time::Duration;

use idempotently::idempotent;

type Reply<T> = Result<T, idempotently::Error>;

#[derive(Clone)]
struct Receipt {
    total: u64,
}

#[idempotent(key = n, retention = "1h 30m", in_flight = wait, keep = all, on_failure = retry)]
fn defaults_spelled_out(n: u64) -> u64 {
    n
}

#[idempotent(key = n, retention = forever, in_flight = wait("1500ms"), capacity = 10_000)]
fn limited(n: u64) -> Reply<u64> {
    Ok(n)
}

const MOST: usize = 10;

mod limits {
    pub const ORDERS: u16 = 100;

    pub const fn of(factor: usize) -> usize {
        factor * super::MOST
    }
}

#[idempotent(key = n, capacity = MOST)]
fn limited_by_a_constant(n: u64) -> Reply<u64> {
    Ok(n)
}

#[idempotent(key = n, capacity = (limits::ORDERS as usize))]
fn limited_by_another_module(n: u64) -> Reply<u64> {
    Ok(n)
}

#[idempotent(key = n, capacity = 2 * limits::of(3))]
async fn limited_by_a_calculation(n: u64) -> Reply<u64> {
    Ok(std::future::ready(n).await)
}

#[idempotent(key = n, retention = Duration::from_secs(60 * minutes), in_flight = reject)]
async fn computed_retention(n: u64, minutes: u64) -> Reply<u64> {
    Ok(std::future::ready(n).await)
}

#[idempotent(key = n, fingerprint = (amount, currency), scope = "payments.charge")]
fn fingerprinted(n: u64, amount: f64, currency: Option<&str>) -> Reply<String> {
    Ok(format!("{n}{amount}{currency:?}"))
}

#[idempotent(key = n, keep = ok, on_failure = share)]
fn kept_when_ok(n: u64) -> Result<Receipt, String> {
    Ok(Receipt { total: n })
}

#[idempotent(key = n, keep = |receipt| receipt.total > 0)]
fn kept_by_closure(n: u64) -> Receipt {
    Receipt { total: n }
}

#[idempotent(key = n, keep = is_settled, on_failure = share)]
async fn kept_by_function(n: u64) -> Option<Receipt> {
    std::future::ready(Some(Receipt { total: n })).await
}

#[allow(clippy::ref_option)]
const fn is_settled(receipt: &Option<Receipt>) -> bool {
    receipt.is_some()
}

/// Charges.
///
/// # Errors
///
/// When the operation is full.
#[idempotent(key = n, handle = CHARGE, capacity = 2,)]
#[cfg(not(any()))]
pub fn with_handle(n: u64) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
    Ok(n)
}

mod inner {
    use idempotently::idempotent;

    #[idempotent(key = n, handle = REFUND)]
    pub fn with_visible_handle(n: u64) -> u64 {
        n
    }

    #[idempotent(key = n, handle = ABSENT)]
    #[cfg(any())]
    pub fn absent(n: u64) -> u64 {
        n
    }
}

/// The library under another name.
pub mod renamed {
    pub use idempotently as elsewhere;
}

#[idempotent(key = "{n}:{n}", crate = renamed::elsewhere, in_flight = wait("1d"))]
fn through_another_path(n: u64) -> Reply<u64> {
    Ok(n)
}

fn main() {
    assert_eq!(defaults_spelled_out(1), 1);
    assert_eq!(limited(1).ok(), Some(1));
    assert_eq!(limited_by_a_constant(1).ok(), Some(1));
    assert_eq!(limited_by_another_module(1).ok(), Some(1));
    drop(limited_by_a_calculation(1));
    drop(computed_retention(1, 2));
    assert_eq!(fingerprinted(1, 2.5, None).ok().as_deref(), Some("12.5None"));
    assert_eq!(kept_when_ok(1).map(|receipt| receipt.total), Ok(1));
    assert_eq!(kept_by_closure(1).total, 1);
    drop(kept_by_function(1));
    assert_eq!(with_handle(1).ok(), Some(1));
    assert_eq!(inner::with_visible_handle(1), 1);
    let handles: [&idempotently::Operation; 2] = [&CHARGE, &inner::REFUND];
    assert_eq!(handles.len(), 2);
    assert_eq!(through_another_path(1).ok(), Some(1));
}
