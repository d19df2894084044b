//! Effects, written to a file by the server: they need no room in its memory.

use crate::server::RETENTION;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

/// By key, what the effects were, and when.
pub(crate) struct Ledger(BTreeMap<String, Vec<(Duration, String)>>);

impl Ledger {
    pub(crate) fn read(file: &Path) -> Self {
        let mut effects = BTreeMap::<String, Vec<_>>::new();
        for line in std::fs::read_to_string(file).unwrap().lines() {
            let [micros, key, answer] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let at = Duration::from_micros(micros.parse().unwrap());
            effects.entry(key.to_owned()).or_default().push((at, answer.to_owned()));
        }
        Self(effects)
    }

    pub(crate) fn keys(&self) -> usize {
        self.0.len()
    }

    /// How many effects came when the record of an earlier one was over, as they may; see [`twice`](Self::twice).
    pub(crate) fn late(&self) -> usize {
        self.0.values().map(|effects| effects.len() - 1).sum()
    }

    /// Those that had another effect before the record of the one before was over. A machine that stands still for long
    /// may let a request come after that.
    pub(crate) fn twice(&self) -> Vec<&str> {
        let is_twice = |effects: &[(Duration, String)]| effects.windows(2).any(|two| two[1].0 < two[0].0 + RETENTION);
        self.0.iter().filter(|(_, effects)| is_twice(effects)).map(|(key, _)| &**key).collect()
    }

    /// Every answer is that of an effect of its key.
    pub(crate) fn check_answers(&self, answers: &BTreeMap<String, BTreeSet<String>>) {
        for (key, answers) in answers {
            let effects = &self.0[key];
            for answer in answers {
                assert!(effects.iter().any(|effect| effect.1 == *answer), "{key}: {answer}, of {effects:?}");
            }
        }
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} keys, {} late effects", self.keys(), self.late())
    }
}
