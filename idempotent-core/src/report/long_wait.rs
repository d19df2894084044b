//! A call that waits for another process, and says so once that takes long.

#[cfg(feature = "tracing")]
use futures_timer::Delay;
#[cfg(feature = "tracing")]
use std::future::poll_fn;
#[cfg(feature = "tracing")]
use std::pin::pin;
#[cfg(feature = "tracing")]
use std::task::Poll;
use std::time::Duration;
#[cfg(feature = "tracing")]
use std::time::Instant;

/// After how long it is said.
#[cfg(feature = "tracing")]
const LONG_WAIT: Duration = Duration::from_secs(1);

/// One call's waiting, in as many parts as it has.
#[derive(Debug)]
pub(crate) struct LongWait {
    #[cfg(feature = "tracing")]
    scope: &'static str,
    /// When it is to be said; nothing once it was.
    #[cfg(feature = "tracing")]
    due: Option<Instant>,
}

#[cfg(feature = "tracing")]
impl LongWait {
    pub(crate) fn new(scope: &'static str) -> Self {
        Self { scope, due: Instant::now().checked_add(LONG_WAIT) }
    }

    /// Waits for a holder whose lease lasts for `remaining` from now.
    pub(crate) async fn during<F: Future>(&mut self, remaining: Duration, waiting: F) -> F::Output {
        let mut waiting = pin!(waiting);
        let Some(due) = self.due else { return waiting.await };
        let began = Instant::now();
        let mut timer = pin!(Delay::new(due.saturating_duration_since(began)));
        let ended = poll_fn(|cx| match waiting.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => timer.as_mut().poll(cx).map(|()| None),
        })
        .await;
        if let Some(output) = ended {
            return output;
        }
        self.due = None;
        super::traces::waits(self.scope, remaining.saturating_sub(began.elapsed()));
        waiting.await
    }
}

#[cfg(not(feature = "tracing"))]
impl LongWait {
    pub(crate) fn new(_: &'static str) -> Self {
        Self {}
    }

    #[expect(clippy::unused_self, clippy::needless_pass_by_ref_mut, reason = "as with the feature")]
    pub(crate) fn during<F: Future>(&mut self, _: Duration, waiting: F) -> F {
        waiting
    }
}
