//! The servers start, answer, end and start again.

use idempotent_servers::{Postgres, Redis, RedisCluster, ServerError};
use std::net::TcpStream;

fn answers(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

#[test]
fn a_redis_server_comes_and_goes() -> Result<(), ServerError> {
    let mut redis = Redis::start()?;
    assert!(Redis::version()?.contains('.'));
    redis.stop();
    assert!(!answers(redis.port()));
    redis.start_again()?;
    let port = redis.port();
    drop(redis);
    assert!(!answers(port));
    Ok(())
}

#[test]
fn a_postgres_server_comes_and_goes() -> Result<(), ServerError> {
    let mut postgres = Postgres::start()?;
    assert!(Postgres::version()?.contains('.'));
    postgres.stop_immediately();
    assert!(!answers(postgres.port()));
    postgres.start_again()?;
    let (port, folder) = (postgres.port(), postgres.folder().to_owned());
    drop(postgres);
    assert!(!answers(port) && !folder.exists());
    Ok(())
}

#[test]
fn a_server_outlasts_the_thread_that_started_it() -> Result<(), ServerError> {
    let started = std::thread::spawn(Redis::start).join();
    let redis = started.unwrap_or_else(|_| unreachable!())?;
    // The kernel kills before it lets a thread be joined.
    assert!(answers(redis.port()));
    Ok(())
}

#[test]
fn a_cluster_has_three_nodes() -> Result<(), ServerError> {
    assert_eq!(RedisCluster::start()?.urls().len(), 3);
    Ok(())
}
