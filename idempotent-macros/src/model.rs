//! An operation whose every combination means something.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};

use crate::operand::Operand;

pub(crate) struct Model {
    /// The path to the runtime.
    pub(crate) root: TokenStream,
    pub(crate) key: Operand,
    pub(crate) missing: Option<At<Missing>>,
    pub(crate) scope: Option<TokenStream>,
    pub(crate) retention: Option<At<Retention>>,
    pub(crate) in_flight: Option<At<InFlight>>,
    pub(crate) capacity: Option<TokenStream>,
    pub(crate) fingerprint: Option<At<Operand>>,
    pub(crate) keep: Option<At<Keep>>,
    /// Whether followers get a clone of an outcome that is not kept.
    pub(crate) share: bool,
    /// The argument that asks for a function that can return the library's error.
    pub(crate) refused_by: Option<&'static str>,
    pub(crate) detached: bool,
    pub(crate) handle: Option<Ident>,
    /// Absent where the records live in this process.
    pub(crate) durable: Option<Durable>,
    /// Absent where the record lives outside the caller's transaction.
    pub(crate) transaction: Option<Transaction>,
}

/// What is chosen for a record in the caller's own transaction.
pub(crate) struct Transaction {
    pub(crate) held: At<Held>,
    pub(crate) lease: Option<At<Duration>>,
}

/// Where a function has its transaction.
pub(crate) enum Held {
    /// In an argument, which the body gets again.
    Argument(Ident),
    /// In a field of `self`.
    Field(TokenStream),
}

/// What is chosen for records that outlive the process.
pub(crate) struct Durable {
    pub(crate) records: At<Records>,
    pub(crate) interrupted: At<Interrupted>,
    pub(crate) lease: Option<At<Duration>>,
    pub(crate) max_run: Option<At<Duration>>,
}

/// Where records live that outlive the process.
pub(crate) enum Records {
    /// In the store that the program installed.
    Installed,
    In(TokenStream),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interrupted {
    Retry,
    RetryUpTo(u32),
    Fail,
}

/// A value, and the place of what it was made from.
pub(crate) struct At<T> {
    pub(crate) span: Span,
    pub(crate) value: T,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    Run,
    Reject,
}

pub(crate) enum Retention {
    Forever,
    For(Duration),
    /// Evaluated at each call.
    Each(TokenStream),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InFlight {
    Wait,
    WaitFor(Duration),
    Reject,
}

pub(crate) enum Keep {
    Ok,
    All,
    If(TokenStream),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnFailure {
    Retry,
    Share,
}
