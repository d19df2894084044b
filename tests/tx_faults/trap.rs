//! The moment at which something happens to a process on its way to PostgreSQL.

use crate::process::Victim;
use crate::wire::{Step, Wire};
use crate::worker::Form;
use idempotent_servers::Passing;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// The process is killed.
    Kill,
    /// What was on its way is lost, and the connection with it.
    Lose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fault {
    pub(crate) what: What,
    pub(crate) form: Form,
    pub(crate) step: Step,
    pub(crate) passing: Passing,
}

impl Fault {
    /// Every fault at every boundary.
    pub(crate) fn all() -> Vec<Self> {
        const STEPS: [Step; 9] = [
            Step::Prepare,
            Step::Begin,
            Step::Claim,
            Step::Stock,
            Step::Order,
            Step::Complete,
            Step::Check,
            Step::Commit,
            Step::CommitNothing,
        ];
        let mut all = Vec::new();
        for step in STEPS {
            for form in [Form::Caller, Form::Library] {
                // Whoever commits for itself checks nothing before.
                if (step, form) != (Step::Check, Form::Caller) {
                    let of = |what, passing| Self { what, form, step, passing };
                    all.extend(
                        [Passing::Request, Passing::Requested, Passing::Answer].map(|moment| of(What::Kill, moment)),
                    );
                    all.extend([Passing::Request, Passing::Answer].map(|moment| of(What::Lose, moment)));
                }
            }
        }
        all
    }
}

/// Waits for the moment.
pub(crate) struct Trap {
    fault: Fault,
    victim: Victim,
    state: Mutex<State>,
}

struct State {
    wires: HashMap<usize, Wire>,
    /// How many such moments are let pass.
    before: usize,
    sprung: bool,
}

impl Trap {
    pub(crate) fn new(fault: Fault, before: usize, victim: Victim) -> Self {
        Self { fault, victim, state: Mutex::new(State { wires: HashMap::new(), before, sprung: false }) }
    }

    pub(crate) fn has_sprung(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).sprung
    }

    /// Whether the connection goes on.
    pub(crate) fn attend(&self, connection: usize, passing: Passing, bytes: &[u8]) -> bool {
        // Held until the process is dead: nothing else of it passes.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.sprung {
            return self.fault.what == What::Lose;
        }
        let wire = state.wires.entry(connection).or_default();
        let step = match passing {
            Passing::Request => Some(wire.reads(bytes)),
            Passing::Requested => wire.asked(),
            Passing::Answer => wire.answered(),
        };
        if (step, passing) != (Some(self.fault.step), self.fault.passing) {
            return true;
        }
        if state.before > 0 {
            state.before -= 1;
            return true;
        }
        state.sprung = true;
        if self.fault.what == What::Kill {
            self.victim.kill();
        }
        false
    }
}
