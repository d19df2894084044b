//! What can go wrong, typed, with the operation's name and what to do about it.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Why a call was not answered by its body or by a record.
///
/// It names the operation and never the key or a payload. It is cheap to clone, since several callers may be told the
/// same. Functions annotated with options that can fail return it through their own error type
/// (`E: From<idempotently::Error>`); `anyhow::Error` and `Box<dyn Error + Send + Sync>` take it as they are.
///
/// ```
/// use idempotently::{ErrorKind, InFlight, Missing, Operation};
///
/// static PAY: Operation = Operation::new("docs.error").in_flight(InFlight::Reject);
/// let no_key: Option<&str> = None;
/// let error = PAY.call_optional(&no_key, Missing::Reject).run(|| "paid").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::MissingKey);
/// assert_eq!(error.operation(), "docs.error");
/// assert!(!error.is_retryable());
/// ```
#[derive(Clone)]
pub struct Error {
    inner: Arc<Inner>,
}

struct Inner {
    kind: ErrorKind,
    operation: &'static str,
    detail: Option<Cow<'static, str>>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    /// What happened and what to do, where it is not what the kind says to a caller.
    words: Option<(&'static str, &'static str)>,
    /// When what is in the way may be gone, where it is known better than from the kind.
    retry_after: Option<Duration>,
    /// The store will answer the same until somebody changes something.
    is_permanent: bool,
}

/// How soon a store that could not be reached is worth another try.
const STORE_RETRY: Duration = Duration::from_secs(1);
/// How soon a transaction that lost is worth another try.
const CONTENDED_RETRY: Duration = Duration::from_millis(50);

/// The kinds of [`Error`]; more may be added in any version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The first call with this key is still running, and duplicates were to be refused.
    InFlight,
    /// The first call with this key ran for longer than the caller was to wait.
    WaitTimedOut,
    /// The key was used before with another fingerprint.
    KeyReused,
    /// The key is `None`, and such calls were to be refused.
    MissingKey,
    /// The key has nothing in it, or could not be written.
    InvalidKey,
    /// As many records are kept as `capacity` allows, and none has expired.
    Full,
    /// The call that ran the body vanished, and whether its effect happened is not known.
    Interrupted,
    /// Another caller took the work over.
    LeaseLost,
    /// The call was made from inside the execution that it would have to wait for.
    Reentrant,
    /// The function is durable and no store was installed.
    NoStore,
    /// The store could not be reached or answered with an error.
    Store,
    /// The database ended the transaction in favour of another one.
    Contended,
    /// The connection is in no transaction, which the call was to be part of.
    NoTransaction,
    /// The transaction has failed: a statement in it, or a call that did not complete.
    Aborted,
    /// The body ran, and whether its outcome is recorded is not known: the answer to a commit was lost, or the store could
    /// not be reached after the lease was over.
    OutcomeUnknown,
    /// The outcome was recorded as done, but could not be kept.
    OutcomeLost,
    /// A record could not be encoded or decoded.
    Codec,
    /// `detached` was called outside an async runtime, or the runtime ended before the body did.
    NoRuntime,
    /// The operation is declared in a way that cannot be kept, found when it was first called.
    Misdeclared,
}

