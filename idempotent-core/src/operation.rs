//! A protected function: its name, its policy, and the records of this process.

mod blocking;
mod call;
#[cfg(feature = "durable")]
mod durable;
mod instances;
#[cfg(any(feature = "postgres", feature = "sqlx-sqlite"))]
mod transact;

pub use call::Call;
#[cfg(feature = "durable")]
pub use durable::DurableCall;
pub(crate) use instances::Identity;

use crate::key::{NoFingerprint, OptionalKey, Refusal, ToKey};
#[cfg(feature = "durable")]
use crate::policy::OnInterruption;
use crate::policy::{InFlight, Missing, Policy, Retention};
use crate::table::AnyTable;
use instances::Instances;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
#[cfg(feature = "durable")]
use std::time::Duration;

/// A function that is safe to call again.
///
/// `#[idempotent]` makes one for each function that it annotates. Made by hand, it does the same for closures. It is
/// usually a `static`: it owns its records, and they go with it.
///
/// ```
/// use idempotently::{Error, Operation};
///
/// static LIFT: Operation = Operation::new("building.lift");
///
/// let press = |floor: u8| LIFT.call(&floor).run(|| format!("lift at floor {floor}"));
/// assert_eq!(press(3)?, press(3)?); // the second press runs nothing
/// assert_eq!(LIFT.len(), 1);
/// # Ok::<(), Error>(())
/// ```
///
/// All closures run under one operation share its records, so their outcomes must have one type; another type is
/// [`Misdeclared`](crate::error::ErrorKind::Misdeclared) at its first call. So is a scope that another operation has.
pub struct Operation {
    scope: Option<&'static str>,
    policy: Policy,
    instances: Instances,
}

impl Operation {
    /// An operation with this scope: the name under which its records are kept and errors speak of it.
    #[must_use]
    pub const fn new(scope: &'static str) -> Self {
        Self { scope: Some(scope), policy: Policy::DEFAULT, instances: Instances::new() }
    }

    /// An operation whose scope is the path of the function that calls it.
    #[doc(hidden)]
    #[must_use]
    pub const fn of_function() -> Self {
        Self { scope: None, policy: Policy::DEFAULT, instances: Instances::new() }
    }

    /// How long a completed outcome answers; a day unless this is said.
    #[must_use]
    pub const fn retention(mut self, retention: Retention) -> Self {
        self.policy.retention = retention;
        self
    }

    /// What a duplicate does while the first call runs; it waits unless this is said.
    #[must_use]
    pub const fn in_flight(mut self, in_flight: InFlight) -> Self {
        self.policy.in_flight = in_flight;
        self
    }

    /// The most records kept at once, executions in flight included; unbounded unless this is said.
    ///
    /// When they are there, those that have expired are taken away, and then new keys are refused as
    /// [`Full`](crate::error::ErrorKind::Full): dropping a record before its time would be a cache.
    ///
    /// # Panics
    /// For zero, which in a `static` is a compile error.
    #[must_use]
    pub const fn capacity(mut self, records: usize) -> Self {
        assert!(records > 0, "a capacity of zero refuses every call");
        self.policy.capacity = NonZeroUsize::new(records);
        self
    }

    /// What is done with work whose leader vanished, where records live in a store; nobody runs it again unless this is
    /// said.
    #[cfg(feature = "durable")]
    #[must_use]
    pub const fn interrupted(mut self, interrupted: OnInterruption) -> Self {
        self.policy.durable.interrupted = interrupted;
        self
    }

    /// How long a silent leader is believed, where records live in a store; 30 seconds unless this is said.
    ///
    /// # Panics
    /// For less than a millisecond, which in a `static` is a compile error.
    #[cfg(feature = "durable")]
    #[must_use]
    pub const fn lease(mut self, lease: Duration) -> Self {
        assert!(
            lease.as_millis() > 0,
            "a lease is at least a millisecond: a shorter one is over before its body begins"
        );
        self.policy.durable.lease = lease;
        self
    }

    /// When the lease of a body that hangs is not renewed any more; never unless this is said. From then on callers in this
    /// process do not wait for it either: once the lease is over, the next one runs.
    #[cfg(feature = "durable")]
    #[must_use]
    pub const fn max_run(mut self, longest: Duration) -> Self {
        self.policy.durable.max_run = Some(longest);
        self
    }

    /// Begins a call with this key; what it runs is said next.
    #[inline]
    pub fn call(&self, key: &(impl ToKey + ?Sized)) -> Call<'_, NoFingerprint> {
        Call::new(self, key.key_text().into_owned())
    }

    /// Begins a call whose key may be missing.
    #[inline]
    pub fn call_optional(&self, key: &(impl OptionalKey + ?Sized), missing: Missing) -> Call<'_, NoFingerprint> {
        Call::new(self, key.optional_text(refusal_of(missing)).into_owned())
    }

    /// As [`call`](Self::call), with what the key refers to lent to the call instead of copied into it.
    #[doc(hidden)]
    #[inline]
    pub fn call_lent<'a, K: ToKey + ?Sized + 'a>(&'a self, key: &K) -> Call<'a> {
        Call::new(self, key.lasting_text())
    }

    /// As [`call_optional`](Self::call_optional), with what the key refers to lent to the call.
    #[doc(hidden)]
    #[inline]
    pub fn call_optional_lent<'a, K: OptionalKey + ?Sized + 'a>(&'a self, key: &K, missing: Missing) -> Call<'a> {
        Call::new(self, key.optional_text(refusal_of(missing)))
    }

    /// Takes the key's record away, so that the next call runs; whether there was one.
    ///
    /// An execution in flight goes on and answers its own caller, but its outcome is not kept: a caller that waits
    /// runs again. The key stays taken meanwhile.
    pub fn forget(&self, key: &(impl ToKey + ?Sized)) -> bool {
        let text = key.key_text();
        self.tables().iter().filter(|table| table.forget(&text)).count() > 0
    }

    /// Forgets every record, as [`forget`](Self::forget) does; how many there were.
    pub fn clear(&self) -> usize {
        self.tables().iter().map(|table| table.clear()).sum()
    }

    /// Takes away the records that have expired; how many there were.
    ///
    /// Completed calls take some away as they go, so this is only for giving memory back at a time of one's choice.
    pub fn purge(&self) -> usize {
        self.tables().iter().map(|table| table.purge()).sum()
    }

    /// How many records are held: executions in flight included, and expired ones that were not yet taken away.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tables().iter().map(|table| table.len()).sum()
    }

    /// Whether no record is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn tables(&self) -> Vec<Arc<dyn AnyTable>> {
        self.instances.tables()
    }
}

/// What a missing key means for its call.
fn refusal_of(missing: Missing) -> Refusal {
    match missing {
        Missing::Run => Refusal::Waived,
        Missing::Reject => Refusal::Missing,
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("scope", &self.scope)
            .field("policy", &self.policy)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
