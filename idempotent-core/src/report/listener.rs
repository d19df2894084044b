//! One call from its beginning to its answer, for spans and numbers.

use super::answer::Answer;
use crate::error::{Error, ErrorKind};
use crate::key::Text;
use crate::observe::How;
use once_cell::sync::OnceCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Who is told about a call, where anybody is. In a box, since it goes where the call goes, also into its future.
#[derive(Debug)]
pub(super) struct Listener(Option<Box<Call>>);

/// A call that has just begun. Almost all are answered at once, so nothing is allocated for it.
#[derive(Debug)]
pub(crate) struct Opened(Option<Call>);

/// What is known of the call so far. It is told about from whichever thread it is on, always by one at a time.
#[derive(Debug)]
struct Call {
    #[cfg(feature = "metrics")]
    scope: &'static str,
    #[cfg(feature = "tracing")]
    span: tracing::Span,
    began: Instant,
    /// How long it took until the body began.
    waited: OnceCell<Duration>,
    /// More than `How` says.
    answer: OnceCell<Answer>,
    told: AtomicBool,
}

/// The running code belongs to the call.
#[must_use = "the code runs inside the call until this is dropped"]
pub(crate) struct Inside<'a> {
    call: Option<&'a Call>,
    panicking: bool,
    #[cfg(feature = "tracing")]
    _span: Option<tracing::span::Entered<'a>>,
}

impl Opened {
    /// Whether nothing is told about calls, in this build.
    pub(crate) const IS_NOTHING: bool = false;

    #[inline(never)]
    pub(crate) fn new(scope: &'static str, text: &Text<'_>) -> Self {
        #[cfg(feature = "tracing")]
        let span = super::traces::span(scope, text);
        #[cfg(all(feature = "tracing", not(feature = "metrics")))]
        if span.is_disabled() {
            return Self(None);
        }
        #[cfg(not(feature = "tracing"))]
        let _ = text;
        Self(Some(Call {
            #[cfg(feature = "metrics")]
            scope,
            #[cfg(feature = "tracing")]
            span,
            began: Instant::now(),
            waited: OnceCell::new(),
            answer: OnceCell::new(),
            told: AtomicBool::new(false),
        }))
    }

    /// It was answered by a record.
    #[inline(never)]
    pub(crate) fn replayed(self) -> Self {
        if let Self(Some(call)) = self {
            call.tell(How::Replayed);
        }
        Self(None)
    }

    /// Why it is about to be refused.
    pub(crate) fn refused(&self, error: &Error) {
        if let Self(Some(call)) = self {
            call.refused(error.kind());
        }
    }
}

impl Listener {
    pub(super) const NOBODY: Self = Self(None);

    #[inline(never)]
    pub(super) fn of(opened: Opened) -> Self {
        Self(opened.0.map(Box::new))
    }

    pub(super) fn inside(&self) -> Inside<'_> {
        Inside {
            call: self.0.as_deref(),
            panicking: thread::panicking(),
            #[cfg(feature = "tracing")]
            _span: self.0.as_ref().map(|call| call.span.enter()),
        }
    }

    /// A body that is polled again has begun before.
    #[inline(never)]
    pub(super) fn begins(&self, attempt: u32) {
        let Some(call) = self.0.as_ref().filter(|call| call.waited.get().is_none()) else { return };
        let _ = call.waited.set(call.began.elapsed());
        #[cfg(feature = "tracing")]
        call.span.record("attempt", attempt);
        #[cfg(not(feature = "tracing"))]
        let _ = attempt;
    }

    pub(super) fn failed(&self) {
        self.comes_to(Answer::Failed);
    }

    #[cfg(feature = "durable")]
    pub(super) fn unrecorded(&self) {
        self.comes_to(Answer::Unrecorded);
    }

    #[inline(never)]
    pub(super) fn refused(&self, kind: ErrorKind) {
        if let Self(Some(call)) = self {
            call.refused(kind);
        }
    }

    fn comes_to(&self, answer: Answer) {
        if let Self(Some(call)) = self {
            call.comes_to(answer);
        }
    }

    #[inline(never)]
    pub(super) fn tell(&self, how: How) {
        if let Self(Some(call)) = self {
            call.tell(how);
        }
    }
}

impl Call {
    /// What is said first stands; whether this is it.
    fn comes_to(&self, answer: Answer) -> bool {
        self.answer.set(answer).is_ok()
    }

    #[inline(never)]
    fn refused(&self, kind: ErrorKind) {
        if self.comes_to(Answer::of_refusal(kind)) {
            #[cfg(feature = "tracing")]
            self.span.record("error", tracing::field::debug(kind));
        }
    }

    fn tell(&self, how: How) {
        if self.told.swap(true, Ordering::Relaxed) {
            return;
        }
        let took = self.began.elapsed();
        let waited = self.waited.get().copied().unwrap_or(took);
        let answer = self.answer.get().copied().unwrap_or(Answer::of(how));
        #[cfg(feature = "tracing")]
        super::traces::answered(&self.span, answer, waited);
        #[cfg(feature = "metrics")]
        super::numbers::answered(self.scope, answer, took, waited);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.tell(How::Abandoned);
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        // The body panics, or what judges its outcome does.
        if let (Some(call), false) = (self.call, self.panicking)
            && thread::panicking()
        {
            call.comes_to(Answer::Failed);
        }
    }
}
