//! What happened, and whether the books add up.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::books::Books;
use crate::pipe::Reply;

#[derive(Debug, Default)]
pub(crate) struct Report {
    orders: usize,
    requests: usize,
    pub(crate) killed: usize,
    pub(crate) deliveries: u64,
    executed: usize,
    replayed: usize,
    refused: usize,
    pub(crate) failed: usize,
    pub(crate) cut_off: usize,
    pub(crate) lost: usize,
    mailed_again: usize,
    /// What the first answer to each order was.
    replies: HashMap<String, Reply>,
    /// Answers that differ from the first.
    different: usize,
    verdict: Verdict,
}

/// What the books say.
#[derive(Debug, Default)]
struct Verdict {
    placed: usize,
    twice: usize,
    missing: usize,
    without_record: i64,
    initial: i64,
    ordered: i64,
    remaining: i64,
    /// Articles whose numbers do not add up.
    wrong: usize,
    mails: usize,
    mails_twice: usize,
    mails_missing: usize,
    unsent: usize,
}

impl Report {
    pub(crate) fn new(orders: usize, requests: usize) -> Self {
        Self { orders, requests, ..Self::default() }
    }

    pub(crate) fn answers(&self) -> usize {
        self.executed + self.replayed + self.refused
    }

    pub(crate) fn answered(&mut self, id: &str, reply: &Reply, replayed: bool) {
        let counter = match (reply, replayed) {
            (Reply::Placed(_), true) => &mut self.replayed,
            (Reply::Placed(_), false) => &mut self.executed,
            _ => &mut self.refused,
        };
        *counter += 1;
        self.different += usize::from(self.replies.entry(id.to_owned()).or_insert_with(|| reply.clone()) != reply);
    }

    pub(crate) fn mailed(&mut self, again: bool) {
        self.mailed_again += usize::from(again);
    }

    pub(crate) fn check(&mut self, books: &Books, mails: &[i64]) {
        let numbers: HashMap<&str, i64> = books.orders.iter().map(|(id, number)| (id.as_str(), *number)).collect();
        let is_missing = |(id, reply): &(&String, &Reply)| match reply {
            Reply::Placed(receipt) => numbers.get(id.as_str()) != Some(&receipt.number),
            // What was refused must not be there.
            _ => numbers.contains_key(id.as_str()),
        };
        let left: HashSet<i64> = mails.iter().copied().collect();
        let sum = |what: fn(&crate::books::Shelf) -> i64| books.stock.iter().map(what).sum();
        let placed = books.orders.len();
        self.verdict = Verdict {
            placed,
            twice: placed - numbers.len(),
            missing: self.replies.iter().filter(is_missing).count() + (self.orders - self.replies.len()),
            without_record: i64::try_from(placed).unwrap_or(i64::MAX) - books.records,
            initial: sum(|shelf| shelf.initial),
            ordered: sum(|shelf| shelf.ordered),
            remaining: sum(|shelf| shelf.remaining),
            wrong: books.stock.iter().filter(|shelf| shelf.initial != shelf.ordered + shelf.remaining).count(),
            mails: mails.len(),
            mails_twice: mails.len() - left.len(),
            mails_missing: books.orders.iter().filter(|(_, number)| !left.contains(number)).count(),
            unsent: books.unsent,
        };
    }

    pub(crate) fn is_right(&self) -> bool {
        let Verdict {
            placed, twice, missing, without_record, wrong, mails, mails_twice, mails_missing, unsent, ..
        } = self.verdict;
        let orders = twice + missing + wrong + self.different == 0 && without_record == 0;
        orders && mails_twice + mails_missing + unsent == 0 && mails == placed
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { orders, requests, killed, .. } = self;
        writeln!(out, "{orders} orders in {requests} requests, 2 workers and a mailer, {killed} of them killed\n")?;
        let lines = [
            (self.deliveries, "deliveries", ""),
            (self.executed as u64, "executed", "order, stock, mail and record in one transaction"),
            (self.replayed as u64, "replayed", "answered from the record"),
            (self.refused as u64, "refused", "sold out, and all of it rolled back"),
            (self.failed as u64, "failed", "delivered again, see stderr"),
            (self.cut_off as u64, "cut off", "by the death of a worker, and delivered again"),
            (self.lost as u64, "lost", "of the answers, and their orders sent again"),
        ];
        for (count, name, meaning) in lines {
            writeln!(out, "{}", format!("{count:>7} {name:<12} {meaning}").trim_end())?;
        }
        let Verdict { placed, twice, missing, without_record, initial, ordered, remaining, wrong, .. } = self.verdict;
        let different = self.different;
        writeln!(
            out,
            "\n{placed} orders placed: {twice} of them twice, {missing} missing, {without_record} without a record"
        )?;
        writeln!(out, "{different} answers that differ from the first for their order")?;
        writeln!(
            out,
            "{initial} units in stock at first, {ordered} ordered, {remaining} left: {wrong} articles do not add up"
        )?;
        let Verdict { mails, mails_twice, mails_missing, unsent, .. } = self.verdict;
        let again = self.mailed_again;
        writeln!(
            out,
            "{mails} mails left: {mails_twice} of them twice, {mails_missing} missing, {unsent} in the outbox"
        )?;
        write!(out, "{again} mails were handed over again, and recognized by their reference")
    }
}
