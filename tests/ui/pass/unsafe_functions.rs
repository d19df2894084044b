//! An `unsafe fn` stays one, and so does what it may do inside.

#![deny(warnings)]

use idempotently::idempotent;

/// Reads.
///
/// # Safety
///
/// `at` must point to a number.
#[idempotent(key = id)]
#[must_use]
pub unsafe fn read(id: u64, at: *const u8) -> u8 {
    let _ = id;
    // SAFETY: promised by the caller.
    unsafe { *at }
}

/// Reads.
///
/// # Safety
///
/// `at` must point to a number.
#[idempotent(key = id)]
#[must_use]
pub unsafe extern "C" fn read_for_c(id: u64, at: *const u8) -> u8 {
    let _ = id;
    // SAFETY: promised by the caller.
    unsafe { *at }
}

fn main() {
    let number = 7;
    // SAFETY: the pointers are made from references.
    assert_eq!(unsafe { read(1, &raw const number) + read_for_c(1, &raw const number) }, 14);
}
