//! Callers: tasks that make one call after the other.

use super::{Effort, Work, must};
use crate::measure::{Contender, exact};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Somebody who answers callers.
pub(super) trait Peer: Clone + Send + Sync + 'static {
    /// Answers a key that has an outcome, one of those that there are by a random number.
    fn replay(self, random: u64) -> impl Future<Output = ()> + Send + 'static;

    /// Claims a key that is new, by a random number, and records an outcome.
    fn fresh(self, random: u64) -> impl Future<Output = ()> + Send + 'static;
}

/// A peer whose turns last as long as they should, with so many callers.
pub(super) fn contender<'a>(
    name: &'static str,
    runtime: &'a Runtime,
    peer: &'a impl Peer,
    (work, callers): (Work, u64),
    effort: &Effort,
) -> Contender<'a> {
    let span = effort.turn;
    // What is prepared once is none of a turn's business.
    turn(runtime, peer, work, callers, span / 8);
    Contender::timed(name, move |_| turn(runtime, peer, work, callers, span))
}

/// How much time there is for each call that callers make in a turn.
fn turn(runtime: &Runtime, peer: &impl Peer, work: Work, callers: u64, span: Duration) -> Duration {
    let peer = peer.clone();
    match work {
        Work::Replay => per_call(runtime, callers, span, move |random| peer.clone().replay(random)),
        Work::Fresh => per_call(runtime, callers, span, move |random| peer.clone().fresh(random)),
    }
}

fn per_call<F>(
    runtime: &Runtime,
    callers: u64,
    span: Duration,
    call: impl Fn(u64) -> F + Clone + Send + 'static,
) -> Duration
where
    F: Future<Output = ()> + Send,
{
    let start = Instant::now();
    let made = runtime.block_on(async {
        let tasks: Vec<_> = (0..callers)
            .map(|caller| {
                let (call, mut random) = (call.clone(), Random::new());
                tokio::spawn(async move {
                    let mut made = 0;
                    // On a machine with much else to do a turn may be over before it began.
                    while start.elapsed() < span || caller == 0 && made == 0 {
                        call(random.next()).await;
                        made += 1;
                    }
                    made
                })
            })
            .collect();
        let mut made = 0;
        for task in tasks {
            made += must("a caller failed", task.await);
        }
        made
    });
    start.elapsed().div_f64(exact(made))
}

/// Random numbers (`SplitMix64`), of which no two callers of a process have the same.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new() -> Self {
        static CALLERS: AtomicU64 = AtomicU64::new(0);
        Self(CALLERS.fetch_add(1 << 40, Ordering::Relaxed))
    }

    /// One that fits a signed number too.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        let mixed = self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) >> 1
    }
}
