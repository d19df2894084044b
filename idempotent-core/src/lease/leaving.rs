//! Keys that are being given back, whose answers nobody waits for until a shutdown does.

use crate::store::{Hold, Release, Store};
use crate::underway::Underway;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// How many are kept before those are looked for that are answered.
const FEW: usize = 16;

/// What a store was asked and has not answered yet.
type Asked = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(super) struct Leaving {
    store: Arc<dyn Store>,
    asked: Mutex<Pile>,
}

struct Pile {
    asked: Vec<Asked>,
    /// At this many the answered ones are taken away.
    full: usize,
}

impl Leaving {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, asked: Mutex::new(Pile { asked: Vec::new(), full: FEW }) }
    }

    fn pile(&self) -> MutexGuard<'_, Pile> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the store now. Its answer changes nothing, so it is looked at only to know that it is there.
    pub(super) fn release(&self, hold: Hold, how: Release, underway: Underway) {
        let store = self.store.clone();
        let mut asked: Asked = Box::pin(async move {
            // A store that cannot be reached lets the lease end.
            let _ = store.release(hold, how).await;
            drop(underway);
        });
        if is_answered(&mut asked) {
            return;
        }
        let mut pile = self.pile();
        pile.asked.push(asked);
        if pile.asked.len() >= pile.full {
            let mut asked = mem::take(&mut pile.asked);
            drop(pile);
            asked.retain_mut(|asked| !is_answered(asked));
            self.put_back(asked);
        }
    }

    fn put_back(&self, asked: Vec<Asked>) {
        let mut pile = self.pile();
        pile.asked.extend(asked);
        pile.full = FEW.max(2 * pile.asked.len());
    }

    /// Waits until what is asked now is answered. Given up, the rest is kept.
    pub(super) async fn over(&self) {
        let mut rest = Rest { leaving: self, asked: mem::take(&mut self.pile().asked) };
        poll_fn(|cx| {
            rest.asked.retain_mut(|asked| asked.as_mut().poll(cx).is_pending());
            if rest.asked.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// What a shutdown waits for.
struct Rest<'a> {
    leaving: &'a Leaving,
    asked: Vec<Asked>,
}

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        self.leaving.put_back(mem::take(&mut self.asked));
    }
}

/// Nobody is woken by what is asked here: it is looked at again when there is a reason to.
fn is_answered(asked: &mut Asked) -> bool {
    asked.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}
