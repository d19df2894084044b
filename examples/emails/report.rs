//! What happened, and whether every mail left once.

use std::collections::HashMap;
use std::fmt;

use idempotently::How;
use serde::{Deserialize, Serialize};

use crate::mail::Mail;
use crate::outbox::Left;

/// What a worker tells.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Step {
    Delivered,
    Ended(End),
}

/// What a delivery came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum End {
    Executed,
    /// From a record, or with the outcome of another worker that it waited for.
    Replayed,
    Interrupted,
    Failed,
}

impl End {
    pub(crate) fn of(how: How) -> Self {
        if how == How::Executed { Self::Executed } else { Self::Replayed }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Report {
    mails: usize,
    messages: usize,
    pub(crate) killed: usize,
    deliveries: usize,
    executed: usize,
    replayed: usize,
    interrupted: usize,
    failed: usize,
    /// What the operator found: mails that had left, and mails that had not.
    pub(crate) had_left: usize,
    pub(crate) had_not: usize,
    left: usize,
    twice: usize,
    missing: usize,
}

impl Report {
    pub(crate) fn new(mails: usize, messages: usize) -> Self {
        Self { mails, messages, ..Self::default() }
    }

    pub(crate) fn tell(&mut self, step: &Step) {
        let counter = match step {
            Step::Delivered => &mut self.deliveries,
            Step::Ended(End::Executed) => &mut self.executed,
            Step::Ended(End::Replayed) => &mut self.replayed,
            Step::Ended(End::Interrupted) => &mut self.interrupted,
            Step::Ended(End::Failed) => &mut self.failed,
        };
        *counter += 1;
    }

    /// Looks into the outbox.
    pub(crate) fn count(&mut self, mails: &[Mail], outbox: &[Left]) {
        let mut times: HashMap<&str, usize> = HashMap::new();
        for left in outbox {
            *times.entry(&left.mail.id).or_default() += 1;
        }
        self.left = outbox.len();
        self.twice = times.values().filter(|&&times| times > 1).count();
        self.missing = mails.iter().filter(|mail| !times.contains_key(mail.id.as_str())).count();
    }

    pub(crate) fn is_right(&self) -> bool {
        self.twice == 0 && self.missing == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mails, messages, killed, deliveries, executed, replayed, interrupted, failed, .. } = *self;
        writeln!(out, "{mails} mails in {messages} messages, 2 workers, {killed} of them killed\n")?;
        let cut_off = deliveries - (executed + replayed + interrupted + failed);
        let lines = [
            (deliveries, "deliveries", ""),
            (executed, "executed", "the mail was handed to the mail server"),
            (replayed, "replayed", "answered from the record"),
            (interrupted, "interrupted", "put aside for an operator"),
            (failed, "failed", "to be delivered again, see stderr"),
            (cut_off, "cut off", "by the death of the worker"),
        ];
        for (count, name, meaning) in lines {
            writeln!(out, "{}", format!("{count:>7} {name:<12} {meaning}").trim_end())?;
        }
        let (had_left, had_not) = (self.had_left, self.had_not);
        writeln!(out, "\nthe operator found {had_left} that had left, and {had_not} that had not")?;
        let Self { left, twice, missing, .. } = self;
        write!(out, "{left} mails left: {twice} of them twice, {missing} missing")
    }
}
