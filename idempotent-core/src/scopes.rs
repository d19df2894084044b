//! Which names are taken: one scope on two operations would mix up what they record.

use once_cell::sync::Lazy;
use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// An operation, the type of what it records under a name, and what that type is called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub(crate) operation: u64,
    pub(crate) records: TypeId,
    pub(crate) called: &'static str,
}

/// The names of a program, or of an isolated test.
#[derive(Debug, Default)]
pub(crate) struct Scopes(Mutex<HashMap<&'static str, (Owner, usize)>>);

/// The names of the program.
pub(crate) static PROGRAM: Lazy<Arc<Scopes>> = Lazy::new(Arc::default);

/// A name, for as long as its owner lives.
#[derive(Debug)]
pub(crate) struct ScopeHold {
    scopes: Arc<Scopes>,
    name: &'static str,
}

/// Takes a name, or says which other owner has it.
pub(crate) fn hold(scopes: &Arc<Scopes>, name: &'static str, owner: Owner) -> Result<ScopeHold, Owner> {
    let mut names = scopes.0.lock().unwrap_or_else(PoisonError::into_inner);
    let (holder, holds) = names.entry(name).or_insert((owner, 0));
    if (holder.operation, holder.records) != (owner.operation, owner.records) {
        return Err(*holder);
    }
    *holds += 1;
    Ok(ScopeHold { scopes: scopes.clone(), name })
}

impl Drop for ScopeHold {
    fn drop(&mut self) {
        let mut names = self.scopes.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, holds)) = names.get_mut(self.name) {
            *holds -= 1;
            if *holds == 0 {
                names.remove(self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Owner, PROGRAM, Scopes, hold};
    use std::any::TypeId;
    use std::sync::Arc;

    const ONE: Owner = Owner { operation: 1, records: TypeId::of::<u8>(), called: "u8" };
    const TWO: Owner = Owner { operation: 2, ..ONE };

    #[test]
    fn a_name_has_one_owner_until_all_its_holds_are_dropped() {
        let first = hold(&PROGRAM, "scopes.test", ONE);
        let second = hold(&PROGRAM, "scopes.test", ONE);
        assert!(first.is_ok() && second.is_ok());
        assert!(hold(&PROGRAM, "scopes.test", TWO).is_err_and(|holder| holder.operation == 1));
        drop(first);
        assert!(hold(&PROGRAM, "scopes.test", TWO).is_err());
        drop(second);
        assert!(hold(&PROGRAM, "scopes.test", TWO).is_ok());
    }

    #[test]
    fn names_of_two_tests_are_apart() {
        let (here, there) = (Arc::new(Scopes::default()), Arc::new(Scopes::default()));
        let held = (hold(&here, "scopes.test", ONE), hold(&there, "scopes.test", TWO));
        assert!(held.0.is_ok() && held.1.is_ok());
        let other = Owner { records: TypeId::of::<u16>(), ..ONE };
        assert!(hold(&here, "scopes.test", other).is_err_and(|holder| holder.called == "u8"));
    }
}
