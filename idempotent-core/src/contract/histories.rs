//! Random histories, said twice: by the store, and by the specification.

mod model;
mod step;

use super::Subject;
use super::case::Case;
use model::Model;
use std::fmt;
use std::time::{Duration, Instant};
use step::{Random, Step};

/// How long a history is, and how many keys it is about.
struct Shape {
    histories: u64,
    steps: usize,
    keys: u8,
}

/// Every step takes a moment; a clock that does not wait for it needs a scale on which that is nothing.
const SCALES: u32 = 6;

/// Whatever is done in whatever order, a store says what [`judge`](crate::record::judge) and
/// [`judge_completion`](crate::record::judge_completion) say.
///
/// The histories are the same in every run. One that goes wrong is shown, cut down to the steps that it takes.
pub fn random_histories_agree_with_the_model(subject: &dyn Subject) {
    // Where time has to be waited for, it is shared by more keys.
    let shape = if subject.goes_by_itself() {
        Shape { histories: 1, steps: 150, keys: 12 }
    } else {
        Shape { histories: 96, steps: 80, keys: 3 }
    };
    for seed in 0..shape.histories {
        let steps = Random::new(seed, !subject.goes_by_itself()).steps(shape.steps, shape.keys);
        if let Err(divergence) = replay(subject, &steps) {
            let (steps, divergence) = shrink(subject, steps, divergence);
            let steps: Vec<String> = steps.iter().map(|step| format!("  {step:?}")).collect();
            panic!("history {seed}: {divergence}\n{}", steps.join("\n"));
        }
    }
}

/// Where a store and the specification part.
struct Divergence {
    step: usize,
    what: String,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at step {}, {}", self.step, self.what)
    }
}

/// Plays a history, on a larger scale where the store is too slow for the first.
fn replay(subject: &dyn Subject, steps: &[Step]) -> Result<(), Divergence> {
    for scale in 0..SCALES {
        let unit = subject.tick() * 2 * (1 << scale);
        if let Some(said) = replay_with(subject, steps, unit) {
            return said;
        }
    }
    panic!("the store takes longer for its answers than `tick` says")
}

/// Plays a history; nothing where the store was too late for it. Where time goes by itself, all spans are odd multiples
/// of `unit` and all waits even ones: the two never meet, and a store may be late by nearly a unit.
fn replay_with(subject: &dyn Subject, steps: &[Step], unit: Duration) -> Option<Result<(), Divergence>> {
    let case = Case::new(subject);
    let mut model = Model::new(&case, unit, subject.goes_by_itself());
    let started = Instant::now();
    for (index, step) in steps.iter().enumerate() {
        if let Step::Wait { units } = step {
            let until = model.wait(*units);
            let rest =
                if subject.goes_by_itself() { until.saturating_sub(started.elapsed()) } else { unit * (*units).into() };
            subject.advance(rest);
            continue;
        }
        let said = model.take(step);
        // What was said in time may have been meant too late, so the clock is read afterwards.
        if subject.goes_by_itself() && started.elapsed() > model.elapsed() + unit / 2 {
            return None;
        }
        if let Err(what) = said {
            return Some(Err(Divergence { step: index, what }));
        }
    }
    Some(Ok(()))
}

/// The history without the steps that it goes wrong without.
fn shrink(subject: &dyn Subject, mut steps: Vec<Step>, mut why: Divergence) -> (Vec<Step>, Divergence) {
    steps.truncate(why.step + 1);
    if subject.goes_by_itself() {
        return (steps, why);
    }
    let mut at = 0;
    while at < steps.len() {
        let mut fewer = steps.clone();
        fewer.remove(at);
        match replay(subject, &fewer) {
            Err(divergence) => {
                fewer.truncate(divergence.step + 1);
                (steps, why, at) = (fewer, divergence, 0);
            }
            Ok(()) => at += 1,
        }
    }
    (steps, why)
}
