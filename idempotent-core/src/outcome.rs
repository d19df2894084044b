//! What a function's return value is to its record: what is kept of it, and how it says that a call was refused.

pub mod refusable;

use crate::error::Error;
use crate::table::Settled;
#[cfg(feature = "durable")]
use serde::{Serialize, de::DeserializeOwned};

/// What is kept of a return value of type `R`.
#[diagnostic::on_unimplemented(
    message = "what to keep of `{R}` is not clear",
    label = "`keep = ok` needs a `Result` here",
    note = "return a `Result`, or leave `keep` out (everything is kept)"
)]
pub trait Keep<R> {
    /// What the record holds.
    type Kept: Clone + ThreadSafe;
    /// Decides about an outcome.
    fn settle(&self, outcome: &R) -> Settled<Self::Kept>;
    /// Makes an answer from a record.
    fn revive(kept: Self::Kept) -> R;
    /// Why outcomes of this type cannot be judged; asked once.
    #[must_use]
    fn misdeclared() -> Option<&'static str> {
        None
    }
}

/// What a record can hold beside `Clone`: it is read by every thread, for as long as the record stands.
///
/// One trait, so that a type which is neither `Send` nor `Sync` is one error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept: it is not `Send + Sync + 'static`",
    label = "an outcome is handed to callers in other threads",
    note = "return a type that is `Clone + Send + Sync + 'static`, such as `Arc` for `Rc` and `Mutex` for `RefCell`; of a `Result` only the `Ok` type is kept",
    note = "a type parameter needs all of it: `T: Clone + Send + Sync + 'static`"
)]
pub trait ThreadSafe: Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Send + Sync + 'static> ThreadSafe for T {}

/// What a store can hold.
#[cfg(feature = "durable")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept in a store: it is not `Serialize + DeserializeOwned`",
    label = "this is written to the store and read again",
    note = "derive both: `#[derive(serde::Serialize, serde::Deserialize)]`; of a `Result` only the `Ok` type is kept"
)]
pub trait Storable: Serialize + DeserializeOwned {}

#[cfg(feature = "durable")]
#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Storable for T {}

/// Whether a return value is kept at all; the part of [`Keep`] that can also share what is not.
pub trait Judge<R> {
    /// Whether it is.
    fn keeps(&self, outcome: &R) -> bool;
    /// As [`Keep::misdeclared`].
    #[must_use]
    fn misdeclared() -> Option<&'static str> {
        None
    }
}

/// The `Ok` of a `Result` is kept, an `Err` is not.
#[derive(Clone, Copy, Debug)]
pub struct KeepOk;

/// Everything is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeepAll;

/// Everything is kept, as nothing says that it can fail: the default for what is visibly no `Result`.
#[derive(Clone, Copy, Debug)]
pub struct KeepUnseen;

/// What the predicate accepts is kept.
#[derive(Clone, Copy, Debug)]
pub struct KeepIf<R, F> {
    predicate: F,
    accepts: fn(&F, &R) -> bool,
}

impl<R, F: Fn(&R) -> bool> KeepIf<R, F> {
    /// What it says of an outcome is told by a pointer, so that the type of the predicate is checked here alone.
    #[inline]
    pub(crate) fn new(predicate: F) -> Self {
        Self { predicate, accepts: |predicate, outcome| predicate(outcome) }
    }
}

/// The `Ok` of a `Result` is kept if the predicate accepts it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeepOkIf<F>(pub(crate) F);

/// What is not kept is still shared with the callers that waited for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share<J>(pub(crate) J);

impl<T: Clone + ThreadSafe, E> Keep<Result<T, E>> for KeepOk {
    type Kept = T;

    fn settle(&self, outcome: &Result<T, E>) -> Settled<T> {
        outcome.as_ref().map_or(Settled::Released, |value| Settled::Kept(value.clone()))
    }

    #[inline]
    fn revive(kept: T) -> Result<T, E> {
        Ok(kept)
    }
}

impl<T: Clone + ThreadSafe, E, F: Fn(&T) -> bool> Keep<Result<T, E>> for KeepOkIf<F> {
    type Kept = T;

    fn settle(&self, outcome: &Result<T, E>) -> Settled<T> {
        match outcome {
            Ok(value) if (self.0)(value) => Settled::Kept(value.clone()),
            _ => Settled::Released,
        }
    }

    #[inline]
    fn revive(kept: T) -> Result<T, E> {
        Ok(kept)
    }
}

impl<T, E> Judge<Result<T, E>> for KeepOk {
    fn keeps(&self, outcome: &Result<T, E>) -> bool {
        outcome.is_ok()
    }
}

