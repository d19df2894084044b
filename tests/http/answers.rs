//! What the first one gets, and what those get that ask again.

use crate::client::Ask;
use crate::shop::{Shop, layer, memory, order};
use http::HeaderName;
use idempotently::http::BodyFingerprint;

#[tokio::test]
async fn case_09_the_first_answer_again_and_again() {
    let shop = Shop::new().await;
    let first = shop.send(&order("k")).await;
    assert_eq!((first.status, first.header("idempotent-replayed")), (201, None));
    for _ in 0..5 {
        let again = shop.send(&order("k")).await;
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        assert_eq!(again.header("content-type"), Some("application/vnd.order+json"));
        assert_eq!(again.all("idempotent-replayed"), [b"true"]);
    }
    assert_eq!(shop.sold(), 1);
    let count = shop.send(&Ask::new("GET", "/orders")).await;
    assert_eq!(count.text(), "1");
}

#[tokio::test]
async fn case_10_whatever_the_answer_is_made_of() {
    let shop = Shop::new().await;
    for (kind, status) in [("empty", 204), ("accepted", 202), ("binary", 200), ("text", 200)] {
        let ask = Ask::post(&format!("/body/{kind}")).by("alice").key(kind);
        let (first, again) = (shop.send(&ask).await, shop.send(&ask).await);
        assert_eq!((first.status, first.is_replayed()), (status, false));
        assert_eq!((again.status, &again.body, again.is_replayed()), (status, &first.body, true), "{kind}");
        assert_eq!(again.header("content-type"), first.header("content-type"));
    }
    let (first, again) = (shop.send(&order("k")).await, shop.send(&order("k")).await);
    assert_eq!(first.header("location"), Some("/orders/5"));
    for name in ["location", "etag", "x-latin"] {
        assert_eq!(again.all(name), first.all(name), "{name}");
        assert_eq!(again.all(name).len(), 1);
    }
    assert_eq!(again.all("x-latin"), [b"gr\xfc\xdfe"]);
}

#[tokio::test]
async fn case_11_what_is_one_answers_own_is_not_replayed() {
    let shop = Shop::new().await;
    let (first, again) = (shop.send(&order("k")).await, shop.send(&order("k")).await);
    assert_eq!(first.all("set-cookie"), [&b"session=one"[..], b"cart=two"]);
    for name in ["set-cookie", "authorization", "www-authenticate", "vary", "x-hop"] {
        assert!(!first.all(name).is_empty(), "{name}");
        assert_eq!(again.all(name), Vec::<&[u8]>::new(), "{name}");
    }
    assert_eq!(first.header("cache-control"), Some("private, max-age=60"));
    assert_eq!(again.all("cache-control"), [b"no-store"]);
    assert_eq!(again.all("content-length"), [again.body.len().to_string().as_bytes()]);
    assert_eq!(again.all("date").len(), 1, "the server's own");
}

#[tokio::test]
async fn case_11_headers_can_be_chosen() {
    let names = || [HeaderName::from_static("location"), HeaderName::from_static("set-cookie")];
    let only = Shop::with(layer(&memory()).only_headers(names())).await;
    let without = Shop::with(layer(&memory()).without_headers(names())).await;
    for (shop, location, etag) in [(&only, 1, 0), (&without, 0, 1)] {
        shop.send(&order("k")).await;
        let again = shop.send(&order("k")).await;
        assert_eq!((again.all("location").len(), again.all("etag").len()), (location, etag));
        assert_eq!((again.is_replayed(), again.all("set-cookie").len()), (true, 0));
    }
}

#[tokio::test]
async fn case_12_different_keys_run_separately() {
    let shop = Shop::new().await;
    for number in 1..=3 {
        let reply = shop.send(&order(&format!("k-{number}"))).await;
        assert_eq!((reply.status, reply.is_replayed()), (201, false));
        assert_eq!(shop.sold(), number);
    }
}

#[tokio::test]
async fn case_13_another_request_under_the_same_key() {
    let shop = Shop::new().await;
    let first = shop.send(&order("k")).await;
    for body in ["{\"lift\":2}", "2", ""] {
        let reply = shop.send(&Ask::post("/orders").by("alice").key("k").body(body)).await;
        assert_eq!((reply.status, &*reply.problem()), (422, "key-reused"));
        assert_eq!(shop.send(&order("k")).await.body, first.body, "the answer is still there");
    }
    assert_eq!(shop.sold(), 1);
}

