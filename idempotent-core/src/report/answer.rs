//! What a call came to, in one word.

use crate::error::ErrorKind;
use crate::observe::How;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Answer {
    Executed,
    Replayed,
    Joined,
    Rejected,
    Mismatched,
    Failed,
    Interrupted,
    #[cfg(feature = "durable")]
    Unrecorded,
    Unprotected,
    Abandoned,
}

impl Answer {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Executed => "executed",
            Self::Replayed => "replayed",
            Self::Joined => "joined",
            Self::Rejected => "rejected",
            Self::Mismatched => "mismatched",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            #[cfg(feature = "durable")]
            Self::Unrecorded => "unrecorded",
            Self::Unprotected => "unprotected",
            Self::Abandoned => "abandoned",
        }
    }

    /// What nothing more is known about than how it was answered.
    pub(super) const fn of(how: How) -> Self {
        match how {
            How::Executed => Self::Executed,
            How::Replayed => Self::Replayed,
            How::Joined => Self::Joined,
            How::Unprotected => Self::Unprotected,
            How::Refused => Self::Rejected,
            How::Abandoned => Self::Abandoned,
        }
    }

    /// A refusal: by what the caller asked, or because something does not work.
    pub(super) const fn of_refusal(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::KeyReused => Self::Mismatched,
            ErrorKind::Interrupted => Self::Interrupted,
            ErrorKind::LeaseLost
            | ErrorKind::NoStore
            | ErrorKind::Store
            | ErrorKind::Contended
            | ErrorKind::Aborted
            | ErrorKind::OutcomeUnknown
            | ErrorKind::OutcomeLost
            | ErrorKind::Codec
            | ErrorKind::NoRuntime
            | ErrorKind::Misdeclared => Self::Failed,
            ErrorKind::InFlight
            | ErrorKind::WaitTimedOut
            | ErrorKind::MissingKey
            | ErrorKind::InvalidKey
            | ErrorKind::Full
            | ErrorKind::NoTransaction
            | ErrorKind::Reentrant => Self::Rejected,
        }
    }
}
