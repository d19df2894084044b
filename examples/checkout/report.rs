//! What happened, and whether the books are right.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use idempotently::How;

use crate::bank::{Receipt, Statement};
use crate::ledger::Charge;
use crate::requests::{Currency, Log};
use crate::server::{Answer, Served};

#[derive(Debug)]
pub(crate) struct Report<'run> {
    requests: usize,
    threads: NonZeroUsize,
    took: Duration,
    counts: Counts,
    statement: &'run Statement,
    is_balanced: bool,
}

/// How many requests got which kind of answer; together they are all requests.
#[derive(Debug, Default)]
struct Counts {
    executed: u64,
    replayed: u64,
    joined: u64,
    refused: u64,
    declined: u64,
    failed: u64,
    malformed: usize,
}

impl<'run> Report<'run> {
    pub(crate) fn new(log: &Log, served: &Served<'_>, statement: &'run Statement) -> Self {
        Self {
            requests: log.payments.len() + log.malformed.len(),
            threads: served.threads,
            took: served.took,
            counts: count(log, served),
            statement,
            is_balanced: balances(served, statement),
        }
    }

    /// Whether the bank has every paid payment in its books, once.
    pub(crate) fn is_balanced(&self) -> bool {
        self.is_balanced
    }
}

fn count(log: &Log, served: &Served<'_>) -> Counts {
    let mut counts = Counts { malformed: log.malformed.len(), ..Counts::default() };
    for (_, answer) in &served.answers {
        let counter = match answer {
            Answer::Paid(_, How::Executed) => &mut counts.executed,
            Answer::Paid(_, How::Joined) => &mut counts.joined,
            Answer::Paid(..) => &mut counts.replayed,
            Answer::KeyReused => &mut counts.refused,
            Answer::Declined => &mut counts.declined,
            Answer::Failed(_) => &mut counts.failed,
        };
        *counter += 1;
    }
    counts
}

/// Asks the customers: the receipts of one payment must be one receipt, and the bank must have charged it once and for
/// that; and nobody may have been charged who has no receipt. Charges of other logs are not looked at.
fn balances(served: &Served<'_>, statement: &Statement) -> bool {
    let mut charges: HashMap<&str, &Charge> = HashMap::new();
    for charge in &statement.charges {
        if charges.insert(&charge.payment, charge).is_some() {
            return false;
        }
    }
    let is_charge = |receipt: &Receipt, charge: &Charge| {
        (receipt.number, receipt.amount, receipt.currency) == (charge.number, charge.amount, charge.currency)
    };
    let mut without_receipt: HashMap<&str, bool> = HashMap::new();
    for (payment, answer) in &served.answers {
        let charge = charges.get(payment.id.as_str());
        if let Answer::Paid(receipt, _) = answer {
            if !charge.is_some_and(|charge| is_charge(receipt, charge)) {
                return false;
            }
            without_receipt.insert(&payment.id, false);
        } else if charge.is_some() {
            without_receipt.entry(&payment.id).or_insert(true);
        }
    }
    !without_receipt.values().any(|&is| is)
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, threads, took, counts, statement, .. } = self;
        writeln!(out, "{requests} requests, {threads} threads, {:.1} s\n", took.as_secs_f64())?;
        let lines = [
            (counts.executed, "executed", "the bank was asked, and the customer is charged"),
            (counts.replayed, "replayed", "answered from the record of the charge"),
            (counts.joined, "joined", "waited for the charge that was under way"),
            (counts.refused, "refused", "the key of another payment"),
            (counts.declined, "declined", "by the bank, and not kept"),
            (counts.failed, "failed", "for another reason, see stderr"),
        ];
        for (count, name, meaning) in lines {
            writeln!(out, "{count:>7} {name:<10} {meaning}")?;
        }
        writeln!(out, "{:>7} {:<10} no request, see stderr\n", counts.malformed, "malformed")?;

        let Statement { calls, earlier, charges } = statement;
        writeln!(
            out,
            "the bank: {} calls, {} of them unanswered, {} for a charge that it had; {} charges, {earlier} of earlier runs",
            calls.all,
            calls.unanswered.len(),
            calls.again,
            charges.len(),
        )?;
        for (currency, total) in statement.totals() {
            writeln!(out, "{:>7} {:>16}", currency.code(), money(currency, total))?;
        }
        let verdict = if self.is_balanced { "hold" } else { "DO NOT HOLD" };
        write!(out, "its books {verdict} every paid payment exactly once")
    }
}

fn money(currency: Currency, amount: u128) -> String {
    match currency.units() {
        1 => amount.to_string(),
        units => format!("{}.{:02}", amount / units, amount % units),
    }
}
