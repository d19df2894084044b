//! The cases, one file for each kind of work.

mod awaited;
mod crowd;
mod first;
mod hot;
mod many;
pub mod memory;
mod pair;
mod text;

use crate::measure::Effort;
use crate::table::Table;

/// One kind of work: its name, and what measures it.
pub type Case = (&'static str, fn(&Effort) -> Table);

/// All that is measured in time.
pub const ALL: [Case; 7] = [
    ("hot", hot::measure),
    ("text", text::measure),
    ("many", many::measure),
    ("pair", pair::measure),
    ("first", first::measure),
    ("awaited", awaited::measure),
    ("crowd", crowd::measure),
];

/// Goes through the keys from 0 on in an order that no cache line follows.
#[derive(Clone, Copy)]
struct Walk {
    at: u64,
    step: u64,
    keys: u64,
}

impl Walk {
    fn over(keys: u64) -> Self {
        // A prime that divides no number of keys used here, so that every key has its turn.
        Self { at: 0, step: 61_813 % keys, keys }
    }

    fn from(self, at: u64) -> Self {
        Self { at: at % self.keys, ..self }
    }

    #[inline]
    fn next(&mut self) -> u64 {
        let next = self.at + self.step;
        self.at = if next >= self.keys { next - self.keys } else { next };
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::Walk;
    use crate::measure::Effort;

    #[test]
    fn a_walk_has_every_key() {
        for keys in [Effort::QUICK.keys, Effort::FULL.keys] {
            let mut walk = Walk::over(keys).from(7);
            let mut seen: Vec<u64> = (0..keys).map(|_| walk.next()).collect();
            seen.sort_unstable();
            assert!(seen.into_iter().eq(0..keys));
        }
    }
}
