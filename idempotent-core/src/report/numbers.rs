//! Calls as numbers of the crate `metrics`.

use super::answer::Answer;
use dashmap::DashMap;
use metrics::{Key, Label, Level, Metadata};
use once_cell::sync::Lazy;
use std::time::Duration;

static METADATA: Metadata<'static> = Metadata::new("idempotently", Level::INFO, Some("idempotently"));

/// The names of the numbers of one operation and outcome: made once, so that a call allocates nothing for them.
struct Names {
    calls: Key,
    seconds: Key,
    waited: Key,
}

static KNOWN: Lazy<DashMap<(&'static str, Answer), &'static Names>> = Lazy::new(DashMap::new);

fn names(scope: &'static str, answer: Answer) -> &'static Names {
    if let Some(known) = KNOWN.get(&(scope, answer)) {
        return &known;
    }
    // What was executed is replayed next, and no replay allocates.
    if answer == Answer::Executed {
        make(scope, Answer::Replayed);
    }
    make(scope, answer)
}

fn make(scope: &'static str, answer: Answer) -> &'static Names {
    *KNOWN.entry((scope, answer)).or_insert_with(|| {
        let labels = || vec![Label::new("operation", scope), Label::new("outcome", answer.as_str())];
        // As many as there are operations and outcomes, and needed as long as the program runs.
        Box::leak(Box::new(Names {
            calls: Key::from_parts("idempotent_calls_total", labels()),
            seconds: Key::from_parts("idempotent_call_seconds", labels()),
            waited: Key::from_parts("idempotent_waited_seconds", labels()),
        }))
    })
}

pub(super) fn answered(scope: &'static str, answer: Answer, took: Duration, waited: Duration) {
    let names = names(scope, answer);
    metrics::with_recorder(|recorder| {
        recorder.register_counter(&names.calls, &METADATA).increment(1);
        recorder.register_histogram(&names.seconds, &METADATA).record(took.as_secs_f64());
        recorder.register_histogram(&names.waited, &METADATA).record(waited.as_secs_f64());
    });
}
