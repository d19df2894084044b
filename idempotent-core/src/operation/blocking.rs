//! Calls of functions that block.

use super::{Call, Identity, Operation};
use crate::context::enter;
use crate::engine::{Stand, stand};
use crate::key::{Print, Text};
use crate::observe::How;
use crate::outcome::{Keep, Plan};
use crate::report::{Opened, Place};
use crate::table::TableRef;

impl<'a, P: Print> Call<'a, P> {
    /// Answers from the record, or runs the body: the path of every blocking call.
    #[inline]
    #[track_caller]
    pub(crate) fn run_as<Ret, K>(self, identity: Identity, plan: Plan<Ret, K>, body: impl FnOnce() -> Ret) -> Ret
    where
        K: Keep<Ret, Kept: Clone + Send + Sync + 'static>,
    {
        let place = Place::take();
        if Opened::IS_NOTHING
            && let Some(kept) = replayed(self.operation, identity, self.scope, &self.ask.text, self.ask.print)
        {
            place.tell(How::Replayed);
            return K::revive(kept);
        }
        self.run_missed(identity, plan, body, place)
    }

    /// Everything but a replay that is found at once. By reference: a call is written word by word, and copying it whole
    /// right after would stall.
    #[inline(never)]
    #[track_caller]
    fn run_missed<Ret, K>(
        &self,
        identity: Identity,
        plan: Plan<Ret, K>,
        body: impl FnOnce() -> Ret,
        place: Place,
    ) -> Ret
    where
        K: Keep<Ret, Kept: Clone + Send + Sync + 'static>,
    {
        let (stand, opened) = self.stand(identity, K::misdeclared);
        let place = place.goes_on(opened);
        let (refuse, keep) = (plan.refusal(), plan.keep);
        let _inside = place.inside();
        match stand {
            Stand::Answered(kept, how) => {
                place.tell(how);
                K::revive(kept)
            }
            Stand::Lead(mut lead) => {
                place.begins(lead.attempt());
                let entered = lead.enter();
                let outcome = body();
                let settled = keep.settle(&outcome);
                place.kept(settled.is_kept());
                drop(entered);
                lead.settle(settled, self.ask.retention);
                place.tell(How::Executed);
                outcome
            }
            Stand::Unprotected => {
                let outside = enter(None);
                let outcome = body();
                drop(outside);
                place.tell(How::Unprotected);
                outcome
            }
            Stand::Refused(error) => {
                place.refused(&error);
                place.tell(How::Refused);
                refuse.refuse(error)
            }
        }
    }

    /// All that does not depend on the body, made once for each kind of record. What [`replayed`] did not find is not
    /// looked for again.
    #[inline(never)]
    fn stand<T: Clone + Send + Sync + 'static>(
        &self,
        identity: Identity,
        misdeclared: fn() -> Option<&'static str>,
    ) -> (Stand<'a, T, P>, Opened) {
        let Self { operation, scope, ask } = self;
        let table = match operation.table(identity, *scope, misdeclared) {
            Ok(table) => table,
            Err(error) => {
                let opened = Opened::new(error.operation(), &ask.text);
                return (Stand::Refused(error), opened);
            }
        };
        let opened = Opened::new(table.scope(), &ask.text);
        let is_known = Opened::IS_NOTHING && matches!(table, TableRef::Borrowed(_));
        if !is_known && let Some(kept) = table.replay(&ask.text, ask.print) {
            return (Stand::Answered(kept, How::Replayed), opened.replayed());
        }
        (stand(table, ask), opened)
    }
}

/// A record's outcome where it is found at once and nobody has to be told; made once for each kind of record.
///
/// A replay costs little more than its locked instructions, and each of these waits until everything is in memory that
/// was written before it. So this writes as little as possible: what it is given comes mostly in registers, and it keeps
/// nothing for a longer way.
#[inline(never)]
fn replayed<T: Clone + Send + Sync + 'static, P: Print>(
    operation: &Operation,
    identity: Identity,
    scope: Option<&'static str>,
    text: &Text<'_>,
    print: P,
) -> Option<T> {
    operation.first(identity, scope)?.replay(text, print)
}
