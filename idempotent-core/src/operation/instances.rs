//! The tables of one operation: one for each instantiation of the function that it stands for.

use super::Operation;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind};
use crate::key::Print;
use crate::policy::Policy;
#[cfg(feature = "testing")]
use crate::realm;
use crate::scopes::{self, Owner, ScopeHold, Scopes};
use crate::table::{AnyTable, Table, TableRef};
use dashmap::DashMap;
use once_cell::sync::OnceCell;
use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Which instantiation is called, and what it is called where nobody named it.
#[derive(Clone, Copy)]
pub(crate) struct Identity {
    /// A function and not what it returns, since it fits into a register.
    which: fn() -> (TypeId, &'static str),
    /// The store that its records live in; zero for this process.
    #[cfg(feature = "durable")]
    store: u64,
}

// Never inlined, so that there is mostly one of each, and its address is enough.
#[inline(never)]
fn body<F>() -> (TypeId, &'static str) {
    (typeid::of::<F>(), std::any::type_name::<F>())
}

#[inline(never)]
fn records<T: 'static, P: 'static>() -> (TypeId, &'static str) {
    (TypeId::of::<(T, P)>(), std::any::type_name::<T>())
}

impl Identity {
    #[inline]
    fn new(which: fn() -> (TypeId, &'static str)) -> Self {
        Self {
            which,
            #[cfg(feature = "durable")]
            store: 0,
        }
    }

    /// One for each body: two impls, two instantiations, two modules never share a record.
    #[inline]
    pub(crate) fn of_body<F>() -> Self {
        Self::new(body::<F>)
    }

    /// One for each kind of record.
    #[inline]
    pub(crate) fn of_records<T: 'static, P: 'static>() -> Self {
        Self::new(records::<T, P>)
    }

    /// The same instantiation with its records in a store: two stores share no execution in flight.
    #[cfg(feature = "durable")]
    pub(crate) fn in_store(self, store: u64) -> Self {
        Self { store, ..self }
    }

    #[cfg(feature = "durable")]
    fn store(self) -> u64 {
        self.store
    }

    #[cfg(not(feature = "durable"))]
    #[expect(clippy::unused_self, reason = "as with the feature")]
    fn store(self) -> u64 {
        0
    }

    fn id(self) -> TypeId {
        (self.which)().0
    }

    /// The path of the function whose body it is.
    fn path(self) -> &'static str {
        let mut path = (self.which)().1;
        while let Some(shorter) = path.strip_suffix("::{{closure}}") {
            path = shorter;
        }
        path
    }
}

/// What of an outcome's type is needed to make its table.
#[derive(Clone, Copy)]
struct Kind {
    table: fn(&'static str, &Policy, Clock) -> Arc<dyn AnyTable>,
    misdeclared: fn() -> Option<&'static str>,
}

fn new_table<T: Clone + Send + Sync + 'static, P: Print>(
    scope: &'static str,
    policy: &Policy,
    clock: Clock,
) -> Arc<dyn AnyTable> {
    Arc::new(Table::<T, P>::new(scope, policy, clock))
}

/// The body's type, the scope it was called with, and its store.
type Which = (TypeId, Option<&'static str>, u64);

struct Instance {
    identity: Identity,
    id: TypeId,
    scope: Option<&'static str>,
    table: Arc<dyn AnyTable>,
    #[cfg_attr(not(feature = "testing"), expect(dead_code, reason = "it is there for its drop"))]
    hold: Option<ScopeHold>,
}

impl Instance {
    /// Whether it is the one that is called. Equal functions return equal answers; a function can stand in the program
    /// more than once, so an unequal one is asked.
    #[inline]
    fn is(&self, identity: Identity) -> bool {
        let is_body = std::ptr::fn_addr_eq(self.identity.which, identity.which) || self.id == identity.id();
        is_body && self.identity.store() == identity.store()
    }
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
        let kind = Kind { table: new_table::<T, P>, misdeclared };
        #[cfg(feature = "testing")]
        if let Some(realm) = realm::current() {
            let table: Arc<dyn Any + Send + Sync> = self.isolated(&realm, identity, scope, kind)?;
            return table.downcast().map(TableRef::Owned).map_err(|_| self.of_two_types(identity, scope));
        }
        if let Some(table) = self.first(identity, scope) {
            return Ok(TableRef::Borrowed(table));
        }
        let table: Arc<dyn Any + Send + Sync> = self.find(identity, scope, kind)?;
        table.downcast().map(TableRef::Owned).map_err(|_| self.of_two_types(identity, scope))
    }

    /// The table of this instantiation, as a share that may outlive the operation.
    #[cfg(feature = "durable")]
    pub(super) fn shared_table<T: Clone + Send + Sync + 'static, P: Print>(
        &self,
        identity: Identity,
        scope: Option<&'static str>,
        misdeclared: fn() -> Option<&'static str>,
    ) -> Result<TableRef<'_, T, P>, Error> {
        match self.table(identity, scope, misdeclared)? {
            TableRef::Owned(table) => Ok(TableRef::Owned(table)),
            TableRef::Borrowed(_) => {
                let kind = Kind { table: new_table::<T, P>, misdeclared };
                let table: Arc<dyn Any + Send + Sync> = self.find(identity, scope, kind)?;
                table.downcast().map(TableRef::Owned).map_err(|_| self.of_two_types(identity, scope))
            }
        }
    }

    /// The table of this instantiation, where it was the first and no test has one of its own.
    #[inline]
    pub(super) fn first<T: Clone + Send + Sync + 'static, P: Print>(
        &self,
        identity: Identity,
        scope: Option<&'static str>,
    ) -> Option<&Table<T, P>> {
        #[cfg(feature = "testing")]
        if realm::is_entered() {
            return None;
        }
        let first = self.instances.first.get()?;
        if !first.is(identity) || !is_same(first.scope, scope) {
            return None;
        }
        (&*first.table as &dyn Any).downcast_ref()
    }

    #[cold]
    fn of_two_types(&self, identity: Identity, scope: Option<&'static str>) -> Error {
        self.misdeclared(identity, scope, "its outcomes have two types")
    }

    /// The path of a first call, and of the second instantiation on. It knows of the outcome only how to make its table.
    #[cold]
    #[inline(never)]
    fn find(&self, identity: Identity, scope: Option<&'static str>, kind: Kind) -> Result<Arc<dyn AnyTable>, Error> {
        let make = || self.instance(identity, scope, kind, Clock::System, &scopes::PROGRAM);
        let first = self.instances.first.get_or_try_init(make)?;
        if first.is(identity) && first.scope == scope {
            return Ok(first.table.clone());
        }
        let others = self.instances.others.get_or_init(DashMap::new);
        Ok(others.entry((identity.id(), scope, identity.store())).or_try_insert_with(make)?.table.clone())
    }

    #[cfg(feature = "testing")]
    fn isolated(
        &self,
        realm: &realm::Realm,
        identity: Identity,
        scope: Option<&'static str>,
        kind: Kind,
    ) -> Result<Arc<dyn AnyTable>, Error> {
        realm.table((self.instances.id(), identity.id(), scope, identity.store()), || {
            let instance = self.instance(identity, scope, kind, realm.clock(), realm.scopes())?;
            Ok((instance.table, instance.hold))
        })
    }

    fn instance(
        &self,
        identity: Identity,
        scope: Option<&'static str>,
        kind: Kind,
        clock: Clock,
        scopes: &Arc<Scopes>,
    ) -> Result<Instance, Error> {
        if let Some(why) = (kind.misdeclared)() {
            return Err(self.misdeclared(identity, scope, why));
        }
        let hold = match scope.or(self.scope) {
            None => None,
            Some(named) => {
                let owner = Owner { operation: self.instances.id(), records: identity.id(), called: identity.path() };
                let hold = scopes::hold(scopes, named, owner);
                Some(hold.map_err(|holder| self.misdeclared(identity, scope, taken(holder, owner)))?)
            }
        };
        let table = (kind.table)(self.called(identity, scope), &self.policy, clock);
        Ok(Instance { identity, id: identity.id(), scope, table, hold })
    }

    fn misdeclared(&self, identity: Identity, scope: Option<&'static str>, why: impl Into<Cow<'static, str>>) -> Error {
        Error::detailed(ErrorKind::Misdeclared, self.called(identity, scope), why)
    }

    fn called(&self, identity: Identity, scope: Option<&'static str>) -> &'static str {
        scope.or(self.scope).unwrap_or_else(|| identity.path())
    }
}

/// Why a name cannot be had.
fn taken(holder: Owner, asks: Owner) -> String {
    if holder.operation != asks.operation {
        return "another operation already has this scope".to_owned();
    }
    let (holder, asks) = (holder.called, asks.called);
    format!("`{holder}` already has this scope, and this call is of `{asks}`; give each a scope of its own")
}
