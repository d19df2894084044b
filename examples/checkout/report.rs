//! What happened, and whether the books are right.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use idempotently::How;

use crate::bank::{Books, Receipt};
use crate::requests::{Currency, Log};
use crate::server::{Answer, Served};

#[derive(Debug)]
pub(crate) struct Report<'run> {
    requests: usize,
    threads: NonZeroUsize,
    took: Duration,
    counts: Counts,
    books: &'run Books,
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
    pub(crate) fn new(log: &Log, served: &Served<'_>, books: &'run Books) -> Self {
        Self {
            requests: log.payments.len() + log.malformed.len(),
            threads: served.threads,
            took: served.took,
            counts: count(log, served),
            books,
            is_balanced: balances(served, books),
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

/// Asks the customers: the receipts of one payment must be one receipt, and all payments together what the bank took.
fn balances(served: &Served<'_>, books: &Books) -> bool {
    let mut receipts: HashMap<&str, &Receipt> = HashMap::new();
    for (payment, answer) in &served.answers {
        if let Answer::Paid(receipt, _) = answer
            && receipts.insert(&payment.id, receipt).is_some_and(|earlier| earlier != receipt)
        {
            return false;
        }
    }
    let mut totals: BTreeMap<Currency, u128> = BTreeMap::new();
    for receipt in receipts.values() {
        *totals.entry(receipt.currency).or_default() += u128::from(receipt.amount);
    }
    totals == books.totals && u64::try_from(receipts.len()) == Ok(books.charges)
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, threads, took, counts, books, .. } = self;
        writeln!(out, "{requests} requests, {threads} threads, {:.1} s\n", took.as_secs_f64())?;
        let lines = [
            (counts.executed, "executed", "the customer was charged"),
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

        let (calls, unanswered) = (books.calls, books.unanswered.len());
        writeln!(out, "the bank: {calls} calls, {unanswered} of them unanswered, {} charges", books.charges)?;
        for (currency, total) in &books.totals {
            writeln!(out, "{:>7} {:>16}", currency.code(), money(*currency, *total))?;
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
