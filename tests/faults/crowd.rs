//! Many callers in many processes.

use crate::stores::{Shareable, fresh_key};
use crate::worker::Worker;

pub(crate) fn four_processes_with_a_hundred_callers_run_once(records: &dyn Shareable) {
    let (url, key) = (records.url(), fresh_key());
    let mut workers: Vec<Worker> = (0..4).map(|n| Worker::start(&url, "crowd", &key, &format!("of {n}"))).collect();
    let said: Vec<String> = workers.iter_mut().flat_map(|worker| std::iter::from_fn(|| worker.hear())).collect();
    let (began, answers): (Vec<_>, Vec<_>) = said.iter().partition(|line| line.starts_with("began"));
    assert_eq!((began.len(), answers.len()), (1, 400), "{said:?}");
    assert!(answers[0].starts_with("answer of "), "{}", answers[0]);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}
