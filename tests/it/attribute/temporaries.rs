//! What an argument of the attribute borrows or locks is given back before the next one is evaluated.

use crate::support::ready;
use idempotently::backend::memory::MemoryStore;
use idempotently::{Error, SharedStore, idempotent};
use std::cell::RefCell;
use std::sync::{Mutex, TryLockError};
use std::time::Duration;

struct Cart {
    id: u64,
    cents: u64,
}

/// The locked cart; a lock that is held by the same thread is a failure, and no wait for ever.
fn locked(cart: &Mutex<Cart>) -> std::sync::MutexGuard<'_, Cart> {
    match cart.try_lock() {
        Ok(cart) => cart,
        Err(TryLockError::WouldBlock) => panic!("the lock of an earlier argument is held"),
        Err(TryLockError::Poisoned(_)) => panic!("poisoned"),
    }
}

fn day(cart: &Mutex<Cart>) -> Duration {
    Duration::from_secs(86_400 + locked(cart).cents)
}

fn scope(cart: &Mutex<Cart>) -> &'static str {
    if locked(cart).cents == 0 { "it.temporaries.free" } else { "it.temporaries.paid" }
}

#[idempotent(
    key = locked(cart).id,
    fingerprint = locked(cart).cents,
    retention = day(cart),
    scope = scope(cart)
)]
fn pay(cart: &Mutex<Cart>) -> Result<u64, Error> {
    Ok(locked(cart).cents)
}

#[idempotent(key = (locked(cart).id, 1), fingerprint = locked(cart).cents)]
async fn pay_later(cart: &Mutex<Cart>) -> Result<u64, Error> {
    Ok(locked(cart).cents)
}

struct Shop {
    cart: RefCell<Cart>,
    store: SharedStore,
}

impl Shop {
    fn store(&self) -> &SharedStore {
        self.cart.borrow_mut().cents += 1;
        &self.store
    }

    #[idempotent(key = self.cart.borrow().id, store = self.store(), scope = "it.temporaries.store", interrupted = fail)]
    fn pay(&self) -> Result<u64, Error> {
        Ok(self.cart.borrow().cents)
    }
}

#[test]
fn each_argument_of_a_call_has_its_own_temporaries() {
    let cart = Mutex::new(Cart { id: 1, cents: 500 });
    assert_eq!(pay(&cart).unwrap(), 500);
    assert_eq!(ready(&mut Box::pin(pay_later(&cart))).unwrap(), 500);
    locked(&cart).cents = 900;
    assert!(pay(&cart).is_err());
    assert!(ready(&mut Box::pin(pay_later(&cart))).is_err());
}

#[test]
fn a_store_is_chosen_when_the_key_has_been_read() {
    let cart = RefCell::new(Cart { id: 1, cents: 1 });
    let shop = Shop { cart, store: SharedStore::new(MemoryStore::new()) };
    assert_eq!(shop.pay().unwrap(), 2);
    assert_eq!(shop.pay().unwrap(), 2);
}
