//! Which names are taken: one scope on two operations would mix up what they record.

use once_cell::sync::Lazy;
use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// An operation, and the instantiation of it.
pub(crate) type Owner = (u64, TypeId);

static SCOPES: Lazy<Mutex<HashMap<&'static str, (Owner, usize)>>> = Lazy::new(Mutex::default);

/// A name, for as long as its owner lives.
#[derive(Debug)]
pub(crate) struct ScopeHold(&'static str);

/// Takes a name, or says that another owner has it.
pub(crate) fn hold(scope: &'static str, owner: Owner) -> Option<ScopeHold> {
    let mut scopes = SCOPES.lock().unwrap_or_else(PoisonError::into_inner);
    let (holder, holds) = scopes.entry(scope).or_insert((owner, 0));
    if *holder != owner {
        return None;
    }
    *holds += 1;
    Some(ScopeHold(scope))
}

impl Drop for ScopeHold {
    fn drop(&mut self) {
        let mut scopes = SCOPES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, holds)) = scopes.get_mut(self.0) {
            *holds -= 1;
            if *holds == 0 {
                scopes.remove(self.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::hold;
    use std::any::TypeId;

    #[test]
    fn a_name_has_one_owner_until_all_its_holds_are_dropped() {
        let (one, two) = ((1, TypeId::of::<u8>()), (2, TypeId::of::<u8>()));
        let first = hold("scopes.test", one);
        let second = hold("scopes.test", one);
        assert!(first.is_some() && second.is_some());
        assert!(hold("scopes.test", two).is_none());
        drop(first);
        assert!(hold("scopes.test", two).is_none());
        drop(second);
        assert!(hold("scopes.test", two).is_some());
    }
}
