//! The tables of one operation: one for each instantiation of the function that it stands for.

use super::Operation;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind};
use crate::key::Print;
#[cfg(feature = "testing")]
use crate::realm;
use crate::scopes::{self, ScopeHold};
use crate::table::{AnyTable, Table, TableRef};
use dashmap::DashMap;
use once_cell::sync::OnceCell;
use std::any::{Any, TypeId};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Which instantiation is called, and what it is called where nobody named it.
#[derive(Clone, Copy)]
pub(crate) struct Identity {
    id: TypeId,
    name: fn() -> &'static str,
    /// The store that its records live in; zero for this process.
    store: u64,
}

impl Identity {
    /// One for each body: two impls, two instantiations, two modules never share a record.
    #[inline]
    pub(crate) fn of_body<F>() -> Self {
        Self { id: typeid::of::<F>(), name: std::any::type_name::<F>, store: 0 }
    }

    /// One for each kind of record.
    #[inline]
    pub(crate) fn of_records<T: 'static, P: 'static>() -> Self {
        Self { id: TypeId::of::<(T, P)>(), name: std::any::type_name::<T>, store: 0 }
    }

    /// The same instantiation with its records in a store: two stores share no execution in flight.
    #[cfg(feature = "durable")]
    pub(crate) fn in_store(self, store: u64) -> Self {
        Self { store, ..self }
    }

    /// The path of the function whose body it is.
    fn path(self) -> &'static str {
        let mut path = (self.name)();
        while let Some(shorter) = path.strip_suffix("::{{closure}}") {
            path = shorter;
        }
        path
    }
}

/// The body's type, the scope it was called with, and its store.
type Which = (TypeId, Option<&'static str>, u64);

struct Instance {
    identity: TypeId,
    store: u64,
    scope: Option<&'static str>,
    table: Arc<dyn AnyTable>,
    #[cfg_attr(not(feature = "testing"), expect(dead_code, reason = "it is there for its drop"))]
    hold: Option<ScopeHold>,
}

pub(super) struct Instances {
    id: OnceCell<u64>,
    /// Almost every function has one instantiation, which is found without a look-up.
    first: OnceCell<Instance>,
    others: OnceCell<DashMap<Which, Instance>>,
}

/// A scope is compared by where it stands, which is enough to find the table again quickly.
#[inline]
fn is_same(one: Option<&'static str>, two: Option<&'static str>) -> bool {
    match (one, two) {
        (None, None) => true,
        (Some(one), Some(two)) => std::ptr::eq(one, two),
        _ => false,
    }
}

impl Instances {
    pub(super) const fn new() -> Self {
        Self { id: OnceCell::new(), first: OnceCell::new(), others: OnceCell::new() }
    }

    /// Tells this operation from every other one, also after a move.
    fn id(&self) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        *self.id.get_or_init(|| NEXT.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn tables(&self) -> Vec<Arc<dyn AnyTable>> {
        #[cfg(feature = "testing")]
        if let Some(realm) = realm::current() {
            return realm.tables(self.id());
        }
        let others = self.others.get().into_iter().flatten().map(|instance| instance.table.clone());
        self.first.get().map(|first| first.table.clone()).into_iter().chain(others).collect()
    }
}

impl Operation {
    /// The table of this instantiation.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn table<T: Clone + Send + Sync + 'static, P: Print>(
        &self,
        identity: Identity,
        scope: Option<&'static str>,
        misdeclared: fn() -> Option<&'static str>,
    ) -> Result<TableRef<'_, T, P>, Error> {
        #[cfg(feature = "testing")]
        if let Some(realm) = realm::current() {
            return self.isolated(&realm, identity, scope, misdeclared);
        }
        if let Some(first) = self.instances.first.get()
            && first.identity == identity.id
            && first.store == identity.store
            && is_same(first.scope, scope)
            && let Some(table) = (&*first.table as &dyn Any).downcast_ref()
        {
            return Ok(TableRef::Borrowed(table));
        }
        self.find(identity, scope, misdeclared)
    }

    #[cold]
    #[inline(never)]
    fn find<T: Clone + Send + Sync + 'static, P: Print>(
        &self,
        identity: Identity,
        scope: Option<&'static str>,
        misdeclared: fn() -> Option<&'static str>,
    ) -> Result<TableRef<'_, T, P>, Error> {
        let make = || self.instance::<T, P>(identity, scope, misdeclared, Clock::System);
        let first = self.instances.first.get_or_try_init(make)?;
        let table = if first.identity == identity.id && first.scope == scope && first.store == identity.store {
            first.table.clone()
        } else {
            let others = self.instances.others.get_or_init(DashMap::new);
            others.entry((identity.id, scope, identity.store)).or_try_insert_with(make)?.table.clone()
        };
        self.typed(table, identity, scope)
    }

    #[cfg(feature = "testing")]
    fn isolated<T: Clone + Send + Sync + 'static, P: Print>(
        &self,
        realm: &realm::Realm,
        identity: Identity,
        scope: Option<&'static str>,
        misdeclared: fn() -> Option<&'static str>,
    ) -> Result<TableRef<'_, T, P>, Error> {
        let table = realm.table((self.instances.id(), identity.id, scope, identity.store), || {
            let instance = self.instance::<T, P>(identity, scope, misdeclared, realm.clock())?;
            Ok((instance.table, instance.hold))
        })?;
        self.typed(table, identity, scope)
    }

    fn typed<T: Clone + Send + Sync + 'static, P: Print>(
        &self,
        table: Arc<dyn AnyTable>,
        identity: Identity,
        scope: Option<&'static str>,
    ) -> Result<TableRef<'_, T, P>, Error> {
        let table: Arc<dyn Any + Send + Sync> = table;
        table
            .downcast()
            .map(TableRef::Owned)
            .map_err(|_| self.misdeclared(identity, scope, "its outcomes have two types"))
    }

    fn instance<T: Clone + Send + Sync + 'static, P: Print>(
        &self,
        identity: Identity,
        scope: Option<&'static str>,
        misdeclared: fn() -> Option<&'static str>,
        clock: Clock,
    ) -> Result<Instance, Error> {
        if let Some(why) = misdeclared() {
            return Err(self.misdeclared(identity, scope, why));
        }
        let hold = match scope.or(self.scope) {
            None => None,
            Some(named) => {
                let Some(hold) = scopes::hold(named, (self.instances.id(), identity.id)) else {
                    let why = "another operation, or another instantiation of it, already has this scope";
                    return Err(self.misdeclared(identity, scope, why));
                };
                Some(hold)
            }
        };
        let table = Table::<T, P>::new(self.called(identity, scope), &self.policy, clock);
        Ok(Instance { identity: identity.id, store: identity.store, scope, table: Arc::new(table), hold })
    }

    fn misdeclared(&self, identity: Identity, scope: Option<&'static str>, why: &'static str) -> Error {
        Error::detailed(ErrorKind::Misdeclared, self.called(identity, scope), why)
    }

    fn called(&self, identity: Identity, scope: Option<&'static str>) -> &'static str {
        scope.or(self.scope).unwrap_or_else(|| identity.path())
    }
}
