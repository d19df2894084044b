//! Transactions that the library begins and commits.

use crate::support::{Failure, database, effect, effects, kind, place, records, schema};
use idempotent_servers::Proxy;
use idempotently::backend::postgres::sqlx::postgres::PgPoolOptions;
use idempotently::backend::postgres::sqlx::{PgConnection, PgPool, query, query_scalar, raw_sql};
use idempotently::{Error, ErrorKind, How, idempotent, observe_async, transaction};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::sync::Notify;
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_committed_and_replayed() {
    let pool = database(2).await;
    let runs = Arc::new(AtomicUsize::new(0));
    for how in [How::Executed, How::Replayed] {
        let runs = runs.clone();
        let call = transaction(&pool, move |tx| {
            let runs = runs.clone();
            Box::pin(async move { place(tx, 7, &runs).await })
        });
        let seen = observe_async(call).await;
        assert_eq!((seen.value.unwrap(), seen.how), (70, how));
    }
    assert_eq!((runs.load(Ordering::SeqCst), effects(&pool, 7).await), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_rolled_back_and_returned() {
    let pool = database(2).await;
    let ended: Result<(), Failure> = transaction(&pool, |tx| {
        Box::pin(async move {
            effect(tx, 7).await?;
            Err(Failure::Declined)
        })
    })
    .await;
    assert!(matches!(ended, Err(Failure::Declined)));
    assert_eq!(effects(&pool, 7).await, 0);
}

/// Adds to a counter that everybody reads first, so that only one at a time comes through.
async fn count(tx: &mut PgConnection, id: i64, runs: &AtomicUsize) -> Result<i64, Failure> {
    raw_sql("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE").execute(&mut *tx).await?;
    place(tx, id, runs).await?;
    let value: i64 = query_scalar("SELECT coalesce(max(value), 0) FROM counter").fetch_one(&mut *tx).await?;
    query("INSERT INTO counter VALUES ($1)").bind(value + 1).execute(tx).await?;
    Ok(value + 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_database_ends_in_favour_of_another_is_begun_again() {
    let pool = database(6).await;
    raw_sql("CREATE TABLE counter (value bigint)").execute(&pool).await.unwrap();
    let runs = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..6_i64)
        .map(|id| {
            let (pool, runs) = (pool.clone(), runs.clone());
            tokio::spawn(async move {
                transaction(&pool, move |tx| {
                    let runs = runs.clone();
                    Box::pin(async move { count(tx, id, &runs).await })
                })
                .await
            })
        })
        .collect();
    let mut values = Vec::new();
    for task in tasks {
        values.push(task.await.unwrap().unwrap());
    }
    values.sort_unstable();
    assert_eq!(values, [1, 2, 3, 4, 5, 6]);
    assert!(runs.load(Ordering::SeqCst) > 6, "nobody was in anybody's way");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opposite_orders_both_come_through() {
    let pool = database(4).await;
    let runs = Arc::new(AtomicUsize::new(0));
    let tasks = [[1, 2], [2, 1]].map(|[one, two]| {
        let (pool, runs) = (pool.clone(), runs.clone());
        tokio::spawn(async move {
            transaction(&pool, move |tx| {
                let runs = runs.clone();
                Box::pin(async move {
                    place(tx, one, &runs).await?;
                    tokio::time::sleep(Duration::from_millis(30)).await;
                    place(tx, two, &runs).await
                })
            })
            .await
        })
    });
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!((effects(&pool, 1).await, effects(&pool, 2).await), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_not_begun_for_ever() {
    let pool = database(1).await;
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = tries.clone();
    let ended: Result<(), Failure> = transaction(&pool, move |tx| {
        counted.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            query("DO $$ BEGIN RAISE serialization_failure; END $$").execute(tx).await?;
            Ok(())
        })
    })
    .await;
    assert!(matches!(ended, Err(Failure::Database(_))), "{ended:?}");
    assert_eq!(tries.load(Ordering::SeqCst), 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_without_a_type_show_their_causes_too() {
    let pool = database(1).await;
    let tries = Arc::new(AtomicUsize::new(0));
    let contended = async |tries: Arc<AtomicUsize>, tx: &mut PgConnection| {
        if tries.fetch_add(1, Ordering::SeqCst) == 0 {
            query("DO $$ BEGIN RAISE deadlock_detected; END $$").execute(tx).await?;
        }
        Ok::<_, idempotently::backend::postgres::sqlx::Error>(())
    };
    let counted = tries.clone();
    let ended: anyhow::Result<()> = transaction(&pool, move |tx| {
        let tries = counted.clone();
        Box::pin(async move {
            contended(tries, tx).await?;
            Ok(())
        })
    })
    .await;
    ended.unwrap();
    assert_eq!(tries.swap(0, Ordering::SeqCst), 2);
    let counted = tries.clone();
    let ended: Result<(), Box<dyn std::error::Error + Send + Sync>> = transaction(&pool, move |tx| {
        let tries = counted.clone();
        Box::pin(async move {
            contended(tries, tx).await?;
            Ok(())
        })
    })
    .await;
    ended.unwrap();
    assert_eq!(tries.load(Ordering::SeqCst), 2);
}

#[idempotent(key = id, transaction = tx, scope = "tests.owned.declined")]
async fn declined(tx: &mut PgConnection, id: i64) -> Result<(), Failure> {
    effect(tx, id).await?;
    Err(Failure::Declined)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_body_swallows_is_noticed() {
    let pool = database(1).await;
    let ended: Result<(), Failure> = transaction(&pool, |tx| {
        Box::pin(async move {
            place(tx, 7, &AtomicUsize::new(0)).await?;
            let _ = query("INSERT INTO effects (id) VALUES (NULL)").execute(tx).await;
            Ok(())
        })
    })
    .await;
    assert_eq!(kind(ended), ErrorKind::Aborted);
    let ended: Result<(), Failure> = transaction(&pool, |tx| {
        Box::pin(async move {
            assert!(declined(tx, 7).await.is_err());
            Ok(())
        })
    })
    .await;
    assert_eq!(kind(ended), ErrorKind::Aborted);
    assert_eq!((effects(&pool, 7).await, records(&pool).await), (0, 0));
}

/// A shutdown waits for everything in its process, so this runs in one that does nothing else.
#[test]
fn a_caller_that_goes_away_does_not_stop_it() {
    const ALONE: &str = "IDEMPOTENTLY_TRANSACTIONS_ALONE";
    if std::env::var_os(ALONE).is_some() {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        return runtime.block_on(a_shutdown_waits_for_what_its_caller_left());
    }
    let test = ["owned::a_caller_that_goes_away_does_not_stop_it", "--exact", "--nocapture"];
    let child = Command::new(std::env::current_exe().unwrap()).args(test).env(ALONE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    let complained = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && said.contains("1 passed"), "{said}\n{complained}");
}

async fn a_shutdown_waits_for_what_its_caller_left() {
    let pool = database(2).await;
    let (begun, goes_on, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let notes = (begun.clone(), goes_on.clone(), ended.clone());
    let call = transaction(&pool, move |tx| {
        let (begun, goes_on, ended) = notes.clone();
        Box::pin(async move {
            place(tx, 7, &AtomicUsize::new(0)).await?;
            begun.notify_one();
            goes_on.notified().await;
            ended.notify_one();
            Ok::<_, Failure>(())
        })
    });
    {
        let mut call = std::pin::pin!(call);
        tokio::select! {
            ended = &mut call => panic!("{ended:?}"),
            () = begun.notified() => {}
        }
    }
    goes_on.notify_one();
    ended.notified().await;
    let left = idempotently::shutdown(Duration::from_secs(20)).await;
    assert_eq!(left.bodies, 0);
    assert!(left.is_complete(), "{left:?}");
    assert_eq!(effects(&pool, 7).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_is_the_callers_and_rolls_back() {
    let pool = database(1).await;
    let call = tokio::spawn({
        let pool = pool.clone();
        async move {
            transaction(&pool, |tx| {
                Box::pin(async move {
                    effect(tx, 7).await?;
                    effect(tx, 8).await?;
                    let as_asked = query("SELECT 1").execute(tx).await?.rows_affected() == 1;
                    assert!(!as_asked, "as asked");
                    Ok::<(), Failure>(())
                })
            })
            .await
        }
    });
    assert!(call.await.unwrap_err().is_panic());
    assert_eq!(effects(&pool, 7).await, 0);
}

#[test]
fn outside_a_runtime_it_says_so() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let pool = runtime.block_on(async { PgPool::connect_lazy("postgres://127.0.0.1:1/nowhere").unwrap() });
    let ended: Result<(), Error> = futures_lite::future::block_on(transaction(&pool, |_| Box::pin(async { Ok(()) })));
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::NoRuntime);
}

/// A pool whose way to the server loses what it is told to lose.
async fn through_a_proxy() -> (Arc<Proxy>, PgPool) {
    let to = schema().await;
    let proxy = Arc::new(Proxy::to(to.get_port()).unwrap());
    let to = to.host("127.0.0.1").port(proxy.port());
    let pool = PgPoolOptions::new().max_connections(2).connect_with(to).await.unwrap();
    transaction::set_up(&mut *pool.acquire().await.unwrap()).await.unwrap();
    raw_sql("CREATE TABLE effects (id bigint NOT NULL)").execute(&pool).await.unwrap();
    (proxy, pool)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_looked_up_and_not_guessed() {
    let (proxy, pool) = through_a_proxy().await;
    let runs = Arc::new(AtomicUsize::new(0));
    let mut known = 0;
    for id in 0..60_i64 {
        let (losing, counted) = (proxy.clone(), runs.clone());
        let after = usize::try_from(id).unwrap() * 3;
        let call = transaction(&pool, move |tx| {
            let (losing, counted) = (losing.clone(), counted.clone());
            Box::pin(async move {
                let tries = counted.load(Ordering::SeqCst);
                let answer = place(tx, id, &counted).await?;
                // Once: what is tried again comes through.
                if counted.load(Ordering::SeqCst) == tries + 1 {
                    losing.drop_replies_after(after);
                }
                Ok::<_, Failure>(answer)
            })
        });
        let ended = timeout(Duration::from_secs(30), call).await.unwrap();
        proxy.heal();
        let there = effects(&pool, id).await;
        match ended {
            Ok(answer) => assert_eq!((answer, there), (id * 10, 1), "{after}"),
            // Lost before the commit was sent.
            Err(failure) => assert_eq!((failure.kind(), there), (Some(ErrorKind::Store), 0), "{after}"),
        }
        known += there;
    }
    assert!(proxy.lost() >= 10, "only {} answers were lost", proxy.lost());
    assert!((1..60).contains(&known), "{known} were committed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_nothing_was_recorded_in_is_unknown() {
    let (proxy, pool) = through_a_proxy().await;
    let mut unknown = 0;
    for after in (0..180).step_by(3) {
        let losing = proxy.clone();
        let ended: Result<(), Failure> = transaction(&pool, move |tx| {
            let losing = losing.clone();
            Box::pin(async move {
                effect(tx, 7).await?;
                losing.drop_replies_after(after);
                Ok(())
            })
        })
        .await;
        proxy.heal();
        match ended.as_ref().map_err(Failure::kind) {
            Ok(()) | Err(Some(ErrorKind::Store)) => {}
            Err(Some(ErrorKind::OutcomeUnknown)) => unknown += 1,
            other => panic!("{after}: {other:?}"),
        }
    }
    assert!(unknown > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_had_nothing_to_commit_needs_no_answer() {
    let (proxy, pool) = through_a_proxy().await;
    let runs = Arc::new(AtomicUsize::new(0));
    let (mut answered, mut refused) = (0, 0);
    for after in (0..210).step_by(3) {
        let (losing, runs) = (proxy.clone(), runs.clone());
        let ended: Result<i64, Failure> = transaction(&pool, move |tx| {
            let (losing, runs) = (losing.clone(), runs.clone());
            Box::pin(async move {
                let first = runs.load(Ordering::SeqCst) == 0;
                let answer = place(tx, 7, &runs).await?;
                if !first {
                    losing.drop_replies_after(after);
                }
                Ok(answer)
            })
        })
        .await;
        proxy.heal();
        match ended.as_ref().map_err(Failure::kind) {
            Ok(answer) => {
                assert_eq!(*answer, 70);
                answered += 1;
            }
            // Lost before the commit was sent.
            Err(Some(ErrorKind::Store)) => refused += 1,
            other => panic!("{after}: {other:?}"),
        }
    }
    assert!(answered > 0 && refused > 0 && proxy.lost() > refused, "{answered}, {refused}, {}", proxy.lost());
    assert_eq!((runs.load(Ordering::SeqCst), effects(&pool, 7).await), (1, 1));
}
