//! What is asked of PostgreSQL, read from the bytes on their way.

use std::collections::HashMap;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Step {
    /// One of the following is prepared.
    Prepare,
    Begin,
    Claim,
    Stock,
    Order,
    Complete,
    /// The last statement of a transaction that the library owns.
    Check,
    Commit,
    /// The commit of a transaction in which nothing was recorded.
    CommitNothing,
    Other,
}

impl Step {
    fn of(sql: &str) -> Self {
        let known = [
            ("BEGIN", Self::Begin),
            ("COMMIT", Self::Commit),
            ("UPDATE stock", Self::Stock),
            ("INSERT INTO orders", Self::Order),
            ("UPDATE idempotently_record", Self::Complete),
            ("WITH seen", Self::Claim),
        ];
        match known.into_iter().find(|(begins, _)| sql.starts_with(begins)) {
            Some((_, step)) => step,
            None if sql.starts_with("SELECT txid_current_if_assigned") => Self::Check,
            None => Self::Other,
        }
    }
}

/// One connection.
#[derive(Default)]
pub(crate) struct Wire {
    statements: HashMap<String, Step>,
    /// Whether a call was recorded in the transaction.
    recorded: bool,
    last: Option<Step>,
    unanswered: Option<Step>,
}

impl Wire {
    /// What these messages ask for: the first of them that says.
    pub(crate) fn reads(&mut self, mut bytes: &[u8]) -> Step {
        let mut steps = Vec::new();
        // What opens a connection has no letter.
        while let [letter @ b'A'..=b'z', a, b, c, d, rest @ ..] = bytes {
            let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap_or(0).saturating_sub(4);
            let (body, next) = rest.split_at(length.min(rest.len()));
            bytes = next;
            let mut texts = body.split(|byte| *byte == 0).map(String::from_utf8_lossy);
            let mut text = || texts.next().unwrap_or_default().into_owned();
            match letter {
                b'Q' => steps.push(Step::of(&text())),
                b'P' => {
                    let name = text();
                    self.statements.insert(name, Step::of(&text()));
                    steps.push(Step::Prepare);
                }
                b'B' => {
                    let (_portal, name) = (text(), text());
                    steps.extend(self.statements.get(&name));
                }
                _ => {}
            }
        }
        let step = match steps.into_iter().find(|step| *step != Step::Other).unwrap_or(Step::Other) {
            Step::Commit if !self.recorded => Step::CommitNothing,
            step => step,
        };
        self.recorded = step == Step::Complete || self.recorded && step != Step::Begin;
        (self.last, self.unanswered) = (Some(step), Some(step));
        step
    }

    /// What was asked last.
    pub(crate) fn asked(&self) -> Option<Step> {
        self.last
    }

    /// What the next answer answers; those that come in pieces do it with the first.
    pub(crate) fn answered(&mut self) -> Option<Step> {
        self.unanswered.take()
    }
}
