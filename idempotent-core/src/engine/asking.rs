//! Leaders that have asked a store, and have no answer yet: it may be an outcome, so until then nobody is refused on their
//! account.

use super::blocking::Stand;
use super::errand::Errand;
use super::waiting::{Patience, Waited, Waiting};
use super::{Ask, Begun, begin};
use crate::error::{Error, ErrorKind};
use crate::key::Print;
use crate::observe::How;
use crate::policy::InFlight;
use crate::table::{Follow, TableRef};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use event_listener::Event;
use once_cell::sync::Lazy;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

/// A table and a key's text.
type Name = (usize, Arc<str>);

/// Whoever looks a key up in a table has its shard locked meanwhile, so that no leader is seen before its question is.
static OPEN: Lazy<DashMap<Name, Arc<Question>>> = Lazy::new(DashMap::new);

#[derive(Default)]
struct Question {
    executes: AtomicBool,
    answered: AtomicBool,
    told: Event,
}

impl Question {
    async fn over(&self) {
        while !self.answered.load(Ordering::Acquire) {
            let told = self.told.listen();
            if !self.answered.load(Ordering::Acquire) {
                told.await;
            }
        }
    }
}

/// A leader's question. Dropped, it is answered.
pub(super) struct Asking {
    name: Name,
    question: Arc<Question>,
}

impl Asking {
    /// The store said that there is an execution in flight, the leader's or another one.
    pub(super) fn executes(self) {
        self.question.executes.store(true, Ordering::Release);
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        OPEN.remove_if(&self.name, |_, question| Arc::ptr_eq(question, &self.question));
        self.question.answered.store(true, Ordering::Release);
        self.question.told.notify(usize::MAX);
    }
}

/// Where a call stands that looked its key up.
enum Met<'a, T: Clone + Send + Sync + 'static, P: Print> {
    Begun(Begun<'a, T, P>, Option<Asking>),
    /// It would be refused as a duplicate; but the leader may have an outcome soon.
    Joined(Follow<'a, T, P>, Arc<Question>),
    /// It would be refused for its fingerprint; but the leader's may be the wrong one.
    Later(Arc<Question>),
}

fn meet<'a, T, P>(table: &TableRef<'a, T, P>, ask: &Ask<'_, P>, name: Name) -> Met<'a, T, P>
where
    T: Clone + Send + Sync + 'static,
    P: Print,
{
    let entry = OPEN.entry(name);
    let open = if let Entry::Occupied(open) = &entry { Some(open.get().clone()) } else { None };
    let in_flight = if open.is_some() { InFlight::Wait } else { table.in_flight() };
    match (begin(table.clone(), ask, in_flight), open) {
        (begun @ Begun::Lead(_), _) => {
            let (name, question) = (entry.key().clone(), Arc::new(Question::default()));
            entry.insert(question.clone());
            Met::Begun(begun, Some(Asking { name, question }))
        }
        (Begun::Follow(follow), Some(open)) if table.in_flight() == InFlight::Reject => Met::Joined(follow, open),
        (Begun::Refused(error), Some(open)) if error.kind() == ErrorKind::KeyReused => Met::Later(open),
        (begun, _) => Met::Begun(begun, None),
    }
}

/// A follower that has become the leader asks too.
fn asks_now(name: Name) -> Asking {
    let question = Arc::new(Question::default());
    OPEN.insert(name.clone(), question.clone());
    Asking { name, question }
}

/// Looks a key up that a store has the records of, and waits for whoever has it; with the question that a leader now has.
pub(super) async fn board<'a, T, P>(
    table: TableRef<'a, T, P>,
    ask: &Ask<'_, P>,
    errand: &Errand,
    patience: Patience,
) -> (Stand<'a, T, P>, Option<Asking>)
where
    T: Clone + Send + Sync + 'static,
    P: Print,
{
    let name = || (table.id(), errand.place.key.clone());
    loop {
        let waited = match meet(&table, ask, name()) {
            Met::Begun(begun, asking) => match begun {
                Begun::Kept(kept) => return (Stand::Answered(kept, How::Replayed), None),
                Begun::Lead(lead) => return (Stand::Lead(lead), asking),
                Begun::Unprotected => return (Stand::Unprotected, None),
                Begun::Refused(error) => return (Stand::Refused(error), None),
                Begun::Follow(follow) => {
                    let mut waiting = Waiting::new(follow, patience.rest());
                    Some(poll_fn(|cx| waiting.poll(cx)).await)
                }
            },
            Met::Joined(follow, open) => {
                let waited = until_answered(follow, &open).await;
                if waited.is_none() && open.executes.load(Ordering::Acquire) {
                    return (Stand::Refused(Error::new(ErrorKind::InFlight, table.scope())), None);
                }
                waited
            }
            Met::Later(open) => {
                open.over().await;
                None
            }
        };
        if let Some(waited) = waited {
            let asking = matches!(waited, Waited::Seated(_)).then(|| asks_now(name()));
            return (waited.into(), asking);
        }
    }
}

/// What the leader's followers get, unless its question is answered by an execution.
async fn until_answered<'a, T, P>(follow: Follow<'a, T, P>, open: &Question) -> Option<Waited<'a, T, P>>
where
    T: Clone + Send + Sync + 'static,
    P: Print,
{
    let mut waiting = Waiting::new(follow, InFlight::Wait);
    let mut over = pin!(open.over());
    poll_fn(|cx| {
        // The leader tells its followers first: looked at in this order, no answer is missed.
        let is_over = over.as_mut().poll(cx).is_ready();
        match waiting.poll(cx) {
            Poll::Ready(waited) => Poll::Ready(Some(waited)),
            Poll::Pending if is_over => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
