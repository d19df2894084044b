//! How a call finds its answer: from the record, from the one who runs, or by running itself.

#[cfg(feature = "durable")]
mod asking;
mod blocking;
mod deferred;
#[cfg(feature = "tokio")]
mod detached;
#[cfg(feature = "durable")]
mod durable;
#[cfg(feature = "durable")]
mod errand;
mod future;
#[cfg(any(feature = "tokio", feature = "durable"))]
mod leading;
mod waiting;

pub(crate) use blocking::{Stand, stand};
pub(crate) use deferred::Deferred;
#[cfg(feature = "tokio")]
pub(crate) use detached::{BODIES, RunDetached, run_detached};
#[cfg(all(feature = "durable", feature = "tokio"))]
pub(crate) use durable::run_detached as run_durable_detached;
#[cfg(feature = "durable")]
pub(crate) use durable::{Shared, run_async as run_durable_async, run_blocking as run_durable};
#[cfg(feature = "durable")]
pub(crate) use errand::Errand;
#[cfg(any(feature = "postgres", feature = "sqlx-sqlite"))]
pub(crate) use errand::owner;
pub(crate) use future::{Run, Seek};

use crate::error::{Error, ErrorKind};
use crate::key::{Form, Print, Refusal, Text};
use crate::policy::{InFlight, Retention};
use crate::table::{Follow, Found, Lead, TableRef};

/// What a call asks of the engine.
pub(crate) struct Ask<'k, P> {
    pub(crate) text: Text<'k>,
    pub(crate) print: P,
    pub(crate) retention: Option<Retention>,
}

/// Where a call that was not answered from the record stands.
pub(crate) enum Begun<'a, T: Clone + Send + Sync + 'static, P: Print> {
    Kept(T),
    Lead(Lead<'a, T, P>),
    Follow(Follow<'a, T, P>),
    /// It has no key and runs without protection.
    Unprotected,
    Refused(Error),
}

pub(crate) fn begin<'a, T: Clone + Send + Sync + 'static, P: Print>(
    table: TableRef<'a, T, P>,
    ask: &Ask<'_, P>,
    in_flight: InFlight,
) -> Begun<'a, T, P> {
    let scope = table.scope();
    match refusal(&ask.text, scope) {
        None => {}
        Some(None) => return Begun::Unprotected,
        Some(Some(error)) => return Begun::Refused(error),
    }
    match table.claim(&ask.text, ask.print, in_flight == InFlight::Reject) {
        Found::Kept(kept) => Begun::Kept(kept),
        Found::Vacant { key, expired } => {
            let mut lead = Lead::new(table, key, 1);
            if expired.is_some() {
                let entered = lead.enter();
                drop(expired);
                drop(entered);
            }
            Begun::Lead(lead)
        }
        Found::Flying(flight) => match ask.text.to_key() {
            Some(key) => Begun::Follow(Follow::new(table, key, flight)),
            None => Begun::Refused(Error::new(ErrorKind::InvalidKey, scope)),
        },
        Found::Refused(kind) => Begun::Refused(Error::new(kind, scope)),
    }
}

/// Why a call without a usable key does not go on: with an error, or because it runs unprotected.
#[expect(clippy::option_option, reason = "three answers, of which two end the call")]
pub(crate) fn refusal(text: &Text<'_>, scope: &'static str) -> Option<Option<Error>> {
    let Form::Refused(refusal) = text.form() else { return None };
    let detail = match refusal {
        Refusal::Waived => return Some(None),
        Refusal::Missing => return Some(Some(Error::new(ErrorKind::MissingKey, scope))),
        Refusal::Fingerprint => "its fingerprint could not be written",
        Refusal::Unwritable => "it could not be written",
        Refusal::Empty => "it is empty",
    };
    Some(Some(Error::detailed(ErrorKind::InvalidKey, scope, detail)))
}
