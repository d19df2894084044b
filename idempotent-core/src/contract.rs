//! The contract of stores: a suite that every [`Store`] must pass, also one that you write.
//!
//! Each rule is a function that panics when it is broken, and its name says what must hold. [`contract_tests!`] makes a
//! test of each; [`all`] runs them all from a harness of your own. The suite needs no async runtime, and may grow in any
//! version.
//!
//! ```
//! use idempotently::contract::{self, Subject};
//! use idempotently::store::Store;
//! # use idempotently::backend::memory::MemoryStore as MyStore;
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! struct Mine(MyStore);
//!
//! impl Subject for Mine {
//!     fn store(&self) -> Arc<dyn Store> {
//!         Arc::new(self.0.clone())
//!     }
//!     fn second(&self) -> Arc<dyn Store> {
//!         // Better: another connection to the same database.
//!         Arc::new(self.0.clone())
//!     }
//!     fn tick(&self) -> Duration {
//!         Duration::from_millis(50)
//!     }
//! }
//!
//! // In `tests/store.rs`:
//! contract::contract_tests!(Mine(MyStore::new()));
//! # contract::claims::a_new_key_is_granted(&Mine(MyStore::new()));
//! ```

#![expect(clippy::missing_panics_doc, reason = "to panic is what a rule does when it is broken")]

pub mod adoptions;
mod case;
pub mod claims;
pub mod contents;
pub mod crowds;
pub mod drops;
pub mod fencing;
pub mod histories;
pub mod interruptions;
pub mod operators;
pub mod time;
pub mod waiting;

use crate::store::Store;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// A store that is held to the contract, and the time that it lives in.
///
/// A rule makes records under a scope of its own, with a random name, so one store is good for all rules one after the
/// other. Beside each other they need a store each: a purge is not bounded to a scope.
pub trait Subject {
    /// The store.
    fn store(&self) -> Arc<dyn Store>;

    /// The same records, as another process has them: with its own connections and whatever is kept in memory.
    fn second(&self) -> Arc<dyn Store>;

    /// What the store takes for a handful of answers, at most; or, where its clock is moved, how finely that one counts.
    ///
    /// The suite uses spans of a few ticks. Too small a tick makes rules fail that speak about time; too large a one
    /// only makes them slow.
    fn tick(&self) -> Duration;

    /// Lets at least this much time pass by the store's clock: really waits, unless that clock can be moved.
    fn advance(&self, by: Duration) {
        thread::sleep(by);
    }

    /// Whether time also passes while nobody calls [`advance`](Self::advance). Where it does not, the suite is exact.
    fn goes_by_itself(&self) -> bool {
        true
    }

    /// Whether the store takes ended records away by itself, so that a purge may find fewer than have ended.
    fn cleans_up_by_itself(&self) -> bool {
        false
    }
}

/// One rule of the contract.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Rule {
    /// What must hold, as a sentence with underscores.
    pub name: &'static str,
    /// Panics when it does not.
    pub check: fn(&dyn Subject),
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rule").field(&self.name).finish()
    }
}

/// Holds a store to every rule, one after the other.
///
/// # Panics
/// When rules are broken, with their names; the panic of each was reported before.
pub fn all(subject: &dyn Subject) {
    let is_broken = |rule: &&Rule| catch_unwind(AssertUnwindSafe(|| (rule.check)(subject))).is_err();
    let broken: Vec<&str> = RULES.iter().filter(is_broken).map(|rule| rule.name).collect();
    assert!(broken.is_empty(), "{} of {} rules are broken: {}", broken.len(), RULES.len(), broken.join(", "));
}

/// Makes a `#[test]` of each rule, so that a failure names what is broken.
///
/// It is given an expression of a [`Subject`], which each test evaluates for itself.
#[macro_export]
macro_rules! contract_tests {
    (@rules [$subject:expr] $($module:ident { $($rule:ident)* })*) => {$($(
        #[test]
        fn $rule() {
            $crate::contract::$module::$rule(&$subject);
        }
    )*)*};
    ($subject:expr) => {
        $crate::contract::each_rule! { contract_tests [$subject] }
    };
}

macro_rules! array_of_rules {
    (@rules [] $($module:ident { $($rule:ident)* })*) => {
        /// Every rule there is.
        pub const RULES: &[Rule] = &[$($(Rule { name: stringify!($rule), check: $module::$rule }),*),*];
    };
}

