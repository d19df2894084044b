//! What can happen to a record.

use crate::record::OnInterruption;
use crate::store::Release;

/// One thing that happens. Spans and waits are counted in units.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Claim {
        key: u8,
        owner: u8,
        fingerprint: Option<u8>,
        lease: u8,
        interrupted: OnInterruption,
    },
    Renew {
        key: u8,
        back: u8,
        lease: u8,
    },
    Complete {
        key: u8,
        back: u8,
        fingerprint: Option<u8>,
        outcome: u8,
        retention: Option<u8>,
    },
    Adopt {
        key: u8,
        owner: u8,
        fingerprint: Option<u8>,
        interrupted: OnInterruption,
        outcome: u8,
        retention: Option<u8>,
    },
    Release {
        key: u8,
        back: u8,
        how: Release,
    },
    Resolve {
        key: u8,
        outcome: u8,
        retention: Option<u8>,
    },
    Forget {
        key: u8,
    },
    Peek {
        key: u8,
    },
    List,
    Purge {
        limit: u8,
    },
    Wait {
        units: u8,
    },
}

/// Numbers that are the same in every run (splitmix64).
pub(super) struct Random {
    state: u64,
    /// Spans may end in the very moment in which somebody looks.
    exact: bool,
}

impl Random {
    pub(super) fn new(seed: u64, exact: bool) -> Self {
        Self { state: seed.wrapping_mul(0xd134_2543_de82_ef95), exact }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u8) -> u8 {
        u8::try_from(self.next() % u64::from(end)).unwrap_or_default()
    }

    fn one_of<T: Copy, const N: usize>(&mut self, all: [T; N]) -> T {
        all[usize::from(self.below(u8::try_from(N).unwrap_or(u8::MAX)))]
    }

    fn span(&mut self) -> u8 {
        if self.exact { self.one_of([1, 2, 3, 4, 6]) } else { self.one_of([1, 3, 5]) }
    }

    pub(super) fn steps(&mut self, count: usize, keys: u8) -> Vec<Step> {
        (0..count).map(|_| self.step(keys)).collect()
    }

    fn step(&mut self, keys: u8) -> Step {
        let key = self.below(keys);
        // The last holder writes most often, and sometimes one that was taken over.
        let back = self.one_of([0, 0, 0, 1, 2]);
        let span = self.span();
        let retention = self.one_of([true, true, false]).then(|| self.span());
        let outcome = self.below(u8::MAX);
        let fingerprint = self.one_of([None, None, None, None, Some(1)]);
        let interrupted = self.one_of([
            OnInterruption::Retry,
            OnInterruption::Retry,
            OnInterruption::RetryUpTo(1),
            OnInterruption::RetryUpTo(2),
            OnInterruption::Fail,
        ]);
        match self.below(24) {
            0..8 => Step::Claim { key, owner: self.below(3), fingerprint, lease: span, interrupted },
            8..10 => Step::Renew { key, back, lease: span },
            10..13 => Step::Complete { key, back, fingerprint, outcome, retention },
            13 => Step::Release { key, back, how: Release::Free },
            14 => Step::Release { key, back, how: Release::Interrupt },
            15 => Step::Resolve { key, outcome, retention },
            16 => self.one_of([Step::Forget { key }, Step::Peek { key }]),
            17 => Step::Peek { key },
            18 => self.one_of([Step::List, Step::Purge { limit: 1 }, Step::Purge { limit: 100 }]),
            19 | 20 => Step::Adopt { key, owner: self.below(3), fingerprint, interrupted, outcome, retention },
            _ => Step::Wait { units: self.one_of([2, 2, 4]) },
        }
    }
}