impl<R: Clone + ThreadSafe> Keep<R> for KeepAll {
    type Kept = R;

    fn settle(&self, outcome: &R) -> Settled<R> {
        Settled::Kept(outcome.clone())
    }

    #[inline]
    fn revive(kept: R) -> R {
        kept
    }
}

impl<R: Clone + ThreadSafe> Keep<R> for KeepUnseen {
    type Kept = R;

    fn settle(&self, outcome: &R) -> Settled<R> {
        Settled::Kept(outcome.clone())
    }

    #[inline]
    fn revive(kept: R) -> R {
        kept
    }

    fn misdeclared() -> Option<&'static str> {
        unseen_result::<R>()
    }
}

impl<R> Judge<R> for KeepUnseen {
    fn keeps(&self, _: &R) -> bool {
        true
    }

    fn misdeclared() -> Option<&'static str> {
        unseen_result::<R>()
    }
}

/// A type parameter or a projection can turn out to be a `Result` only after the decision was made without knowing.
fn unseen_result<R>() -> Option<&'static str> {
    std::any::type_name::<R>()
        .starts_with("core::result::Result<")
        .then_some("its return type turned out to be a `Result`, so say `keep = ok` or `keep = all`")
}

impl<R: Clone + ThreadSafe, F> Keep<R> for KeepIf<R, F> {
    type Kept = R;

    fn settle(&self, outcome: &R) -> Settled<R> {
        if self.keeps(outcome) { Settled::Kept(outcome.clone()) } else { Settled::Released }
    }

    #[inline]
    fn revive(kept: R) -> R {
        kept
    }
}

impl<R, F> Judge<R> for KeepIf<R, F> {
    fn keeps(&self, outcome: &R) -> bool {
        (self.accepts)(&self.predicate, outcome)
    }
}

impl<R: Clone + ThreadSafe, J: Judge<R>> Keep<R> for Share<J> {
    type Kept = R;

    fn settle(&self, outcome: &R) -> Settled<R> {
        if self.0.keeps(outcome) { Settled::Kept(outcome.clone()) } else { Settled::Shared(outcome.clone()) }
    }

    #[inline]
    fn revive(kept: R) -> R {
        kept
    }

    fn misdeclared() -> Option<&'static str> {
        J::misdeclared()
    }
}

/// A return type that can carry an [`Error`].
pub trait Fallible {
    /// Makes an answer of the error.
    fn refused(error: Error) -> Self;
    /// Whether it says that something failed.
    fn has_failed(&self) -> bool;
}

impl<T, E: From<Error>> Fallible for Result<T, E> {
    fn refused(error: Error) -> Self {
        Err(error.into())
    }

    fn has_failed(&self) -> bool {
        self.is_err()
    }
}

/// Everything that is decided about return values of type `Ret`.
#[derive(Clone, Copy, Debug)]
pub struct Plan<Ret, K> {
    pub(crate) keep: K,
    refuse: Refuse<Ret>,
}

/// How a return value says that the call was refused, where it can.
#[derive(Debug)]
pub(crate) struct Refuse<Ret>(Option<fn(Error) -> Ret>);

impl<Ret> Clone for Refuse<Ret> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Ret> Copy for Refuse<Ret> {}

/// What a function does that cannot return why its call was refused.
#[cold]
#[track_caller]
#[expect(clippy::panic, reason = "documented: an infallible function has no other way to refuse")]
pub(crate) fn cannot_refuse(error: &Error) -> ! {
    panic!("{error}")
}

impl<Ret> Refuse<Ret> {
    /// Whether the refusal can be returned.
    #[inline]
    pub(crate) const fn is_possible(self) -> bool {
        self.0.is_some()
    }

    /// Returns the error, or panics: then nothing but a wrong call is refused.
    #[cold]
    #[track_caller]
    pub(crate) fn refuse(self, error: Error) -> Ret {
        match self.0 {
            Some(refused) => refused(error),
            None => cannot_refuse(&error),
        }
    }
}

impl<Ret, K> Plan<Ret, K> {
    /// Refusals panic.
    pub(crate) const fn panicking(keep: K) -> Self {
        Self { keep, refuse: Refuse(None) }
    }

    /// Refusals are returned.
    pub(crate) const fn returning(keep: K) -> Self
    where
        Ret: Fallible,
    {
        Self { keep, refuse: Refuse(Some(Ret::refused)) }
    }

    /// The same with something else kept.
    pub(crate) fn keeping<L>(self, keep: impl FnOnce(K) -> L) -> Plan<Ret, L> {
        Plan { keep: keep(self.keep), refuse: self.refuse }
    }

    pub(crate) const fn refusal(&self) -> Refuse<Ret> {
        self.refuse
    }
}