/// Hands the one list of rules to another macro.
#[doc(hidden)]
#[macro_export]
macro_rules! each_rule {
    ($then:ident [$($subject:expr)?]) => {
        $crate::contract::$then! { @rules [$($subject)?]
            claims {
                a_new_key_is_granted
                a_repeated_claim_is_the_same_claim
                another_caller_sees_that_it_is_in_flight
                an_outcome_is_replayed_to_everybody
                another_fingerprint_is_a_mismatch_in_every_state
                a_lapsed_lease_is_taken_over
            }
            interruptions {
                retries_are_counted
                with_fail_nobody_runs_it_again
                the_asker_says_what_is_done
                a_holder_can_give_up_as_interrupted
            }
            fencing {
                a_released_key_is_new
                only_the_holder_releases_and_only_in_flight
                a_stale_token_writes_nothing
                the_hold_of_one_key_is_none_of_another
                a_late_outcome_is_accepted
                completing_twice_is_done_and_changes_nothing
                a_superseded_outcome_is_answered_with_the_winners
                an_outcome_without_a_record_is_lost
                tokens_only_grow
            }
            adoptions {
                an_outcome_is_adopted_where_nobody_has_the_key
                an_adoption_is_under_a_new_token_and_counts_no_attempt
                a_live_holder_is_not_adopted_over
                adopting_twice_changes_nothing
                a_callers_own_hold_is_adopted_over
                another_fingerprint_is_not_adopted_over
                an_interrupted_record_is_not_adopted_over
                an_adopted_outcome_ends
                an_adoption_wakes_whoever_waits
                an_outcome_is_adopted_though_nobody_awaits_it
                an_outcome_of_another_fingerprint_supersedes_nobody
            }
            time {
                retention_is_enforced_on_read
                retention_begins_with_the_outcome
                what_has_no_end_does_not_end
                what_lasts_for_no_time_is_over_at_once
                a_renewed_lease_goes_on
                a_renewal_tells_which_leases_are_lost
            }
            waiting {
                an_outcome_wakes_whoever_waits
                a_release_wakes_whoever_waits
                forgetting_wakes_whoever_waits
                resolving_wakes_whoever_waits
                a_change_after_asking_is_not_missed
                who_gives_up_waiting_takes_no_wake_up_along
                nobody_sleeps_through_a_hand_over
            }
            drops {
                a_claim_that_is_not_awaited_asks_for_nothing
                a_grant_that_nobody_takes_is_given_back
                a_release_is_made_though_nobody_awaits_it
                an_outcome_is_recorded_though_nobody_awaits_it
            }
            operators {
                a_glimpse_shows_where_a_record_stands
                whatever_is_forgotten_is_new
                only_what_is_interrupted_can_be_resolved
                a_late_holder_learns_what_was_resolved
                records_are_listed_in_the_order_of_their_keys
                a_purge_takes_only_what_has_ended
            }
            contents {
                a_key_may_be_any_text
                scopes_do_not_mix
                an_outcome_may_be_any_bytes
            }
            crowds {
                one_of_a_crowd_is_granted_a_new_key
                one_of_a_crowd_takes_over
                a_crowd_of_leaders_has_one_outcome
            }
            histories {
                random_histories_agree_with_the_model
            }
        }
    };
}

use array_of_rules;
pub use {contract_tests, each_rule};

each_rule! { array_of_rules [] }

#[cfg(test)]
mod tests {
    use super::Subject;
    use crate::clock::ManualClock;
    use crate::store::Store;
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::time::Duration;

    /// A store on a clock that is moved, which makes the suite exact.
    struct Moved {
        clock: Arc<ManualClock>,
        store: Arc<dyn Store>,
        second: Arc<dyn Store>,
        /// Dropped after the stores.
        _folder: Option<Folder>,
    }

    /// A folder of its own, which goes with the test.
    struct Folder(PathBuf);

    #[cfg(feature = "sqlite")]
    impl Folder {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!("idempotently-contract-{:016x}", crate::random::number()));
            if let Err(error) = std::fs::create_dir_all(&path) {
                panic!("no folder for the test: {error}");
            }
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    impl Subject for Moved {
        fn store(&self) -> Arc<dyn Store> {
            self.store.clone()
        }

        fn second(&self) -> Arc<dyn Store> {
            self.second.clone()
        }

        fn tick(&self) -> Duration {
            Duration::from_micros(1)
        }

        fn advance(&self, by: Duration) {
            self.clock.advance(by);
        }

        fn goes_by_itself(&self) -> bool {
            false
        }
    }

    mod memory {
        use super::Moved;
        use crate::backend::memory::MemoryStore;
        use crate::clock::{ManualClock, WallClock};
        use std::sync::Arc;

        fn moved() -> Moved {
            let clock = Arc::new(ManualClock::default());
            let store = MemoryStore::with_clock(WallClock::manual(clock.clone()));
            Moved { clock, store: Arc::new(store.clone()), second: Arc::new(store), _folder: None }
        }

        contract_tests!(moved());
    }

    #[cfg(feature = "sqlite")]
    mod sqlite {
        use super::{Folder, Moved};
        use crate::backend::sqlite::{SqliteOptions, SqliteStore, Synchronous};
        use crate::clock::{ManualClock, WallClock};
        use std::sync::Arc;

        /// Two stores on one file, as two processes have them.
        fn moved() -> Moved {
            let clock = Arc::new(ManualClock::default());
            let folder = Folder::new();
            let path = folder.0.join("records.db");
            // That a commit waits for the disk is not what is tested here.
            let options = SqliteOptions::new().synchronous(Synchronous::Normal);
            let open =
                || match SqliteStore::with_clock(&path.to_string_lossy(), &options, WallClock::manual(clock.clone())) {
                    Ok(store) => Arc::new(store),
                    Err(error) => panic!("the file cannot be opened: {error:?}"),
                };
            Moved { store: open(), second: open(), clock, _folder: Some(folder) }
        }

        contract_tests!(moved());
    }
}
