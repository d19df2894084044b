//! What is opened, and what is refused.

use crate::support::{Bare, claim, granted, open, schema, server, to};
use idempotently::backend::postgres::sqlx::PgPool;
use idempotently::backend::postgres::sqlx::postgres::PgConnectOptions;
use idempotently::backend::postgres::{PostgresOptions, PostgresStore};
use idempotently::store::StoreError;
use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

/// Everything that can be read of an error.
fn refused(opened: Result<PostgresStore, StoreError>) -> String {
    let Err(error) = opened else { panic!("it is opened") };
    let source = error.source().map(ToString::to_string).unwrap_or_default();
    let all = format!("{error}\n{source}\n{error:?}");
    assert!(!all.contains("sesame"), "{all}");
    error.to_string()
}

fn with(to: PgConnectOptions) -> Result<PostgresStore, StoreError> {
    PostgresStore::with_options(to, &PostgresOptions::new())
}

#[test]
fn what_cannot_be_opened_says_what_to_do() {
    let away = "postgres://tester:sesame@127.0.0.1:1/postgres";
    assert!(refused(PostgresStore::connect(away)).contains("cannot be reached"));
    let nowhere = to(server()).database("nowhere").password("sesame");
    assert!(refused(with(nowhere)).contains("does not exist; create it"));
    let nobody = to(server()).username("nobody").password("sesame");
    assert!(refused(with(nobody)).contains("does not let this user in"));
    for url in ["postgres://tester:sesame@[/db", "postgres://h/db?sslmode=sesame", "mysql://tester:sesame@h/db", "h"] {
        assert!(refused(PostgresStore::connect(url)).contains("URL cannot be understood"), "{url}");
    }
}

#[test]
fn the_scheme_of_a_url_names_the_store() {
    let connected = idempotently::connect(server()).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(connected.store().name(), "postgres");
    let also = server().replacen("postgres://", "postgresql://", 1);
    assert!(idempotently::connect(&also).is_ok());
}

#[test]
fn tables_are_created_unless_told_otherwise() {
    let (to, bare) = schema();
    let left_alone = PostgresOptions::new().create_tables(false);
    assert!(refused(PostgresStore::with_options(to.clone(), &left_alone)).contains("schema_sql"));
    for _ in 0..2 {
        bare.execute(PostgresStore::schema_sql());
    }
    let Ok(store) = PostgresStore::with_options(to.clone(), &left_alone) else { panic!("the tables are there") };
    assert_eq!(granted(&store, claim("k", 1)).token, 1);
    assert_eq!(granted(&open(&to), claim("l", 1)).token, 2);
}

#[test]
fn a_user_without_rights_is_told_which() {
    let (to, bare) = schema();
    bare.execute("DO $$ BEGIN CREATE ROLE guest LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
    let guest = to.clone().username("guest");
    let schema = to.get_application_name().unwrap_or_default();
    // To whom the schema is closed, no table in it is there.
    assert!(refused(with(guest.clone())).contains("schema"));
    bare.execute(&format!("GRANT USAGE ON SCHEMA {schema} TO guest"));
    assert!(refused(with(guest.clone())).contains("CREATE on the schema"));
    bare.execute(PostgresStore::schema_sql());
    assert!(refused(with(guest.clone())).contains("SELECT, INSERT, UPDATE and DELETE"));
    bare.execute(&format!(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO guest;
         GRANT USAGE ON SEQUENCE idempotently_token TO guest"
    ));
    granted(&open(&guest), claim("k", 1));
}

#[test]
fn tables_of_a_later_version_are_refused_and_left_alone() {
    let (to, bare) = schema();
    drop(open(&to));
    for change in ["UPDATE idempotently_store SET version = 2", "DELETE FROM idempotently_store"] {
        assert_eq!(bare.execute(change), 1);
        assert!(refused(with(to.clone())).contains("of a version that this library does not know"));
    }
}

#[test]
fn many_open_a_new_schema_at_once() {
    for _ in 0..3 {
        let (to, _bare) = schema();
        let mut tokens: Vec<u64> = thread::scope(|scope| {
            let openers: Vec<_> = (0..8)
                .map(|index: u8| {
                    let to = &to;
                    scope.spawn(move || granted(&open(to), claim(&index.to_string(), index)).token)
                })
                .collect();
            openers.into_iter().flat_map(thread::ScopedJoinHandle::join).collect()
        });
        tokens.sort_unstable();
        assert_eq!(tokens, [1, 2, 3, 4, 5, 6, 7, 8]);
    }
}

#[test]
fn a_pool_lends_its_options_and_no_connection() {
    let (to, _bare) = schema();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { panic!("no runtime") };
    // Opened and asked inside a runtime that stands still meanwhile, with nothing left in its pool.
    runtime.block_on(async {
        let pool: PgPool = idempotently::backend::postgres::sqlx::postgres::PgPoolOptions::new()
            .max_connections(1)
            .connect_lazy_with(to);
        let Ok(taken) = pool.acquire().await else { panic!("no connection") };
        let store = PostgresStore::from_pool(&pool).unwrap_or_else(|error| panic!("{error:?}"));
        granted(&store, claim("k", 1));
        drop(taken);
    });
}

#[test]
fn what_is_shown_of_a_store_is_where_it_is() {
    let (to, _bare) = schema();
    let shown = format!("{:?}", open(&to.password("sesame")));
    assert!(shown.contains("127.0.0.1") && !shown.contains("sesame"), "{shown}");
}

#[test]
fn what_was_asked_is_done_though_the_store_is_dropped() {
    let (to, bare) = schema();
    let store = open(&to);
    for index in 0..100 {
        let hold = granted(&store, claim(&index.to_string(), 1));
        let request = idempotently::store::CompleteRequest::new(hold, b"kept".to_vec());
        drop(idempotently::store::Store::complete(&store, request));
    }
    drop(store);
    let kept = "SELECT count(*) FROM idempotently_record WHERE state = 2";
    crate::support::soon("not all was written", || (bare.number(kept) == 100).then_some(()));
    // And its connections go.
    let sessions = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = '{}'",
        to.get_application_name().unwrap_or_default()
    );
    crate::support::soon("connections are left", || (bare.number(&sessions) == 0).then_some(()));
}

#[test]
fn a_store_has_four_connections_at_the_most() {
    let (to, bare) = schema();
    let store = open(&to);
    let callers: Vec<_> = (0..16)
        .map(|index: u8| {
            let store = store.clone();
            thread::spawn(move || {
                let key = index.to_string();
                let hold = granted(&store, claim(&key, index));
                drop(idempotently::store::Store::changed(&store, &hold.place));
                let holds = vec![hold.clone()];
                crate::support::said(idempotently::store::Store::renew(&store, holds, Duration::from_secs(1)));
                crate::support::complete(&store, &hold, b"done");
            })
        })
        .collect();
    assert!(callers.into_iter().all(|caller| caller.join().is_ok()));
    let sessions = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = '{}'",
        to.get_application_name().unwrap_or_default()
    );
    let since = Instant::now();
    crate::support::soon("somebody listens", || (bare.number(&sessions) == 4).then_some(()));
    assert!(since.elapsed() < Duration::from_secs(10));
    let _: &Bare = &bare;
}
