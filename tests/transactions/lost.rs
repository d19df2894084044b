//! Commits whose answers are lost: what became of them is found out where anything can tell, and is unknown elsewhere.

use crate::support::{Failure, effect, effects, kind, place, schema};
use idempotent_servers::{Passing, Postgres, Proxy};
use idempotently::backend::postgres::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use idempotently::backend::postgres::sqlx::{Connection as _, PgConnection, PgPool, raw_sql};
use idempotently::{ErrorKind, transaction};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// A pool whose way to a server is a proxy, with the library's tables and `effects`.
async fn through(proxy: &Proxy, to: PgConnectOptions) -> PgPool {
    let to = to.host("127.0.0.1").port(proxy.port());
    let pool = PgPoolOptions::new().max_connections(2).connect_with(to).await.unwrap();
    transaction::set_up(&mut *pool.acquire().await.unwrap()).await.unwrap();
    raw_sql("CREATE TABLE effects (id bigint NOT NULL)").execute(&pool).await.unwrap();
    pool
}

/// Loses the connection of the first commit after it is armed, at that moment; before that, does what is given.
fn lose_the_commit(proxy: &Proxy, at: Passing, armed: &Arc<AtomicBool>, act: impl Fn() + Send + Sync + 'static) {
    let (armed, committing) = (armed.clone(), Mutex::new(None));
    proxy.attend(move |connection, passing, bytes| {
        let mut committing = committing.lock().unwrap_or_else(PoisonError::into_inner);
        if passing == Passing::Request && bytes.starts_with(b"Q") && bytes.windows(6).any(|text| text == b"COMMIT") {
            *committing = Some(connection);
        }
        let is_it = passing == at && *committing == Some(connection) && armed.swap(false, Ordering::SeqCst);
        if is_it {
            act();
        }
        !is_it
    });
}

/// Executes that on a connection of its own, on a thread of its own, and waits for it.
fn execute(to: PgConnectOptions, sql: &'static str) {
    let done = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut connection = PgConnection::connect_with(&to).await.unwrap();
            raw_sql(sql).execute(&mut connection).await.unwrap();
        });
    });
    done.join().unwrap();
}

