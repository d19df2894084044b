//! Without the features for it nobody listens, and nothing is left of any of this.

use crate::error::{Error, ErrorKind};
use crate::key::Text;
use crate::observe::How;
use std::marker::PhantomData;

#[derive(Debug)]
pub(super) struct Listener;

#[derive(Debug)]
pub(crate) struct Opened;

impl Opened {
    pub(crate) const IS_NOTHING: bool = true;

    #[inline]
    pub(crate) fn new(_: &'static str, _: &Text<'_>) -> Self {
        Self
    }

    #[inline]
    pub(crate) fn replayed(self) -> Self {
        self
    }

    #[inline]
    #[expect(clippy::unused_self, reason = "as with the features")]
    pub(crate) fn refused(&self, _: &Error) {}
}

#[must_use = "the code runs inside the call until this is dropped"]
pub(crate) struct Inside<'a>(PhantomData<&'a Listener>);

#[expect(clippy::unused_self, reason = "as with the features")]
impl Listener {
    pub(super) const NOBODY: Self = Self;

    #[inline]
    pub(super) fn of(_: Opened) -> Self {
        Self
    }

    #[inline]
    pub(super) fn inside(&self) -> Inside<'_> {
        Inside(PhantomData)
    }

    #[inline]
    pub(super) fn begins(&self, _: u32) {}

    #[inline]
    pub(super) fn failed(&self) {}

    #[cfg(feature = "durable")]
    pub(super) fn unrecorded(&self) {}

    #[inline]
    pub(super) fn refused(&self, _: ErrorKind) {}

    #[inline]
    pub(super) fn tell(&self, _: How) {}
}
