//! Processes one after the other in some places at once, each of which meets one fault, until every fault was met and
//! every key has its reply.

use crate::checker::Seen;
use crate::random::Random;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

/// What all processes said.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) keys: BTreeSet<i64>,
    pub(crate) replies: Vec<(i64, String)>,
    /// How they were come by.
    pub(crate) hows: BTreeMap<String, usize>,
    /// How often a caller had to call again, and why.
    pub(crate) agains: BTreeMap<String, usize>,
    /// How often the commit of a call that had failed was refused.
    pub(crate) careless: usize,
    /// What must not be said.
    pub(crate) broken: Vec<String>,
    pub(crate) processes: usize,
}

impl History {
    /// Takes in a line; the key that has its reply.
    pub(crate) fn hear(&mut self, line: &str) -> Option<i64> {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["reply", key, id, how] => {
                let key = key.parse().unwrap();
                self.replies.push((key, (*id).to_owned()));
                *self.hows.entry((*how).to_owned()).or_default() += 1;
                return Some(key);
            }
            ["again", _, why @ ..] => {
                let why = why.join(" ").chars().take(60).collect();
                *self.agains.entry(why).or_default() += 1;
            }
            ["careless", _] => self.careless += 1,
            _ => self.broken.push(line.to_owned()),
        }
        None
    }

    pub(crate) fn count(&self, how: &str) -> usize {
        self.hows.get(how).copied().unwrap_or(0)
    }

    /// What there is to check of it.
    pub(crate) fn seen(&self) -> Seen {
        Seen { keys: self.keys.clone(), replies: self.replies.clone(), ..Seen::default() }
    }
}

/// What one process is to do.
pub(crate) struct Turn<'a, T> {
    pub(crate) fault: Option<&'a T>,
    pub(crate) keys: &'a [i64],
    pub(crate) random: &'a mut Random,
}

/// How many keys a process has.
const KEYS: usize = 20;

/// How often a fault may be missed before it is said that there is no such moment.
const MOST_MISSES: usize = 40;

type Process<'a, T> = dyn Fn(&mut Turn<'_, T>, &mut dyn FnMut(&str)) -> bool + Sync + 'a;

/// Places in which processes follow one another.
pub(crate) struct Sweep<'a, T> {
    pub(crate) faults: Vec<T>,
    pub(crate) places: i64,
    /// How many keys there are at least.
    pub(crate) keys: i64,
    pub(crate) seed: u64,
    /// Runs a process, hands on what it says, and says whether it met the fault.
    pub(crate) process: &'a Process<'a, T>,
}

struct Shared<T> {
    /// Those that were not met, and how often they were missed.
    faults: VecDeque<(T, usize)>,
    met: BTreeMap<T, usize>,
    history: History,
}

/// Keys of one place: some that all have in the same order, some that only this one has.
struct Keys {
    place: i64,
    next: i64,
    pending: VecDeque<i64>,
}

impl Keys {
    fn more(&mut self) {
        self.pending.extend([self.next * 8, self.next * 8 + 1 + self.place]);
        self.next += 1;
    }
}

impl<T: Ord + Clone + Debug + Send + Sync> Sweep<'_, T> {
    /// What was said, and how often each fault was met.
    pub(crate) fn run(self) -> (History, BTreeMap<T, usize>) {
        let faults = self.faults.iter().cloned().map(|fault| (fault, 0)).collect();
        let shared = Mutex::new(Shared { faults, met: BTreeMap::new(), history: History::default() });
        thread::scope(|scope| {
            let (this, shared) = (&self, &shared);
            let places: Vec<_> = (0..self.places).map(|place| scope.spawn(move || this.work(place, shared))).collect();
            for place in places {
                place.join().unwrap();
            }
        });
        let shared = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        (shared.history, shared.met)
    }

    fn work(&self, place: i64, shared: &Mutex<Shared<T>>) {
        fn lock<T>(shared: &Mutex<Shared<T>>) -> MutexGuard<'_, Shared<T>> {
            shared.lock().unwrap_or_else(PoisonError::into_inner)
        }
        let mut random = Random::new(self.seed + u64::try_from(place).unwrap());
        let mut keys = Keys { place, next: 0, pending: VecDeque::new() };
        while keys.next * (self.places + 1) < self.keys {
            keys.more();
        }
        loop {
            let fault = {
                let mut shared = lock(shared);
                // What is broken does not get better.
                if !shared.history.broken.is_empty() {
                    return;
                }
                shared.faults.pop_front()
            };
            if keys.pending.is_empty() {
                if fault.is_none() {
                    return;
                }
                (0..KEYS / 2).for_each(|_| keys.more());
            }
            let own: Vec<i64> = keys.pending.iter().copied().take(KEYS).collect();
            lock(shared).history.keys.extend(own.iter().copied());
            let mut turn = Turn { fault: fault.as_ref().map(|(fault, _)| fault), keys: &own, random: &mut random };
            let mut replied = BTreeSet::new();
            let met = (self.process)(&mut turn, &mut |line| replied.extend(lock(shared).history.hear(line)));
            keys.pending.retain(|key| !replied.contains(key));
            let mut shared = lock(shared);
            shared.history.processes += 1;
            match fault {
                Some((fault, _)) if met => *shared.met.entry(fault).or_default() += 1,
                Some((fault, misses)) => {
                    assert!(misses < MOST_MISSES, "{fault:?} is never met: {:?}", shared.history.broken);
                    shared.faults.push_back((fault, misses + 1));
                }
                None => {}
            }
        }
    }
}