/// One call with a key, and one effect beside it, in a transaction whose commit is lost if that is armed.
async fn order(pool: &PgPool, armed: &Arc<AtomicBool>, runs: &Arc<AtomicUsize>) -> Result<i64, Failure> {
    let (armed, runs) = (armed.clone(), runs.clone());
    let call = transaction(pool, move |tx| {
        let (armed, runs) = (armed.clone(), runs.clone());
        Box::pin(async move {
            let first = runs.fetch_add(1, Ordering::SeqCst) == 0;
            let answer = place(tx, 7, &AtomicUsize::new(0)).await?;
            effect(tx, 9).await?;
            if first {
                armed.store(true, Ordering::SeqCst);
            }
            Ok::<_, Failure>(answer)
        })
    });
    timeout(Duration::from_mins(1), call).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_gone_is_not_taken_for_a_rollback() {
    let to = schema().await;
    let proxy = Proxy::to(to.get_port()).unwrap();
    let pool = through(&proxy, to.clone()).await;
    let (armed, runs) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    // As an operator's `forget` does, or a purge after a short retention.
    lose_the_commit(&proxy, Passing::Answer, &armed, move || execute(to.clone(), "DELETE FROM idempotently_record"));
    assert_eq!(kind(order(&pool, &armed, &runs).await), ErrorKind::OutcomeUnknown);
    assert_eq!((runs.load(Ordering::SeqCst), effects(&pool, 9).await), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_never_arrives_is_begun_again() {
    let to = schema().await;
    let proxy = Proxy::to(to.get_port()).unwrap();
    let pool = through(&proxy, to).await;
    let (armed, runs) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    lose_the_commit(&proxy, Passing::Request, &armed, || {});
    assert_eq!(order(&pool, &armed, &runs).await.unwrap(), 70);
    assert_eq!((runs.load(Ordering::SeqCst), effects(&pool, 9).await), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_started_again_is_not_believed_about_earlier_transactions() {
    let server = Postgres::with_settings(&[("fsync", "off")]).unwrap();
    let to: PgConnectOptions = server.url().parse().unwrap();
    let proxy = Proxy::to(to.get_port()).unwrap();
    let pool = through(&proxy, to).await;
    let (armed, runs) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let server = Mutex::new(server);
    lose_the_commit(&proxy, Passing::Request, &armed, move || {
        let mut server = server.lock().unwrap_or_else(PoisonError::into_inner);
        server.stop_immediately();
        server.start_again().unwrap();
    });
    assert_eq!(kind(order(&pool, &armed, &runs).await), ErrorKind::OutcomeUnknown);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_under_way_is_asked_about_until_it_has_ended() {
    let to = schema().await;
    let proxy = Proxy::to(to.get_port()).unwrap();
    let pool = through(&proxy, to.clone()).await;
    // The commit waits until the lock is free.
    let slow = "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END';
        CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON effects DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION wait()";
    raw_sql(slow).execute(&pool).await.unwrap();
    let mut holder = PgConnection::connect_with(&to).await.unwrap();
    raw_sql("SELECT pg_advisory_lock(4711)").execute(&mut holder).await.unwrap();
    let (armed, runs) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let lost = Arc::new(AtomicBool::new(false));
    let tells = lost.clone();
    lose_the_commit(&proxy, Passing::Requested, &armed, move || tells.store(true, Ordering::SeqCst));
    let since = Instant::now();
    let released = async {
        while !lost.load(Ordering::SeqCst) {
            assert!(since.elapsed() < Duration::from_secs(20), "nothing is lost");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        // So many requests that the status was asked for several times.
        let before = proxy.requests();
        while proxy.requests() < before + 12 {
            assert!(since.elapsed() < Duration::from_secs(20), "nothing is asked");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        raw_sql("SELECT pg_advisory_unlock(4711)").execute(&mut holder).await.unwrap();
    };
    let (answer, ()) = tokio::join!(order(&pool, &armed, &runs), released);
    assert_eq!(answer.unwrap(), 70);
    assert_eq!((runs.load(Ordering::SeqCst), effects(&pool, 9).await), (1, 1));
}

/// Each commit is lost at another moment; what a savepoint took back before proves nothing about it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_a_savepoint_took_back_says_nothing_about_the_commit() {
    let to: PgConnectOptions = schema().await;
    let proxy = Arc::new(Proxy::to(to.get_port()).unwrap());
    let pool = through(&proxy, to).await;
    let mut committed = 0;
    for id in 0..60_i64 {
        let losing = proxy.clone();
        let after = usize::try_from(id).unwrap() * 3;
        let tries = Arc::new(AtomicUsize::new(0));
        let counted = tries.clone();
        let call = transaction(&pool, move |tx| {
            let (losing, counted) = (losing.clone(), counted.clone());
            Box::pin(async move {
                let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
                let mut point = tx.begin().await?;
                place(&mut point, 1000 + id, &AtomicUsize::new(0)).await?;
                point.rollback().await?;
                let answer = place(tx, id, &AtomicUsize::new(0)).await?;
                effect(tx, 2000 + id).await?;
                // Once: what is tried again comes through.
                if first {
                    losing.drop_replies_after(after);
                }
                Ok::<_, Failure>(answer)
            })
        });
        let ended = timeout(Duration::from_secs(30), call).await.unwrap();
        proxy.heal();
        let there = (effects(&pool, id).await, effects(&pool, 1000 + id).await, effects(&pool, 2000 + id).await);
        match ended {
            Ok(answer) => assert_eq!((answer, there), (id * 10, (1, 0, 1)), "{after}"),
            // Lost before the commit was sent.
            Err(failure) => assert_eq!((failure.kind(), there), (Some(ErrorKind::Store), (0, 0, 0)), "{after}"),
        }
        committed += there.0;
    }
    assert!(proxy.lost() >= 10, "only {} answers were lost", proxy.lost());
    assert!((1..60).contains(&committed), "{committed} were committed");
}
