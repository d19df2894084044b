//! Serves the requests as they came in, many at a time.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use idempotently::{ErrorKind, How, Observed, observe};
use indicatif::ProgressBar;

use crate::bank::{Bank, ChargeError, Receipt, charge};
use crate::requests::Payment;

/// How a client waits before it tries again after a bank that did not answer.
const PAUSES: [Duration; 3] = [Duration::from_millis(3), Duration::from_millis(9), Duration::from_millis(27)];

/// What a client was told in the end.
#[derive(Debug)]
pub(crate) enum Answer {
    Paid(Receipt, How),
    Declined,
    /// The key belongs to another payment.
    KeyReused,
    Failed(ChargeError),
}

#[derive(Debug)]
pub(crate) struct Served<'log> {
    pub(crate) answers: Vec<(&'log Payment, Answer)>,
    pub(crate) took: Duration,
    pub(crate) threads: NonZeroUsize,
}

impl Served<'_> {
    /// The requests that were neither answered nor refused, and why.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (&Payment, &ChargeError)> {
        self.answers.iter().filter_map(|(payment, answer)| match answer {
            Answer::Failed(error) => Some((*payment, error)),
            _ => None,
        })
    }
}

/// Serves the requests of one second together, then those of the next: a thread that is slow here must not turn a
/// request of the ninth second into one that came before those of the second.
pub(crate) fn serve<'log>(bank: &Bank, log: &'log [Payment], threads: NonZeroUsize) -> Served<'log> {
    let begun = Instant::now();
    // Draws on a terminal only.
    let bar = ProgressBar::new(log.len().try_into().unwrap_or(u64::MAX));
    let mut answers = Vec::with_capacity(log.len());
    for second in log.chunk_by(|one, next| one.second() == next.second()) {
        answers.extend(together(bank, second, threads, &bar));
    }
    bar.finish_and_clear();
    Served { answers, took: begun.elapsed(), threads }
}

/// As many threads as there may be, each of which takes the next request until there is none.
fn together<'log>(
    bank: &Bank,
    requests: &'log [Payment],
    threads: NonZeroUsize,
    bar: &ProgressBar,
) -> Vec<(&'log Payment, Answer)> {
    let next = AtomicUsize::new(0);
    let take = || requests.get(next.fetch_add(1, Ordering::Relaxed));
    let work = || {
        let mut answers = Vec::new();
        while let Some(payment) = take() {
            answers.push((payment, answer(bank, payment)));
            bar.inc(1);
        }
        answers
    };
    thread::scope(|scope| {
        let threads = threads.get().min(requests.len());
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

/// One request and its client, who tries again when the bank did not answer.
fn answer(bank: &Bank, payment: &Payment) -> Answer {
    let mut pauses = PAUSES.iter();
    loop {
        let Observed { value, how, .. } = observe(|| charge(bank, payment));
        match (value, pauses.next()) {
            (Ok(receipt), _) => return Answer::Paid(receipt, how),
            (Err(ChargeError::Unavailable), Some(pause)) => thread::sleep(*pause),
            (Err(ChargeError::NotRun(error)), Some(pause)) if error.is_retryable() => thread::sleep(*pause),
            (Err(ChargeError::Declined), _) => return Answer::Declined,
            (Err(ChargeError::NotRun(error)), _) if error.kind() == ErrorKind::KeyReused => {
                return Answer::KeyReused;
            }
            (Err(error), _) => return Answer::Failed(error),
        }
    }
}
