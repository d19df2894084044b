//! Keys that are being given back, whose answers nobody waits for until a shutdown does.

use crate::blocking::block_on;
use crate::store::{Hold, Release, Store, StoreError};
use crate::sync::wake;
use crate::underway::Underway;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

/// How many are kept before those are looked for that are answered.
const FEW: usize = 16;

/// What a store was asked and has not answered yet.
type Asked = Pin<Box<dyn Future<Output = Result<bool, StoreError>> + Send>>;

pub(super) struct Leaving {
    store: Arc<dyn Store>,
    asked: Mutex<Pile>,
    waiting: Arc<Waiting>,
}

struct Pile {
    asked: Vec<Asked>,
    /// At this many the answered ones are taken away.
    full: usize,
}

/// Whoever waits for answers. All of them are woken by each: any of them may be given up before the next one.
#[derive(Default)]
struct Waiting(Mutex<Vec<Waker>>);

impl Waiting {
    fn wakers(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let waiting = mem::take(&mut *self.wakers());
        waiting.into_iter().for_each(wake);
    }
}

impl Leaving {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, asked: Mutex::new(Pile { asked: Vec::new(), full: FEW }), waiting: Arc::default() }
    }

    fn pile(&self) -> MutexGuard<'_, Pile> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the store when it is first polled or dropped. A store that cannot be reached lets the lease end.
    pub(super) fn ask(&self, hold: Hold, how: Release, underway: Underway) -> Releasing<'_> {
        let store = self.store.clone();
        let asked: Asked = Box::pin(async move {
            let answer = store.release(hold, how).await;
            drop(underway);
            answer
        });
        Releasing { leaving: self, asked: Some(asked) }
    }

    /// Keeps what nobody waits for. Its answer changes nothing, so it is looked at only to know that it is there.
    fn keep(&self, mut asked: Asked) {
        if self.is_answered(&mut asked) {
            return;
        }
        let mut pile = self.pile();
        pile.asked.push(asked);
        let is_full = pile.asked.len() >= pile.full;
        drop(pile);
        if is_full {
            self.look();
        }
        // One that was woken meanwhile has not found what was just put there.
        self.waiting.wake_by_ref();
    }

    /// Takes away what is answered.
    fn look(&self) {
        let mut asked = mem::take(&mut self.pile().asked);
        asked.retain_mut(|asked| !self.is_answered(asked));
        let mut pile = self.pile();
        pile.asked.extend(asked);
        pile.full = FEW.max(2 * pile.asked.len());
    }

    /// Looks what is answered, and wakes when there is a reason to look again.
    pub(super) fn drive(&self, waker: &Waker) {
        let mut waiting = self.waiting.wakers();
        if !waiting.iter().any(|other| other.will_wake(waker)) {
            waiting.push(waker.clone());
        }
        drop(waiting);
        self.look();
    }

    fn is_answered(&self, asked: &mut Asked) -> bool {
        asked.as_mut().poll(&mut Context::from_waker(&Waker::from(self.waiting.clone()))).is_ready()
    }
}

/// A key that is being given back. Dropped, it is given back all the same.
pub(super) struct Releasing<'a> {
    leaving: &'a Leaving,
    asked: Option<Asked>,
}

impl Releasing<'_> {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, StoreError>> {
        let Some(asked) = &mut self.asked else { return Poll::Pending };
        let answer = asked.as_mut().poll(cx);
        if answer.is_ready() {
            self.asked = None;
        }
        answer
    }
}

impl Drop for Releasing<'_> {
    fn drop(&mut self) {
        if let Some(asked) = self.asked.take() {
            self.leaving.keep(asked);
        }
    }
}

impl Drop for Leaving {
    /// The store has no users left; what it was asked goes on without them.
    fn drop(&mut self) {
        self.look();
        let mut asked = mem::take(&mut self.pile().asked);
        if asked.is_empty() {
            return;
        }
        let all = poll_fn(move |cx| {
            asked.retain_mut(|asked| asked.as_mut().poll(cx).is_pending());
            if asked.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        });
        // Without a thread the leases end by themselves.
        let _ = thread::Builder::new().name("idempotently-releases".into()).spawn(move || block_on(all));
    }
}