#[tokio::test]
async fn case_14_whatever_differs() {
    let shop = Shop::with(layer(&memory()).methods([http::Method::POST, http::Method::PATCH])).await;
    let ask = |method: &str, path: &str, body: &str| Ask::new(method, path).by("alice").key("k").body(body);
    let body = r#"{"a":{"b":1},"c":"x"}"#;
    assert_eq!(shop.send(&ask("POST", "/orders/1?x=1", body)).await.status, 201);
    for (method, path, body) in [
        ("POST", "/orders/1?x=1", r#"{"a":{"b":1},"c":"x","d":1}"#),
        ("POST", "/orders/1?x=1", r#"{"a":{"b":1}}"#),
        ("POST", "/orders/1?x=1", r#"{"a":{"b":2},"c":"x"}"#),
        ("POST", "/orders/1?x=1", r#"{"a":{"b":1},"c":"X"}"#),
        ("POST", "/orders/1?x=1", r#"{"a":{"b":1},"c":"x"} "#),
        ("POST", "/orders/1?x=1", ""),
        ("POST", "/orders/1?x=2", body),
        ("POST", "/orders/1", body),
        ("POST", "/orders/1?", body),
        ("POST", "/orders/2?x=1", body),
        ("POST", "/orders?x=1", body),
        ("PATCH", "/orders/1?x=1", body),
    ] {
        let reply = shop.send(&ask(method, path, body)).await;
        assert_eq!((reply.status, &*reply.problem()), (422, "key-reused"), "{method} {path} {body}");
    }
    assert!(shop.send(&ask("POST", "/orders/1?x=1", body)).await.is_replayed());
    assert_eq!(shop.sold(), 1);
}

#[tokio::test]
async fn case_15_the_order_of_members_matters_unless_it_is_said() {
    let bodies = [r#"{"a":1,"b":[1,2]}"#, "{ \"b\": [1, 2],\n\"a\": 1 }"];
    let bytes = Shop::new().await;
    let json = Shop::with(layer(&memory()).fingerprint(BodyFingerprint::json())).await;
    let ask = |body: &str| Ask::post("/orders").by("alice").key("k").body(body);
    for (shop, second) in [(&bytes, 422), (&json, 201)] {
        assert_eq!(shop.send(&ask(bodies[0])).await.status, 201);
        assert_eq!(shop.send(&ask(bodies[1])).await.status, second);
        assert_eq!(shop.send(&ask(r#"{"a":1,"b":[2,1]}"#)).await.status, 422);
        assert_eq!(shop.sold(), 1);
    }
}

#[tokio::test]
async fn case_16_another_request_while_the_first_runs_is_422_and_not_409() {
    let shop = Shop::new().await;
    let ask = |body: &str| Ask::post("/slow").by("alice").key("k").body(body);
    let one = ask("one");
    let (first, others) = tokio::join!(shop.send(&one), async {
        shop.till.entered().await;
        let other = shop.send(&ask("two")).await;
        let same = shop.send(&ask("one")).await;
        shop.till.go(1);
        (other, same)
    });
    assert_eq!((others.0.status, &*others.0.problem()), (422, "key-reused"));
    assert_eq!((others.1.status, &*others.1.problem()), (409, "in-flight"));
    assert_eq!((first.status, shop.sold()), (200, 1));
}

#[tokio::test]
async fn case_17_parts_do_not_run_into_each_other() {
    let shop = Shop::new().await;
    let ask = |path: &str, body: &str| Ask::post(path).by("alice").key("k").body(body);
    assert_eq!(shop.send(&ask("/orders/a1", "2")).await.status, 201);
    assert_eq!(shop.send(&ask("/orders/a", "12")).await.status, 422);
    assert_eq!(shop.send(&ask("/orders/a?1", "2")).await.status, 422);
    assert_eq!(shop.sold(), 1);
}

#[tokio::test]
async fn case_18_what_changes_from_try_to_try_can_be_left_out() {
    let fingerprint = BodyFingerprint::json_without(["/sent_at", "/client/try"]);
    let shop = Shop::with(layer(&memory()).fingerprint(fingerprint)).await;
    let ask = |body: &str| Ask::post("/orders").by("alice").key("k").body(body);
    assert_eq!(shop.send(&ask(r#"{"lift":1,"sent_at":1,"client":{"try":1}}"#)).await.status, 201);
    assert!(shop.send(&ask(r#"{"lift":1,"sent_at":2,"client":{"try":2}}"#)).await.is_replayed());
    assert_eq!(shop.send(&ask(r#"{"lift":2,"sent_at":1,"client":{"try":1}}"#)).await.status, 422);
}

/// A pointer goes into an array by an index, and by nothing else.
#[tokio::test]
async fn an_element_of_an_array_is_named_by_its_index() {
    let ask = |key: &str, body: &str| Ask::post("/orders").by("alice").key(key).body(body);
    for (pointer, is_same) in [("/x/y", false), ("/x/0/y", true), ("/x/1/y", false)] {
        let fingerprint = BodyFingerprint::json_without([pointer]);
        let shop = Shop::with(layer(&memory()).fingerprint(fingerprint)).await;
        assert_eq!(shop.send(&ask("k", r#"{"x":[{"y":1}]}"#)).await.status, 201);
        let other = shop.send(&ask("k", r#"{"x":[{"y":2}]}"#)).await;
        assert_eq!(other.status, if is_same { 201 } else { 422 }, "{pointer}");
        assert_eq!(other.is_replayed(), is_same);
    }
}

/// Browsers make a new boundary for every try.
#[tokio::test]
async fn a_form_is_the_same_whatever_its_boundary() {
    let shop = Shop::with(layer(&memory()).fingerprint(BodyFingerprint::multipart())).await;
    let form = |boundary: &str, text: &str| {
        let body =
            format!("--{boundary}\r\ncontent-disposition: form-data; name=\"t\"\r\n\r\n{text}\r\n--{boundary}--\r\n");
        let kind = format!("multipart/form-data; boundary={boundary}");
        Ask::post("/orders").by("alice").key("k").header("content-type", kind).body(body)
    };
    assert_eq!(shop.send(&form("one", "tea")).await.status, 201);
    assert!(shop.send(&form("two", "tea")).await.is_replayed());
    assert_eq!(shop.send(&form("two", "milk")).await.problem(), "key-reused");
}
