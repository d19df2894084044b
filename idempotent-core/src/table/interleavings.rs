//! The hand-over between callers, under schedules chosen by shuttle: no lost wake-up (which would be a deadlock), no two
//! bodies at once, nothing left behind.

use super::{AnyTable, Follow, Found, Lead, Look, Settled, Table, TableRef};
use crate::clock::{Clock, ManualClock};
use crate::error::ErrorKind;
use crate::key::{Key, NoFingerprint, ToKey};
use crate::policy::{Policy, Retention};
use crate::sync::Parker;
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::thread;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

type Records = Table<usize, NoFingerprint>;
type Seat = Lead<'static, usize, NoFingerprint>;

/// A table and what its callers do.
struct World {
    table: Arc<Records>,
    clock: Arc<ManualClock>,
    running: AtomicUsize,
    bodies: AtomicUsize,
}

impl World {
    fn new(policy: Policy) -> Arc<Self> {
        let clock = Arc::new(ManualClock::default());
        let table = Arc::new(Table::new("interleavings", &policy, Clock::Manual(clock.clone())));
        Arc::new(Self { table, clock, running: AtomicUsize::new(0), bodies: AtomicUsize::new(0) })
    }

    /// What is recorded under the key 1.
    fn kept(&self) -> Option<usize> {
        let text = 1u64.key_text();
        self.table.replay(&text, NoFingerprint)
    }

    fn shared(&self) -> TableRef<'static, usize, NoFingerprint> {
        TableRef::Owned(self.table.clone())
    }

    /// The leader's execution number, with nobody else's at the same time.
    fn body(&self) -> usize {
        assert_eq!(self.running.fetch_add(1, Ordering::SeqCst), 0, "two bodies at once");
        thread::yield_now();
        let number = self.bodies.fetch_add(1, Ordering::SeqCst);
        self.running.fetch_sub(1, Ordering::SeqCst);
        number
    }

    /// A call: its answer, or the seat that it got.
    fn enter(&self, key: u64) -> Result<Entered, ErrorKind> {
        let text = key.key_text();
        if let Some(kept) = self.table.replay(&text, NoFingerprint) {
            return Ok(Entered::Answered(kept));
        }
        match self.table.claim(&text, NoFingerprint, false) {
            Found::Kept(kept) => Ok(Entered::Answered(kept)),
            Found::Vacant { key, .. } => Ok(Entered::Lead(Lead::new(self.shared(), key, 1))),
            Found::Flying(flight) => {
                let key = text.to_key().unwrap_or_else(|| Key::Long([].into()));
                Ok(Entered::Follow(Follow::new(self.shared(), key, flight)))
            }
            Found::Refused(kind) => Err(kind),
        }
    }

    /// A call that waits, and runs where it leads; `fails` says which executions are not kept.
    fn call(&self, key: u64, fails: impl Fn(usize) -> bool) -> Result<usize, ErrorKind> {
        let parker = Parker::new();
        let lead = match self.enter(key)? {
            Entered::Answered(kept) => return Ok(kept),
            Entered::Lead(lead) => lead,
            Entered::Follow(mut follow) => loop {
                match follow.look(parker.waker()) {
                    Look::Landed(outcome) => return Ok(outcome),
                    Look::Seated(lead) => break lead,
                    Look::Flying => parker.park(),
                }
            },
        };
        Ok(self.lead(lead, fails))
    }

    fn lead(&self, lead: Seat, fails: impl Fn(usize) -> bool) -> usize {
        let number = self.body();
        lead.settle(if fails(number) { Settled::Released } else { Settled::Kept(number) }, None);
        number
    }
}

