//! What is a key, and which requests have one.

use crate::client::Ask;
use crate::shop::{Shop, layer, memory, order};
use http::HeaderName;

#[tokio::test]
async fn case_01_a_required_key_that_is_missing() {
    let shop = Shop::with(layer(&memory()).required().docs("https://shop.example/docs")).await;
    let reply = shop.send(&Ask::post("/orders").by("alice").body("1")).await;
    assert_eq!((reply.status, &*reply.problem()), (400, "key-missing"));
    assert!(reply.text().contains("\"type\":\"https://shop.example/docs#key-missing\""));
    assert_eq!(reply.header("content-language"), Some("en"));
    assert_eq!(shop.sold(), 0);
}

#[tokio::test]
async fn case_02_a_key_that_need_not_be_there() {
    let shop = Shop::new().await;
    for number in 1..=2 {
        let reply = shop.send(&Ask::post("/orders").by("alice").body("1")).await;
        assert_eq!((reply.status, reply.is_replayed()), (201, false));
        assert_eq!(reply.all("set-cookie").len(), 2);
        assert_eq!(shop.sold(), number);
    }
}

#[tokio::test]
async fn case_03_an_empty_key_is_not_a_missing_one() {
    let shop = Shop::with(layer(&memory()).required()).await;
    for key in ["", "   ", "\"\"", "\"  \""] {
        let reply = shop.send(&order(key)).await;
        assert_eq!((reply.status, &*reply.problem()), (400, "key-invalid"), "{key:?}");
    }
    let optional = Shop::new().await;
    assert_eq!(optional.send(&order("")).await.problem(), "key-invalid");
    assert_eq!(shop.sold() + optional.sold(), 0);
}

#[tokio::test]
async fn case_04_the_longest_key() {
    let shop = Shop::new().await;
    assert_eq!(shop.send(&order(&"k".repeat(255))).await.status, 201);
    assert!(shop.send(&order(&format!("\"{}\"", "k".repeat(255)))).await.is_replayed());
    let reply = shop.send(&order(&"k".repeat(256))).await;
    assert_eq!((reply.status, &*reply.problem()), (400, "key-invalid"));
    assert!(reply.text().contains("longer than 255 bytes"));
    assert_eq!(shop.sold(), 1);
}

#[tokio::test]
async fn case_05_characters_that_no_key_has() {
    let shop = Shop::new().await;
    for key in ["gr\u{fc}n", "a b", "a\tb", "\"a\u{fc}\"", "a\u{1f6d7}"] {
        let reply = shop.send(&order(key)).await;
        assert_eq!((reply.status, &*reply.problem()), (400, "key-invalid"), "{key:?}");
        assert!(!reply.text().contains(key), "it is not repeated");
    }
    // What is no header at all, the server refuses before the layer.
    let reply = shop.send(&order("a\0b")).await;
    assert_eq!((reply.status, shop.sold()), (400, 0));
}

#[tokio::test]
async fn case_06_bare_and_quoted_are_one_key_and_lists_are_none() {
    let shop = Shop::new().await;
    assert_eq!(shop.send(&order("\"k-1\"")).await.status, 201);
    assert!(shop.send(&order("k-1")).await.is_replayed());
    assert!(shop.send(&order(" \"k-1\" ")).await.is_replayed());
    for key in ["k-1, k-2", "\"k-1\", \"k-2\"", "k-1,", "\"k-1\"; p=1", "\"k-1"] {
        assert_eq!(shop.send(&order(key)).await.problem(), "key-invalid", "{key}");
    }
    let twice = order("k-1").key("k-1");
    assert_eq!(shop.send(&twice).await.problem(), "key-invalid");
    assert_eq!(shop.sold(), 1);
}

#[tokio::test]
async fn case_07_the_headers_name() {
    let shop = Shop::new().await;
    let ask = |name: &str| Ask::post("/orders").by("alice").header(name, "k").body("1");
    assert_eq!(shop.send(&ask("IDEMPOTENCY-KEY")).await.status, 201);
    assert!(shop.send(&ask("idempotency-key")).await.is_replayed());
    let other = Shop::with(layer(&memory()).key_header(HeaderName::from_static("x-request"))).await;
    assert_eq!(other.send(&ask("x-request")).await.status, 201);
    assert!(other.send(&ask("X-Request")).await.is_replayed());
    for _ in 0..2 {
        assert!(!other.send(&ask("idempotency-key")).await.is_replayed(), "the default name is ignored then");
    }
    assert_eq!((shop.sold(), other.sold()), (1, 3));
}

#[tokio::test]
async fn case_08_other_methods_are_passed_on() {
    let shop = Shop::with(layer(&memory()).required()).await;
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
        for _ in 0..2 {
            let reply = shop.send(&Ask::new(method, "/orders").by("alice").key("k")).await;
            assert!(!reply.is_replayed() && reply.status != 400, "{method}");
        }
    }
    assert_eq!(shop.sold(), 4, "each PUT and DELETE ran");
    let all = Shop::with(layer(&memory()).methods([http::Method::PUT, http::Method::DELETE])).await;
    for method in ["PUT", "DELETE"] {
        let ask = Ask::new(method, "/orders").by("alice").key(method);
        assert!(!all.send(&ask).await.is_replayed());
        assert!(all.send(&ask).await.is_replayed());
    }
    assert_eq!((all.sold(), all.send(&order("k")).await.is_replayed()), (2, false));
    assert!(!all.send(&order("k")).await.is_replayed(), "POST was not chosen");
}
