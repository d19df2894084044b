//! Calls of functions that block.

use super::waiting::{Waited, wait_blocking};
use super::{Ask, Begun, begin};
use crate::error::Error;
use crate::key::Print;
use crate::observe::How;
use crate::table::{Lead, TableRef};

/// Where a blocking call stands once nobody is left to wait for.
pub(crate) enum Stand<'a, T: Clone + Send + Sync + 'static, P: Print> {
    Answered(T, How),
    Lead(Lead<'a, T, P>),
    Unprotected,
    Refused(Error),
}

impl<'a, T: Clone + Send + Sync + 'static, P: Print> From<Waited<'a, T, P>> for Stand<'a, T, P> {
    fn from(waited: Waited<'a, T, P>) -> Self {
        match waited {
            Waited::Landed(outcome) => Self::Answered(outcome, How::Joined),
            Waited::Seated(lead) => Self::Lead(lead),
            Waited::TimedOut(error) => Self::Refused(error),
        }
    }
}

/// The part that does not know the body, made once for each kind of record.
#[inline(never)]
pub(crate) fn stand<'a, T: Clone + Send + Sync + 'static, P: Print>(
    table: TableRef<'a, T, P>,
    ask: &Ask<'_, P>,
) -> Stand<'a, T, P> {
    let in_flight = table.in_flight();
    match begin(table, ask, in_flight) {
        Begun::Kept(kept) => Stand::Answered(kept, How::Replayed),
        Begun::Lead(lead) => Stand::Lead(lead),
        Begun::Unprotected => Stand::Unprotected,
        Begun::Refused(error) => Stand::Refused(error),
        Begun::Follow(follow) => wait_blocking(follow, in_flight).into(),
    }
}