enum Entered {
    Answered(usize),
    Lead(Seat),
    Follow(Follow<'static, usize, NoFingerprint>),
}

const FOREVER: Policy = Policy { retention: Retention::Forever, ..Policy::DEFAULT };

fn explore(test: impl Fn() + Send + Sync + 'static) {
    let test = Arc::new(test);
    let random = test.clone();
    shuttle::check_random(move || random(), 3_000);
    shuttle::check_pct(move || test(), 3_000, 3);
}

fn callers(count: usize, call: impl Fn(usize) + Send + Sync + 'static) {
    let call = Arc::new(call);
    let threads: Vec<_> = (0..count)
        .map(|index| {
            let call = call.clone();
            thread::spawn(move || call(index))
        })
        .collect();
    for caller in threads {
        assert!(caller.join().is_ok());
    }
}

#[test]
fn one_body_answers_everybody() {
    explore(|| {
        let world = World::new(FOREVER);
        let shared = world.clone();
        callers(3, move |_| assert_eq!(shared.call(1, |_| false), Ok(0)));
        assert_eq!((world.bodies.load(Ordering::SeqCst), world.table.len()), (1, 1));
    });
}

#[test]
fn after_each_failure_one_follower_runs() {
    explore(|| {
        let world = World::new(FOREVER);
        let shared = world.clone();
        callers(4, move |_| {
            let outcome = shared.call(1, |number| number < 2);
            assert!(matches!(outcome, Ok(0..=2)));
        });
        assert_eq!((world.bodies.load(Ordering::SeqCst), world.table.len()), (3, 1));
    });
}

#[test]
fn when_all_fail_nothing_is_left() {
    explore(|| {
        let world = World::new(FOREVER);
        let shared = world.clone();
        callers(3, move |_| {
            let _ = shared.call(1, |_| true);
        });
        assert_eq!((world.bodies.load(Ordering::SeqCst), world.table.len()), (3, 0));
    });
}

#[test]
fn a_dropped_leader_and_dropped_followers_leave_nothing() {
    explore(|| {
        let world = World::new(FOREVER);
        let shared = world.clone();
        callers(4, move |index| match (index, shared.enter(1)) {
            // Two go away, whatever they are; one of them as soon as it has listened.
            (0, entered) => drop(entered),
            (1, Ok(Entered::Follow(mut follow))) => drop(follow.look(Parker::new().waker())),
            (1, entered) => drop(entered),
            (_, Ok(Entered::Lead(lead))) => {
                shared.lead(lead, |_| true);
            }
            (_, Ok(Entered::Follow(mut follow))) => {
                let parker = Parker::new();
                loop {
                    match follow.look(parker.waker()) {
                        Look::Landed(_) => break,
                        Look::Seated(lead) => {
                            shared.lead(lead, |_| true);
                            break;
                        }
                        Look::Flying => parker.park(),
                    }
                }
            }
            (_, _) => {}
        });
        assert_eq!(world.table.len(), 0);
    });
}

#[test]
fn a_panic_hands_over() {
    #[derive(Debug)]
    struct Brittle(Arc<AtomicUsize>);
    impl Clone for Brittle {
        fn clone(&self) -> Self {
            assert!(self.0.fetch_add(1, Ordering::SeqCst) > 0, "the first clone panics");
            Self(self.0.clone())
        }
    }
    explore(|| {
        let table: Arc<Table<Brittle, NoFingerprint>> = Arc::new(Table::new("panics", &FOREVER, Clock::System));
        let clones = Arc::new(AtomicUsize::new(0));
        let kept = Arc::new(AtomicUsize::new(0));
        let (shared, counted) = (table.clone(), kept.clone());
        callers(3, move |_| {
            let text = 1u8.key_text();
            let call = || {
                let lead = match shared.claim(&text, NoFingerprint, false) {
                    Found::Vacant { key, .. } => Lead::new(TableRef::Owned(shared.clone()), key, 1),
                    Found::Flying(flight) => {
                        let key = text.to_key().unwrap_or_else(|| Key::Long([].into()));
                        let mut follow = Follow::new(TableRef::Owned(shared.clone()), key, flight);
                        let parker = Parker::new();
                        loop {
                            match follow.look(parker.waker()) {
                                Look::Landed(_) => return,
                                Look::Seated(lead) => break lead,
                                Look::Flying => parker.park(),
                            }
                        }
                    }
                    Found::Kept(_) | Found::Refused(_) => return,
                };
                let outcome = Brittle(clones.clone());
                lead.settle(Settled::Kept(outcome.clone()), None);
                counted.fetch_add(1, Ordering::SeqCst);
            };
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call));
        });
        assert_eq!((kept.load(Ordering::SeqCst), table.len()), (1, 1));
    });
}

