//! Random histories, against a model of a few lines.

use crate::support::{Bell, panic_of};
use idempotently::{ErrorKind, Operation};
use proptest::prelude::{ProptestConfig, Strategy, any, prop};
use proptest::proptest;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

const KEYS: u8 = 3;

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A call begins, and is polled once.
    Begin {
        key: u8,
        end: End,
    },
    /// One of the calls that have something to do is polled: those that run, and those that were woken.
    Poll(prop::sample::Index),
    Drop(prop::sample::Index),
    Forget(u8),
    Clear,
    #[cfg(feature = "testing")]
    Hours(u8),
}

/// How a body ends at its second poll.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Ok(u32),
    Err,
    Panic,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let end = proptest::prop_oneof![
        4 => any::<u32>().prop_map(End::Ok),
        2 => proptest::strategy::Just(End::Err),
        1 => proptest::strategy::Just(End::Panic),
    ];
    let step = proptest::prop_oneof![
        8 => (0..KEYS, end).prop_map(|(key, end)| Step::Begin { key, end }),
        12 => any::<prop::sample::Index>().prop_map(Step::Poll),
        2 => any::<prop::sample::Index>().prop_map(Step::Drop),
        2 => (0..KEYS).prop_map(Step::Forget),
        1 => proptest::strategy::Just(Step::Clear),
    ];
    #[cfg(feature = "testing")]
    let step = proptest::prop_oneof![24 => step, 1 => (1u8..30).prop_map(Step::Hours)];
    prop::collection::vec(step, 1..60)
}

/// What is known of one key.
#[derive(Clone, Debug, Default)]
struct Model {
    /// The outcome that is kept, and its age in hours.
    kept: Option<(u32, u32)>,
    /// The call that runs its body.
    leader: Option<usize>,
    /// The calls that wait for it or for its seat.
    followers: Vec<usize>,
    /// Those of them that an outcome was handed to.
    landed: Vec<(usize, u32)>,
    forgotten: bool,
}

#[derive(Debug, PartialEq)]
enum Seen {
    Pending,
    Value(u32),
    Failed,
    Panicked,
}

impl Model {
    fn forget(&mut self) -> bool {
        let flying = self.leader.is_some() || !self.followers.is_empty();
        self.forgotten |= self.leader.is_some();
        let live = self.kept.take().is_some_and(|(_, age)| age < 24);
        flying || live
    }

    /// What polling a call must show, given how its body ends.
    fn poll(&mut self, call: usize, end: End) -> Seen {
        if let Some(at) = self.landed.iter().position(|(landed, _)| *landed == call) {
            return Seen::Value(self.landed.remove(at).1);
        }
        if self.leader == Some(call) {
            self.leader = None;
            let forgotten = std::mem::take(&mut self.forgotten);
            match end {
                End::Ok(value) if !forgotten => {
                    self.kept = Some((value, 0));
                    self.landed.extend(self.followers.drain(..).map(|follower| (follower, value)));
                }
                End::Ok(_) | End::Err | End::Panic => {}
            }
            return match end {
                End::Ok(value) => Seen::Value(value),
                End::Err => Seen::Failed,
                End::Panic => Seen::Panicked,
            };
        }
        if self.leader.is_none() {
            // The seat is vacant: whoever looks first takes it, and its body begins.
            self.followers.retain(|follower| *follower != call);
            self.leader = Some(call);
        }
        Seen::Pending
    }

    fn begin(&mut self, call: usize, end: End) -> Seen {
        match self.kept.filter(|(_, age)| *age < 24) {
            Some((value, _)) => return Seen::Value(value),
            None => self.kept = None,
        }
        self.followers.push(call);
        self.poll(call, end)
    }

    fn drop_call(&mut self, call: usize) {
        self.landed.retain(|(landed, _)| *landed != call);
        self.followers.retain(|follower| *follower != call);
        if self.leader == Some(call) {
            self.leader = None;
            self.forgotten = false;
        }
    }

    /// Whether somebody must have been woken: for an outcome, or for a vacant seat.
    fn awaits_somebody(&self) -> bool {
        !self.landed.is_empty() || (self.leader.is_none() && !self.followers.is_empty())
    }

    /// An expired record may be there still.
    fn may_be_held(&self) -> std::ops::RangeInclusive<usize> {
        let flying = usize::from(self.leader.is_some() || !self.followers.is_empty());
        let live = usize::from(self.kept.is_some_and(|(_, age)| age < 24));
        flying + live..=flying.max(usize::from(self.kept.is_some()))
    }
}

#[derive(Debug)]
enum Failure {
    Own,
    Refused(ErrorKind),
}

impl From<idempotently::Error> for Failure {
    fn from(error: idempotently::Error) -> Self {
        Self::Refused(error.kind())
    }
}

