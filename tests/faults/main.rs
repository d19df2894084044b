//! What happens to records when processes are killed and stopped, and servers go away and come back. Every test is run
//! on every store that is switched on.

#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod crowd;
mod dropping;
mod lost;
mod outage;
mod processes;
mod stores;
mod worker;

/// Makes a test of each check for each store.
macro_rules! on_every_store {
    ($($check:ident in $module:ident)*) => {
        mod sqlite {
            $(#[test] fn $check() { crate::$module::$check(&crate::stores::Sqlite::new()); })*
        }
        #[cfg(feature = "postgres")]
        mod postgres {
            $(#[test] fn $check() { crate::$module::$check(&crate::stores::Postgres); })*
        }
        #[cfg(feature = "redis")]
        mod redis {
            $(#[test] fn $check() { crate::$module::$check(&crate::stores::Redis); })*
        }
    };
}

on_every_store! {
    a_killed_body_is_run_again_where_that_was_chosen in processes
    a_killed_body_is_never_run_again_where_that_was_chosen in processes
    a_process_stopped_past_its_lease_gets_the_winners_outcome in processes
    a_process_stopped_past_its_lease_is_told_and_cannot_record in processes
    a_process_stopped_past_its_lease_cannot_give_away_what_the_winner_holds in processes
    four_processes_with_a_hundred_callers_run_once in crowd
    a_blocking_call_inside_a_runtime_of_one_thread_answers in dropping
    calls_that_are_dropped_leave_no_claim_behind in dropping
}
