//! Functions of several kinds, tried at run time.

use crate::support::{now, on_one_thread, pending, ready};
use idempotently::{ToKey, idempotent};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;

/// Pending once.
pub(crate) async fn pause() {
    let mut paused = false;
    poll_fn(|context| {
        context.waker().wake_by_ref();
        if std::mem::replace(&mut paused, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

static BODIES: AtomicU32 = AtomicU32::new(0);

fn number() -> u32 {
    BODIES.fetch_add(1, Ordering::SeqCst)
}

#[async_trait::async_trait]
trait Service {
    async fn by_async_trait(&self, id: u32) -> u32;
}

struct Server;

#[async_trait::async_trait]
impl Service for Server {
    #[idempotent(key = id)]
    async fn by_async_trait(&self, id: u32) -> u32 {
        pause().await;
        number() + id - id
    }
}

trait Native {
    fn native(&self, id: u32) -> impl Future<Output = u32> + Send;
}

impl Native for Server {
    #[idempotent(key = id)]
    async fn native(&self, id: u32) -> u32 {
        pause().await;
        number() + id - id
    }
}

#[idempotent(key = id)]
fn by_hand(id: u32) -> impl Future<Output = u32> {
    async move {
        pause().await;
        number() + id - id
    }
}

#[idempotent(key = id)]
fn boxed(id: u32) -> Pin<Box<dyn Future<Output = u32> + Send>> {
    Box::pin(async move {
        pause().await;
        number() + id - id
    })
}

/// Two calls that wait for each other have one answer, as has a third.
fn is_awaited<F: Future<Output = u32>>(call: impl Fn() -> F) {
    let (mut leader, mut follower) = (Box::pin(call()), Box::pin(call()));
    pending(&mut leader);
    pending(&mut follower);
    let answer = ready(&mut leader);
    assert_eq!((ready(&mut follower), now(call())), (answer, answer));
}

#[test]
fn futures_of_every_kind_are_awaited_and_not_kept_as_futures() {
    is_awaited(|| Server.by_async_trait(1));
    is_awaited(|| Server.native(1));
    is_awaited(|| by_hand(1));
    is_awaited(|| boxed(1));
    on_one_thread(|| async {
        assert_eq!(tokio::spawn(boxed(2)).await.unwrap(), tokio::spawn(by_hand(2)).await.unwrap() - 1);
    });
}

#[derive(ToKey)]
struct OrderId {
    shop: u32,
    number: u64,
}

#[derive(ToKey)]
struct UserId(String);

#[test]
fn derived_keys_are_what_their_fields_are() {
    #[idempotent(key = order)]
    fn order(order: &OrderId) -> u32 {
        let _ = order;
        number()
    }
    #[idempotent(key = (order.shop, order.number), handle = PARTS)]
    fn parts(order: &OrderId) -> u32 {
        let _ = order;
        number()
    }
    #[idempotent(key = user, handle = USER)]
    fn user(user: &UserId) -> u32 {
        let _ = &user.0;
        number()
    }
    assert_eq!(order(&OrderId { shop: 1, number: 2 }), order(&OrderId { shop: 1, number: 2 }));
    assert_ne!(order(&OrderId { shop: 1, number: 2 }), order(&OrderId { shop: 2, number: 1 }));
    parts(&OrderId { shop: 1, number: 2 });
    assert!(PARTS.forget(&(1, 2)) && PARTS.is_empty());
    user(&UserId("ada".into()));
    assert!(USER.forget("ada"));
}

#[test]
fn a_body_keeps_its_early_returns_and_its_arguments() {
    #[idempotent(key = (list.len(), name))]
    fn early(list: &mut Vec<u32>, name: String, (left, mut right): (u32, u32)) -> Result<u32, anyhow::Error> {
        right += 1;
        list.push(left);
        let parsed: u32 = name.parse()?;
        if parsed == 0 {
            return Ok(right);
        }
        drop(name);
        Ok(parsed + right)
    }
    let mut list = Vec::new();
    assert_eq!(early(&mut list, "0".into(), (1, 2)).unwrap(), 3);
    assert_eq!(early(&mut list, "7".into(), (1, 2)).unwrap(), 10);
    assert!(early(&mut list, "x".into(), (1, 2)).is_err());
    assert_eq!(list, [1, 1, 1]);
}

#[cfg(feature = "tokio")]
#[test]
fn a_detached_function_goes_on_without_its_caller() {
    #[idempotent(key = id, detached, handle = DETACHED)]
    async fn detached(id: u32, gate: std::sync::Arc<tokio::sync::Semaphore>) -> u32 {
        let _ = gate.acquire().await;
        number() + id - id
    }
    on_one_thread(|| async {
        let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
        let mut call = Box::pin(detached(1, gate.clone()));
        pending(&mut call);
        drop(call);
        assert_eq!(DETACHED.len(), 1);
        gate.close();
        let first = detached(1, gate.clone()).await;
        assert_eq!(detached(1, gate).await, first);
    });
    assert!(DETACHED.forget(&1u32));
}

#[cfg(feature = "testing")]
#[test]
fn a_retention_may_be_a_text_an_expression_or_forever() {
    use idempotently::testing;
    use std::time::Duration;
    #[idempotent(key = 1, retention = "1h 30m")]
    fn text() -> u32 {
        number()
    }
    #[idempotent(key = (1,), retention = Duration::from_secs(60 * minutes))]
    fn expression(minutes: u64) -> u32 {
        number()
    }
    #[idempotent(key = 1, retention = forever)]
    fn forever() -> u32 {
        number()
    }
    let test = testing::isolate();
    let first = (text(), expression(10), forever());
    test.advance("9m");
    assert_eq!((text(), expression(1), forever()), first);
    test.advance("1m");
    assert_ne!(expression(1), first.1);
    test.advance("79m");
    assert_eq!(text(), first.0);
    test.advance("1m");
    assert_ne!(text(), first.0);
    test.advance("365d");
    assert_eq!(forever(), first.2);
}
