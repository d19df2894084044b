//! The bank, and the one function that must not run twice for a payment.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use idempotently::idempotent;

use crate::requests::{Currency, Payment};

/// Charges a payment. However often it is called for one `payment.id`, from whichever thread: the bank is asked once,
/// and every caller gets the same receipt. What failed is not kept, so that it can be tried again; the same `id` with
/// another amount, currency or customer is refused.
#[idempotent(
    key = payment.id,
    fingerprint = (payment.amount, payment.currency.code(), payment.customer),
    scope = "payments.charge",
)]
pub(crate) fn charge(bank: &Bank, payment: &Payment) -> Result<Receipt, ChargeError> {
    let number = bank.debit(payment)?;
    Ok(Receipt { number, amount: payment.amount, currency: payment.currency })
}

/// What a customer gets for money. `Clone`, because every duplicate gets one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) number: u64,
    pub(crate) amount: u64,
    pub(crate) currency: Currency,
}

/// Why there was no charge.
#[derive(Debug)]
pub(crate) enum ChargeError {
    Declined,
    /// The bank did not answer; nothing was charged.
    Unavailable,
    /// `charge` was not run: the words of the library.
    NotRun(idempotently::Error),
}

impl From<idempotently::Error> for ChargeError {
    fn from(error: idempotently::Error) -> Self {
        Self::NotRun(error)
    }
}

impl std::error::Error for ChargeError {}

impl fmt::Display for ChargeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declined => out.write_str("the card was declined"),
            Self::Unavailable => out.write_str("the bank did not answer"),
            Self::NotRun(error) => error.fmt(out),
        }
    }
}

/// A slow bank that drops a few calls. It knows nothing of ids: asked twice, it takes the money twice.
#[derive(Debug, Default)]
pub(crate) struct Bank {
    books: Mutex<Books>,
}

/// What the bank has written down.
#[derive(Debug, Default, Clone)]
pub(crate) struct Books {
    pub(crate) calls: u64,
    /// The payments that were asked for once in vain.
    pub(crate) unanswered: HashSet<String>,
    pub(crate) charges: u64,
    pub(crate) totals: BTreeMap<Currency, u128>,
}

impl Bank {
    /// Takes the money, and gives the number of the charge.
    fn debit(&self, payment: &Payment) -> Result<u64, ChargeError> {
        let luck = luck(&payment.id);
        thread::sleep(Duration::from_micros(2_000 + luck % 4_000));
        let mut books = self.books();
        books.calls += 1;
        if payment.card == "tok_declined" {
            return Err(ChargeError::Declined);
        }
        if luck.is_multiple_of(40) && books.unanswered.insert(payment.id.clone()) {
            return Err(ChargeError::Unavailable);
        }
        books.charges += 1;
        *books.totals.entry(payment.currency).or_default() += u128::from(payment.amount);
        Ok(books.charges)
    }

    pub(crate) fn statement(&self) -> Books {
        self.books().clone()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number that is the same for an id in every run.
fn luck(id: &str) -> u64 {
    id.bytes().fold(7, |luck, byte| luck.wrapping_mul(31).wrapping_add(byte.into()) % 1_000_003)
}
