//! What is told about calls inside a transaction.

use crate::support::{Failure, database, effect};
use idempotently::backend::postgres::sqlx::PgConnection;
use idempotently::{How, current, idempotent, observe_async};

#[idempotent(key = id, transaction = tx, scope = "tests.observed", fingerprint = cents, missing = run)]
async fn pay(tx: &mut PgConnection, id: Option<i64>, cents: i64, fails: bool) -> Result<Option<String>, Failure> {
    effect(tx, cents).await?;
    if fails {
        return Err(Failure::Declined);
    }
    Ok(current().map(|execution| {
        assert_eq!((execution.scope(), execution.attempt()), ("tests.observed", 1));
        assert!(execution.token() > 0 && execution.check().is_ok());
        execution.downstream_key("bank")
    }))
}

#[tokio::test]
async fn how_it_was_answered_is_seen_and_the_body_knows_its_execution() {
    let pool = database(1).await;
    let mut tx = pool.begin().await.unwrap();
    let first = observe_async(pay(&mut tx, Some(7), 500, false)).await;
    assert_eq!(first.how, How::Executed);
    let key = first.value.unwrap();
    assert_eq!(key.as_ref().map(String::len), Some(32));
    let second = observe_async(pay(&mut tx, Some(7), 500, false)).await;
    assert_eq!((second.value.unwrap(), second.how), (key, How::Replayed));
    let other = observe_async(pay(&mut tx, Some(7), 900, false)).await;
    assert_eq!(other.value.unwrap_err().kind(), Some(idempotently::ErrorKind::KeyReused));
    assert_eq!(other.how, How::Refused);
    let without = observe_async(pay(&mut tx, None, 1, false)).await;
    assert_eq!((without.value.unwrap(), without.how), (None, How::Unprotected));
    tx.commit().await.unwrap();

    let mut tx = pool.begin().await.unwrap();
    let failed = observe_async(pay(&mut tx, Some(8), 500, true)).await;
    assert_eq!(failed.how, How::Executed);
    assert!(failed.value.is_err() && current().is_none());
    tx.rollback().await.unwrap();
}
