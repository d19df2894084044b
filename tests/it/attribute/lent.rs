//! Keys that are lent to the call: the body still has everything, and the key is the same as a copied one.

use super::shapes::pause;
use crate::support::{now, pending, ready};
use idempotently::{Error, ErrorKind, Operation, ToKey, idempotent, key};
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Longer than what is held in place, and with characters that a written key escapes.
const LONG: [&str; 3] =
    ["0b7ff4f8-2f5c-4f0e-9a55-3f6f9d1f7c11", "a \"quoted\" and a back\\slashed order", "äöü äöü äöü äöü äöü"];

struct Order<'a> {
    id: &'a str,
    lines: Vec<u32>,
}

#[idempotent(key = order.id)]
fn moves_the_order(order: Order<'_>) -> usize {
    let Order { id, lines } = order;
    id.len() + lines.into_iter().filter(|line| *line > 2).count()
}

#[idempotent(key = id)]
fn moves_the_key(id: String) -> String {
    id
}

#[idempotent(key = id)]
fn assigns_the_key(mut id: &str) -> String {
    let first = id.len();
    id = "another";
    format!("{first} {id}")
}

#[idempotent(key = id, missing = run)]
fn may_lack_it(id: Option<&str>) -> Option<String> {
    id.map(str::to_owned)
}

#[idempotent(key = id)]
async fn awaits(id: &str) -> String {
    pause().await;
    id.to_owned()
}

#[idempotent(key = id)]
fn any_text(id: impl AsRef<str> + ToKey) -> String {
    id.as_ref().to_owned()
}

#[idempotent(key = shown)]
fn shown(shown: key::Displayed<'_, u32>) -> u32 {
    let moved = shown;
    let _ = moved;
    7
}

#[test]
fn the_body_has_what_was_lent() {
    for id in LONG {
        for lines in [vec![], vec![1, 2]] {
            assert_eq!(moves_the_order(Order { id, lines }), id.len());
        }
        assert_eq!(moves_the_key(id.to_owned()), id);
        assert_eq!(assigns_the_key(id), format!("{} another", id.len()));
        assert_eq!(may_lack_it(Some(id)).as_deref(), Some(id));
        let (mut leader, mut follower) = (Box::pin(awaits(id)), Box::pin(awaits(id)));
        pending(&mut leader);
        pending(&mut follower);
        assert_eq!((ready(&mut leader), ready(&mut follower)), (id.to_owned(), id.to_owned()));
        assert_eq!(now(awaits(id)), id);
        assert_eq!(any_text(id), id);
        assert_eq!(any_text(String::from(id)), id);
    }
    assert_eq!(may_lack_it(None), None);
    assert_eq!((shown(key::display(&4)), shown(key::display(&4))), (7, 7));
}

#[test]
fn a_lent_key_is_the_copied_one() {
    static BODIES: AtomicU32 = AtomicU32::new(0);
    let operation = Operation::new("lent.equal");
    let count = || BODIES.fetch_add(1, Ordering::SeqCst);
    for length in [1, 23, 24, 36, 99, 100, 200, 300] {
        for unit in ["x", "\"", "\\", "é"] {
            let id = unit.repeat(length);
            let ran = operation.call_lent(&id.as_str()).run(count).unwrap();
            let again = |other: Result<u32, Error>| assert_eq!(other.unwrap(), ran, "{length} {unit}");
            again(operation.call_lent(&id.as_str()).run(count));
            again(operation.call(&id).run(count));
            again(operation.call(id.as_str()).run(count));
            again(operation.call(&key::display(&id)).run(count));
            again(operation.call_lent(&Arc::<str>::from(id.as_str())).run(count));
            again(operation.call_lent(&Cow::Borrowed(id.as_str())).run(count));
            assert_ne!(operation.call_lent(&format!("{id}.").as_str()).run(count).unwrap(), ran);
            assert!(operation.forget(&id));
            assert_ne!(operation.call_lent(&id.as_str()).run(count).unwrap(), ran);
        }
    }
}

#[test]
fn a_lent_key_is_refused_as_a_copied_one() {
    static PAY: Operation = Operation::new("lent.fingerprint");
    let operation = Operation::new("lent.refused");
    let id = LONG[0];
    let outer = operation.call_lent(&id).run(|| {
        let inner = operation.call_lent(&id).run(|| 1);
        assert_eq!(inner.unwrap_err().kind(), ErrorKind::Reentrant);
        2
    });
    assert_eq!(outer.unwrap(), 2);
    assert_eq!(operation.call_lent(&"").run(|| 3).unwrap_err().kind(), ErrorKind::InvalidKey);

    let pay = |cents: u32| PAY.call_lent(&LONG[1]).fingerprint(&cents).run(|| cents);
    assert_eq!(pay(5).unwrap(), 5);
    assert_eq!(pay(5).unwrap(), 5);
    assert_eq!(pay(6).unwrap_err().kind(), ErrorKind::KeyReused);
}