#[test]
fn forget_wins_over_a_flight() {
    explore(|| {
        let world = World::new(FOREVER);
        let shared = world.clone();
        callers(4, move |index| {
            if index == 0 {
                shared.table.forget(&1u64.key_text());
            } else {
                assert!(shared.call(1, |_| false).is_ok());
            }
        });
        let bodies = world.bodies.load(Ordering::SeqCst);
        assert!((1..=3).contains(&bodies), "{bodies}");
        // What is kept, if anything, is the last body's outcome.
        let kept = world.kept();
        assert!(kept.is_none() || kept == Some(bodies - 1));
        assert_eq!(world.table.len(), usize::from(kept.is_some()));
    });
}

#[test]
fn what_was_forgotten_in_flight_is_never_an_answer() {
    explore(|| {
        let world = World::new(FOREVER);
        let Ok(Entered::Lead(lead)) = world.enter(1) else { unreachable!("nobody else is there") };
        let shared = world.clone();
        let follower = thread::spawn(move || shared.call(1, |_| false));
        assert!(world.table.forget(&1u64.key_text()));
        assert_eq!(world.lead(lead, |_| false), 0);
        assert!(matches!(follower.join(), Ok(Ok(1))));
        assert_eq!(world.kept(), Some(1));
    });
}

#[test]
fn clear_and_purge_do_not_disturb_a_flight() {
    explore(|| {
        let world = World::new(Policy::DEFAULT);
        let shared = world.clone();
        callers(4, move |index| match index {
            0 => {
                shared.table.clear();
            }
            1 => {
                shared.clock.advance(Duration::from_secs(100_000));
                shared.table.purge();
            }
            _ => assert!(shared.call(1, |number| number == 0).is_ok()),
        });
        world.table.clear();
        assert_eq!(world.table.len(), 0);
    });
}

#[test]
fn an_expired_record_is_replaced_by_one_body_at_a_time() {
    explore(|| {
        let world = World::new(Policy::DEFAULT);
        assert_eq!(world.call(1, |_| false), Ok(0));
        let shared = world.clone();
        callers(3, move |index| {
            if index == 0 {
                shared.clock.advance(Duration::from_secs(100_000));
            }
            assert!(matches!(shared.call(1, |_| false), Ok(0 | 1)));
        });
        assert_eq!((world.bodies.load(Ordering::SeqCst), world.table.len()), (2, 1));
    });
}

#[test]
fn capacity_is_never_exceeded_and_comes_back() {
    explore(|| {
        let world = World::new(Policy { capacity: NonZeroUsize::new(1), ..FOREVER });
        let shared = world.clone();
        callers(3, move |index| {
            let key = (index % 2) as u64;
            let text = key.key_text();
            match shared.table.claim(&text, NoFingerprint, true) {
                Found::Vacant { key, .. } => {
                    assert!(shared.table.len() <= 1);
                    drop(Lead::new(shared.shared(), key, 1));
                }
                Found::Refused(kind) => assert!(matches!(kind, ErrorKind::Full | ErrorKind::InFlight)),
                Found::Kept(_) | Found::Flying(_) => {}
            }
        });
        assert_eq!(world.table.len(), 0);
        assert_eq!(world.call(7, |_| false), Ok(0));
        assert_eq!(world.call(8, |_| false), Err(ErrorKind::Full));
    });
}