struct Call<'a> {
    number: usize,
    bell: Arc<Bell>,
    key: u8,
    end: End,
    future: Pin<Box<dyn Future<Output = Result<u32, Failure>> + 'a>>,
}

fn begin(operation: &Operation, number: usize, key: u8, end: End) -> Call<'_> {
    let future = Box::pin(operation.call(&key).try_run_async(async move || {
        let mut paused = false;
        poll_fn(|_| if std::mem::replace(&mut paused, true) { Poll::Ready(()) } else { Poll::Pending }).await;
        match end {
            End::Ok(value) => Ok(value),
            End::Err => Err(Failure::Own),
            End::Panic => panic!("on purpose"),
        }
    }));
    Call { number, bell: Arc::default(), key, end, future }
}

/// One poll, as the model would say it.
fn poll(call: &mut Call<'_>) -> Seen {
    let mut polled = None;
    let panic =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| polled = Some(call.bell.poke(&mut call.future))));
    match (panic, polled) {
        (Err(_), _) => Seen::Panicked,
        (Ok(()), Some(Poll::Ready(Ok(value)))) => Seen::Value(value),
        (Ok(()), Some(Poll::Ready(Err(Failure::Own)))) => Seen::Failed,
        (Ok(()), Some(Poll::Ready(Err(Failure::Refused(kind))))) => panic!("refused: {kind:?}"),
        (Ok(()), _) => Seen::Pending,
    }
}

fn poll_one(calls: &mut Vec<Call<'_>>, models: &mut [Model], index: prop::sample::Index, step: usize) {
    let leads = |call: &Call<'_>| models[usize::from(call.key)].leader == Some(call.number);
    let able: Vec<usize> = (0..calls.len()).filter(|at| leads(&calls[*at]) || calls[*at].bell.has_rung()).collect();
    if able.is_empty() {
        return;
    }
    let at = able[index.index(able.len())];
    let call = &mut calls[at];
    let expected = models[usize::from(call.key)].poll(call.number, call.end);
    let seen = poll(call);
    assert_eq!(seen, expected, "step {step}");
    if seen != Seen::Pending {
        calls.remove(at);
    }
}

fn replay(steps: &[Step]) {
    #[cfg(feature = "testing")]
    let test = idempotently::testing::isolate();
    let operation = Operation::of_function();
    let mut models = vec![Model::default(); usize::from(KEYS)];
    let mut calls: Vec<Call<'_>> = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        match *step {
            Step::Begin { key, end } => {
                let mut call = begin(&operation, number, key, end);
                let seen = poll(&mut call);
                assert_eq!(seen, models[usize::from(key)].begin(number, end), "step {number}");
                if seen == Seen::Pending {
                    calls.push(call);
                }
            }
            Step::Poll(index) => poll_one(&mut calls, &mut models, index, number),
            Step::Drop(index) if !calls.is_empty() => {
                let call = calls.remove(index.index(calls.len()));
                models[usize::from(call.key)].drop_call(call.number);
            }
            Step::Drop(_) => {}
            Step::Forget(key) => {
                assert_eq!(operation.forget(&key), models[usize::from(key)].forget(), "step {number}");
            }
            Step::Clear => {
                operation.clear();
                for model in &mut models {
                    model.forget();
                }
            }
            #[cfg(feature = "testing")]
            Step::Hours(hours) => {
                test.advance(std::time::Duration::from_secs(3600 * u64::from(hours)));
                models.iter_mut().filter_map(|model| model.kept.as_mut()).for_each(|kept| kept.1 += u32::from(hours));
            }
        }
        for (key, model) in models.iter().enumerate() {
            let woken = |call: &Call<'_>| usize::from(call.key) == key && call.bell.has_rung();
            assert!(!model.awaits_somebody() || calls.iter().any(woken), "step {number}: all sleep on, {model:?}");
        }
        let least: usize = models.iter().map(|model| *model.may_be_held().start()).sum();
        let most: usize = models.iter().map(|model| *model.may_be_held().end()).sum();
        assert!((least..=most).contains(&operation.len()), "step {number}: {} of {models:?}", operation.len());
    }
    drop(calls);
    operation.clear();
    assert!(operation.is_empty());
}

#[test]
fn the_model_is_told_apart_from_what_it_models() {
    // A history that the model gets wrong on purpose, so that a model that accepts everything would be seen.
    let mut model = Model::default();
    assert_eq!(model.begin(0, End::Ok(1)), Seen::Pending);
    assert_eq!(model.begin(1, End::Ok(2)), Seen::Pending);
    assert_eq!(model.poll(0, End::Ok(1)), Seen::Value(1));
    assert_eq!(model.poll(1, End::Ok(2)), Seen::Value(1));
    assert!(panic_of(|| assert_eq!(model.begin(2, End::Ok(3)), Seen::Value(3))).contains("Value(1)"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn random_histories_go_as_the_model_says(steps in steps()) {
        replay(&steps);
    }
}