impl ErrorKind {
    const fn says(self) -> (&'static str, &'static str) {
        match self {
            Self::InFlight => ("a call with the same key is still running", "call again when it has ended"),
            Self::WaitTimedOut => {
                ("a call with the same key is still running after the longest wait", "call again later, or wait longer")
            }
            Self::KeyReused => ("the key was used before for a different request", "use a new key for a new request"),
            Self::MissingKey => ("the call has no key", "pass a key, or declare `missing = run`"),
            Self::InvalidKey => ("the key cannot be used", "pass a key that identifies the request"),
            Self::Full => {
                ("no more records fit", "call again when some have expired, raise `capacity` or shorten `retention`")
            }
            Self::Interrupted => (
                "an earlier execution ended without an outcome, so its effect may or may not have happened",
                "look at the effect, then resolve or forget the record",
            ),
            Self::LeaseLost => {
                ("another caller took the work over, or may have", "stop, and call again for its outcome")
            }
            Self::Reentrant => (
                "the function was called with a key that the same task or thread is already running, and would wait for itself",
                "use another key inside the body, or call the inner work directly",
            ),
            Self::NoStore => ("no store is installed", "call `idempotently::install` when the program starts"),
            Self::Store => ("the store failed", "call again; the body was not run"),
            Self::Contended => ("the transaction lost against another one", "roll back and begin again"),
            Self::NoTransaction => {
                ("the connection is in no transaction", "begin one before the call; the body was not run")
            }
            Self::Aborted => ("the transaction has failed and nothing in it is kept", "roll back, and see what failed"),
            Self::OutcomeUnknown => ("the answer to the commit was lost", "call again with the same key to find out"),
            Self::OutcomeLost => ("the call was executed, but its outcome could not be kept", "do not run it again"),
            Self::Codec => {
                ("a record could not be encoded or decoded", "check that the outcome's type has not changed")
            }
            Self::NoRuntime => (
                "a detached body needs a running tokio runtime",
                "call it inside one, and keep it up until the body ends",
            ),
            Self::Misdeclared => ("the operation is declared wrongly", "correct its declaration"),
        }
    }

    const fn is_retryable(self) -> bool {
        match self {
            Self::InFlight
            | Self::WaitTimedOut
            | Self::Full
            | Self::LeaseLost
            | Self::Store
            | Self::Contended
            | Self::OutcomeUnknown => true,
            Self::KeyReused
            | Self::MissingKey
            | Self::InvalidKey
            | Self::Interrupted
            | Self::Reentrant
            | Self::NoStore
            | Self::NoTransaction
            | Self::Aborted
            | Self::OutcomeLost
            | Self::Codec
            | Self::NoRuntime
            | Self::Misdeclared => false,
        }
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, operation: &'static str) -> Self {
        Self::build(kind, operation, None, None, None)
    }

    pub(crate) fn detailed(kind: ErrorKind, operation: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::build(kind, operation, Some(detail.into()), None, None)
    }

