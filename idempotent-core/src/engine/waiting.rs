//! A follower's wait, by a thread or by a task.

use crate::error::{Error, ErrorKind};
use crate::key::Print;
use crate::policy::InFlight;
use crate::sync::Parker;
use crate::table::{Follow, Lead, Look};
use futures_timer::Delay;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// How a follower's wait ended.
pub(super) enum Waited<'a, T: Clone + Send + Sync + 'static, P: Print> {
    Landed(T),
    Seated(Lead<'a, T, P>),
    TimedOut(Error),
}

fn timed_out<'a, T: Clone + Send + Sync + 'static, P: Print>(scope: &'static str) -> Waited<'a, T, P> {
    Waited::TimedOut(Error::new(ErrorKind::WaitTimedOut, scope))
}

/// How long one call waits for others, in all.
#[cfg(feature = "durable")]
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience(Option<Instant>);

#[cfg(feature = "durable")]
impl Patience {
    pub(super) fn new(in_flight: InFlight) -> Self {
        Self(deadline(in_flight).map(|(deadline, _)| deadline))
    }

    /// For how long to wait for something that takes at most `span`; nothing where the deadline has passed.
    pub(super) fn left(self, span: Duration) -> Option<Duration> {
        // A lease that has just ended is granted at the next question, which must not be asked in a tight loop.
        let span = span.max(Duration::from_millis(1));
        let Some(deadline) = self.0 else { return Some(span) };
        let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        Some(left.min(span))
    }

    /// What is left of it, as a wait.
    pub(super) fn rest(self) -> InFlight {
        match self.0 {
            None => InFlight::Wait,
            Some(deadline) => InFlight::WaitFor(deadline.saturating_duration_since(Instant::now())),
        }
    }
}

/// Until when to wait, where that is bounded; a bound beyond what the clock counts is none.
fn deadline(in_flight: InFlight) -> Option<(Instant, Duration)> {
    match in_flight {
        InFlight::WaitFor(longest) => Instant::now().checked_add(longest).map(|deadline| (deadline, longest)),
        InFlight::Wait | InFlight::Reject => None,
    }
}

pub(super) fn wait_blocking<T: Clone + Send + Sync + 'static, P: Print>(
    mut follow: Follow<'_, T, P>,
    in_flight: InFlight,
) -> Waited<'_, T, P> {
    let deadline = deadline(in_flight);
    let parker = Parker::new();
    loop {
        match follow.look(parker.waker()) {
            Look::Landed(outcome) => return Waited::Landed(outcome),
            Look::Seated(lead) => return Waited::Seated(lead),
            Look::Flying => {}
        }
        match deadline {
            None => parker.park(),
            Some((deadline, _)) if parker.park_until(deadline) => {}
            Some(_) => return timed_out(follow.scope()),
        }
    }
}

/// A task's wait.
pub(crate) struct Waiting<'a, T: Clone + Send + Sync + 'static, P: Print> {
    follow: Follow<'a, T, P>,
    longest: Option<Delay>,
}

impl<'a, T: Clone + Send + Sync + 'static, P: Print> Waiting<'a, T, P> {
    pub(super) fn new(follow: Follow<'a, T, P>, in_flight: InFlight) -> Self {
        Self { follow, longest: deadline(in_flight).map(|(_, longest)| Delay::new(longest)) }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Waited<'a, T, P>> {
        match self.follow.look(cx.waker()) {
            Look::Landed(outcome) => return Poll::Ready(Waited::Landed(outcome)),
            Look::Seated(lead) => return Poll::Ready(Waited::Seated(lead)),
            Look::Flying => {}
        }
        let Some(longest) = &mut self.longest else { return Poll::Pending };
        ready!(Pin::new(longest).poll(cx));
        Poll::Ready(timed_out(self.follow.scope()))
    }
}
