//! How many statements a call adds to its transaction.

use crate::support::{database, place, schema};
use idempotent_servers::Postgres;
use idempotently::backend::postgres::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use idempotently::backend::postgres::sqlx::{self, AssertSqlSafe, PgPool, raw_sql};
use idempotently::{Error, InFlight, Operation, transaction};
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

/// What the server was asked since its log had this length, by the time that it has written a mark.
async fn asked(server: &Postgres, pool: &PgPool, since: usize) -> Vec<String> {
    let mark = format!("mark after {since}");
    raw_sql(AssertSqlSafe(format!("SELECT '{mark}'"))).execute(pool).await.unwrap();
    let began = Instant::now();
    while !server.log().contains(&mark) {
        assert!(began.elapsed() < Duration::from_secs(20), "no log");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let log = server.log();
    let lines = log.get(since..).unwrap_or_default().lines();
    lines.filter_map(|line| line.split_once(" execute ").map(|(_, statement)| statement.to_owned())).collect()
}

async fn call(pool: &PgPool, runs: &AtomicUsize) {
    let mut tx = pool.begin().await.unwrap();
    place(&mut tx, 7, runs).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_call_adds_two_statements_and_a_replay_one() {
    let server = Postgres::with_settings(&[("log_statement", "all"), ("fsync", "off")]).unwrap();
    let to: PgConnectOptions = server.url().parse().unwrap();
    let pool = PgPoolOptions::new().max_connections(1).connect_with(to).await.unwrap();
    transaction::set_up(&mut *pool.acquire().await.unwrap()).await.unwrap();
    raw_sql("CREATE TABLE effects (id bigint NOT NULL)").execute(&pool).await.unwrap();
    let runs = AtomicUsize::new(0);
    let before = server.log().len();
    call(&pool, &runs).await;
    let fresh = asked(&server, &pool, before).await;
    let before = server.log().len();
    call(&pool, &runs).await;
    let replay = asked(&server, &pool, before).await;
    assert_eq!(fresh.len(), 3, "claim, effect, completion: {fresh:#?}");
    assert!(fresh[0].contains("WITH seen") && fresh[2].contains("UPDATE idempotently_record"), "{fresh:#?}");
    assert_eq!(replay.len(), 1, "{replay:#?}");
    pool.close().await;
}

#[tokio::test]
async fn setting_up_again_changes_nothing() {
    let pool = database(1).await;
    let mut connection = pool.acquire().await.unwrap();
    transaction::set_up(&mut *connection).await.unwrap();
    raw_sql("UPDATE idempotently_store SET version = 99").execute(&mut *connection).await.unwrap();
    assert!(transaction::set_up(&mut *connection).await.unwrap_err().to_string().contains("version"));
}

/// Four programs that start at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_may_set_up_at_once() {
    let to = schema().await;
    let tasks = (0..4).map(|_| {
        let to = to.clone();
        tokio::spawn(async move {
            let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect_with(&to).await.unwrap();
            transaction::set_up(&mut connection).await.unwrap();
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_key_whose_retention_is_over_is_new_again_in_every_way_of_waiting() {
    let pool = database(1).await;
    for in_flight in [InFlight::Wait, InFlight::WaitFor(Duration::from_secs(5)), InFlight::Reject] {
        let operation = Operation::new("tests.ended").in_flight(in_flight);
        for run in 1..=3_i64 {
            let mut tx = pool.begin().await.unwrap();
            let body = async |_: &mut sqlx::PgConnection| Ok::<i64, Error>(run);
            let call = operation.call(&7).retention(Duration::ZERO);
            assert_eq!(call.try_run_in(&mut *tx, body).await.unwrap(), run, "{in_flight:?}");
            tx.commit().await.unwrap();
        }
        raw_sql("DELETE FROM idempotently_record").execute(&pool).await.unwrap();
    }
}
