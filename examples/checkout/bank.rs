//! The bank, and the one function that must not charge twice for a payment.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use idempotently::{current, idempotent};
use serde::{Deserialize, Serialize};

use crate::ledger::{Charge, Ledger};
use crate::requests::{Currency, Payment};

/// Charges a payment. However often it is called for one `payment.id`, from whichever thread or process, before and
/// after a crash: the customer is charged once, and every caller gets the same receipt. What failed is not kept, so that
/// it can be tried again; the same `id` with another amount, currency or customer is refused.
///
/// A process that is killed in here leaves a payment behind of which nobody knows whether the bank has charged it. The
/// next caller asks the bank again when the lease is over (`interrupted = retry`), with the same reference, and a bank
/// that knows the reference answers with the charge that it has. With a bank that takes no reference, write
/// `interrupted = fail`, and let somebody look.
#[idempotent(
    key = payment.id,
    fingerprint = (payment.amount, payment.currency.code(), payment.customer),
    durable,
    scope = "payments.charge",
    interrupted = retry,
    lease = "5s",
)]
#[expect(clippy::expect_used, reason = "this is the inside")]
pub(crate) fn charge(bank: &Bank, payment: &Payment) -> Result<Receipt, ChargeError> {
    let reference = current().expect("inside of the execution").downstream_key("bank");
    let number = bank.debit(&reference, payment)?;
    Ok(Receipt { number, amount: payment.amount, currency: payment.currency })
}

/// What a customer gets for money. `Clone`, because every duplicate gets one; and the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The bank could not write the charge down, and took nothing.
    NotWritten(io::Error),
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
            Self::NotWritten(error) => write!(out, "the bank's ledger: {error}"),
            Self::NotRun(error) => error.fmt(out),
        }
    }
}

/// A slow bank that drops a few calls. It takes a reference with every charge, and money only once for it.
#[derive(Debug)]
pub(crate) struct Bank {
    ledger: Ledger,
    calls: Mutex<Calls>,
}

/// What the bank was asked for in this run.
#[derive(Debug, Default, Clone)]
pub(crate) struct Calls {
    pub(crate) all: u64,
    /// The payments that were asked for once in vain.
    pub(crate) unanswered: HashSet<String>,
    /// How often it was asked for a charge that was in its books.
    pub(crate) again: u64,
}

impl Bank {
    pub(crate) fn with(ledger: Ledger) -> Self {
        Self { ledger, calls: Mutex::default() }
    }

    /// Takes the money, and gives the number of the charge.
    fn debit(&self, reference: &str, payment: &Payment) -> Result<u64, ChargeError> {
        let luck = luck(&payment.id);
        thread::sleep(Duration::from_micros(2_000 + luck % 4_000));
        {
            let mut calls = self.calls();
            calls.all += 1;
            if payment.card == "tok_declined" {
                return Err(ChargeError::Declined);
            }
            if luck.is_multiple_of(40) && calls.unanswered.insert(payment.id.clone()) {
                return Err(ChargeError::Unavailable);
            }
        }
        let posted = self.ledger.post(reference, payment).map_err(ChargeError::NotWritten)?;
        if !posted.is_new {
            self.calls().again += 1;
        }
        Ok(posted.number)
    }

    pub(crate) fn statement(&self) -> Statement {
        Statement { calls: self.calls().clone(), earlier: self.ledger.earlier(), charges: self.ledger.charges() }
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the bank says at the end of the run.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) calls: Calls,
    /// How many of the charges are from earlier runs.
    pub(crate) earlier: usize,
    pub(crate) charges: Vec<Charge>,
}

impl Statement {
    pub(crate) fn totals(&self) -> BTreeMap<Currency, u128> {
        let mut totals = BTreeMap::new();
        for charge in &self.charges {
            *totals.entry(charge.currency).or_default() += u128::from(charge.amount);
        }
        totals
    }
}

/// A number that is the same for an id in every run.
fn luck(id: &str) -> u64 {
    id.bytes().fold(7, |luck, byte| luck.wrapping_mul(31).wrapping_add(byte.into()) % 1_000_003)
}