    #[cfg_attr(
        not(any(test, feature = "durable", feature = "tokio")),
        expect(dead_code, reason = "no default feature has a cause to keep")
    )]
    pub(crate) fn caused(
        kind: ErrorKind,
        operation: &'static str,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self::build(kind, operation, None, Some(source.into()), None)
    }

    /// Caused, with what happened and what to do, where it is not what the kind says.
    #[cfg(feature = "durable")]
    pub(crate) fn advising(
        kind: ErrorKind,
        operation: &'static str,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
        words: (&'static str, &'static str),
    ) -> Self {
        Self::build(kind, operation, None, Some(source.into()), Some(words))
    }

    /// With what happened and what to do, where it is not what the kind says.
    #[cfg(feature = "durable")]
    pub(crate) fn told(kind: ErrorKind, operation: &'static str, words: (&'static str, &'static str)) -> Self {
        Self::build(kind, operation, None, None, Some(words))
    }

    /// Caused, and with more to say than its kind does; also what happened and what to do, where it is not that.
    #[cfg(any(feature = "postgres", feature = "sqlx-sqlite"))]
    pub(crate) fn explained(
        kind: ErrorKind,
        operation: &'static str,
        detail: &'static str,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
        words: Option<(&'static str, &'static str)>,
    ) -> Self {
        Self::build(kind, operation, Some(detail.into()), Some(source.into()), words)
    }

    fn build(
        kind: ErrorKind,
        operation: &'static str,
        detail: Option<Cow<'static, str>>,
        source: Option<Box<dyn StdError + Send + Sync>>,
        words: Option<(&'static str, &'static str)>,
    ) -> Self {
        let inner = Inner { kind, operation, detail, source, words, retry_after: None, is_permanent: false };
        Self { inner: Arc::new(inner) }
    }

    /// The same, with how long what is in the way lasts at the most.
    #[cfg(feature = "durable")]
    pub(crate) fn after(mut self, span: Duration) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.retry_after = Some(span);
        }
        self
    }

    /// The same, of a store that will answer the same until somebody changes something.
    #[cfg(feature = "durable")]
    pub(crate) fn permanent_if(mut self, is_permanent: bool) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.is_permanent = is_permanent;
        }
        self
    }

    /// What happened, to be matched on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// The scope of the operation that was called.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.inner.operation
    }

    /// Whether the same call, made again later, can succeed without anybody changing anything.
    ///
    /// A [`Store`](ErrorKind::Store) that is only away is retryable; one that refuses the password, has no tables or lacks
    /// a feature is not.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.inner.kind.is_retryable() && !self.inner.is_permanent
    }

    /// How long to wait before the same call is worth another try, where that is known: for a queue's visibility timeout,
    /// or a `Retry-After`.
    ///
    /// | kind | span |
    /// |---|---|
    /// | [`InFlight`](ErrorKind::InFlight), [`WaitTimedOut`](ErrorKind::WaitTimedOut) of a durable call | what is left of the holder's lease: then it has ended or was renewed. It may end sooner |
    /// | [`Store`](ErrorKind::Store) that is retryable | a second |
    /// | [`Contended`](ErrorKind::Contended) | 50 milliseconds |
    /// | everything else, and both first kinds in process | nothing |
    ///
    /// ```
    /// use idempotently::backend::memory::MemoryStore;
    /// use idempotently::{Error, InFlight, OnInterruption, Operation, SharedStore};
    /// use std::time::Duration;
    ///
    /// static SEND: Operation =
    ///     Operation::new("docs.retry_after").interrupted(OnInterruption::Retry).in_flight(InFlight::Reject);
    /// let records = MemoryStore::new();
    /// let (here, there) = (SharedStore::new(records.clone()), SharedStore::new(records));
    /// SEND.call(&7).store(&here).try_run(|| {
    ///     // Another process gets the same message.
    ///     let error = SEND.call(&7).store(&there).try_run(|| Ok::<(), Error>(())).unwrap_err();
    ///     assert!(error.retry_after().is_some_and(|lease| lease <= Duration::from_secs(30)));
    ///     Ok::<(), Error>(())
    /// })?;
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self.inner.kind {
            _ if self.inner.retry_after.is_some() => self.inner.retry_after,
            ErrorKind::Store if self.is_retryable() => Some(STORE_RETRY),
            ErrorKind::Contended => Some(CONTENDED_RETRY),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (happened, remedy) = self.inner.words.unwrap_or(self.inner.kind.says());
        write!(f, "`{}`: {happened}", self.inner.operation)?;
        if let Some(detail) = &self.inner.detail {
            write!(f, " ({detail})")?;
        }
        write!(f, "; {remedy}")
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.inner.kind)
            .field("operation", &self.inner.operation)
            .field("detail", &self.inner.detail)
            .field("source", &self.inner.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, ErrorKind};
    use std::error::Error as _;

    #[test]
    fn it_names_the_operation_what_happened_and_what_to_do() {
        let error = Error::detailed(ErrorKind::InvalidKey, "payments.charge", "it is empty");
        assert_eq!(
            error.to_string(),
            "`payments.charge`: the key cannot be used (it is empty); pass a key that identifies the request"
        );
    }

    #[cfg(feature = "durable")]
    #[test]
    fn outside_of_a_call_it_says_nothing_of_a_body() {
        let words = ("the store could not be opened", "check the URL");
        let error = Error::advising(ErrorKind::Store, "idempotently::connect", "no server", words);
        assert_eq!(error.to_string(), "`idempotently::connect`: the store could not be opened; check the URL");
    }

    #[test]
    fn it_keeps_its_source_and_crosses_threads() {
        fn crosses<T: Send + Sync + Clone + 'static>(_: &T) {}
        let error = Error::caused(ErrorKind::NoRuntime, "mail.send", "there is no reactor running");
        crosses(&error);
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("there is no reactor running"));
    }
}
