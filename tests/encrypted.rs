//! Encrypted connections: to servers whose authority is known, and to no others.

#![cfg(all(feature = "redis", feature = "postgres", any(feature = "tls-rustls", feature = "tls-native-tls")))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use futures_lite::future::block_on;
use idempotent_servers::{Authority, Postgres, Redis};
use idempotently::backend::postgres::sqlx::postgres::PgConnectOptions;
use idempotently::backend::postgres::sqlx::{ConnectOptions, query_scalar};
use idempotently::backend::postgres::{PostgresOptions, PostgresStore};
use idempotently::backend::redis::RedisStore;
use idempotently::connect;
use idempotently::store::{Standing, Store};
use std::error::Error as _;
use std::process::Command;

/// Asks a store for something.
fn is_there(store: &dyn Store) -> bool {
    block_on(store.list("encrypted".into(), Standing::Completed, None, 1)).is_ok_and(|listed| listed.is_empty())
}

/// Why a URL leads nowhere.
#[track_caller]
fn refusal(url: &str) -> String {
    let error = connect(url).unwrap_err();
    error.source().unwrap().to_string()
}

const URL: &str = "IDEMPOTENT_ENCRYPTED_URL";

/// Another process, where the environment says so: the store at a URL answers.
#[test]
fn visitor() {
    let Ok(url) = std::env::var(URL) else { return };
    assert!(is_there(connect(&url).unwrap().store()));
}

/// Whether a process that trusts an authority as all programs do, by the environment, is answered.
fn is_answered(url: &str, by: &Authority) -> bool {
    let mut visitor = Command::new(std::env::current_exe().unwrap());
    visitor.args(["visitor", "--exact"]).env(URL, url).env("SSL_CERT_FILE", by.certificate());
    visitor.output().unwrap().status.success()
}

/// With both encryptions, the client of Redis takes the first of them and knows no authority by itself.
#[cfg(not(all(feature = "tls-rustls", feature = "tls-native-tls")))]
#[test]
fn redis_is_believed_where_its_authority_is_trusted() {
    let (authority, other) = (Authority::new().unwrap(), Authority::new().unwrap());
    let server = Redis::encrypted(&authority).unwrap();
    assert!(is_answered(&server.url(), &authority));
    assert!(!is_answered(&server.url(), &other));
    let refused = refusal(&server.url());
    assert!(refused.contains("certificate"), "{refused}");
    assert!(RedisStore::connect(&server.url().replace("rediss", "redis")).is_err(), "it speaks in the clear");
}

#[cfg(all(feature = "tls-rustls", feature = "tls-native-tls"))]
#[test]
fn with_both_encryptions_it_is_said_that_one_is_too_many() {
    let authority = Authority::new().unwrap();
    let server = Redis::encrypted(&authority).unwrap();
    assert!(!is_answered(&server.url(), &authority), "the documentation says otherwise");
    let refused = refusal(&server.url());
    assert!(refused.contains("switch `tls-native-tls` off"), "{refused}");
}

/// A client of the program's own can bring the authority along.
#[cfg(feature = "tls-rustls")]
#[test]
fn redis_is_believed_where_its_client_names_the_authority() {
    use idempotently::backend::redis::RedisOptions;
    use idempotently::backend::redis::redis::{Client, TlsCertificates};

    let (authority, other) = (Authority::new().unwrap(), Authority::new().unwrap());
    let server = Redis::encrypted(&authority).unwrap();
    let store = |by: &Authority| {
        let root_cert = Some(std::fs::read(by.certificate()).unwrap());
        let client = Client::build_with_tls(server.url(), TlsCertificates { client_tls: None, root_cert }).unwrap();
        RedisStore::from_client(&client, &RedisOptions::new())
    };
    assert!(is_there(&store(&authority).unwrap()));
    let refused = store(&other).unwrap_err().to_string();
    assert!(refused.contains("no encrypted connection"), "{refused}");
}

#[test]
fn postgres_is_believed_where_its_authority_is_named() {
    let (authority, other) = (Authority::new().unwrap(), Authority::new().unwrap());
    let server = Postgres::encrypted(&authority).unwrap();
    let url = |mode: &str, by: &Authority| {
        format!("{}?sslmode={mode}&sslrootcert={}", server.url(), by.certificate().display())
    };
    for mode in ["verify-ca", "verify-full"] {
        assert!(is_there(connect(&url(mode, &authority)).unwrap().store()), "{mode}");
        let refused = refusal(&url(mode, &other));
        assert!(refused.contains("certificate"), "{refused}");
    }
    let options: PgConnectOptions = url("verify-full", &authority).parse().unwrap();
    let store = PostgresStore::with_options(options.clone(), &PostgresOptions::new()).unwrap();
    assert!(is_there(&store));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let open = runtime.block_on(async {
        let count = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
            WHERE backend_type = 'client backend' AND NOT ssl";
        query_scalar::<_, i64>(count).fetch_one(&mut options.connect().await.unwrap()).await.unwrap()
    });
    assert_eq!(open, 0, "connections in the clear");
}
