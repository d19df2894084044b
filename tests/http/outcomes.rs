//! Which answers are kept, and what becomes of the key where one is not.

use crate::client::{Ask, Reply, read_until, soon};
use crate::shop::{Shop, layer, memory, order};
use idempotently::OnInterruption;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn status(status: u16) -> Ask {
    Ask::post(&format!("/status/{status}")).by("alice").key(status.to_string())
}

fn alice(path: &str) -> Ask {
    Ask::post(path).by("alice").key("k")
}

#[tokio::test]
async fn case_22_which_answers_are_kept() {
    let shop = Shop::new().await;
    for code in [200, 201, 202, 300, 302, 303, 400, 402, 403, 404, 409, 410, 412, 418, 422] {
        let (first, again) = (shop.send(&status(code)).await, shop.send(&status(code)).await);
        assert_eq!((first.status, first.is_replayed()), (code, false));
        assert_eq!((again.status, again.is_replayed(), again.body), (code, true, first.body));
    }
    for code in [401, 407, 408, 421, 423, 425, 429, 500, 501, 502, 503, 504] {
        let (first, again) = (shop.send(&status(code)).await, shop.send(&status(code)).await);
        assert_eq!((first.status, again.status, again.is_replayed()), (code, code, false), "{code}");
        assert_ne!(first.body, again.body);
    }
}

#[tokio::test]
async fn case_22_which_answers_are_kept_can_be_chosen() {
    let shop = Shop::with(layer(&memory()).keep(|parts| parts.status.is_success() || parts.status == 500)).await;
    for (code, is_kept) in [(200, true), (500, true), (404, false), (503, false)] {
        shop.send(&status(code)).await;
        assert_eq!(shop.send(&status(code)).await.is_replayed(), is_kept, "{code}");
    }
}

#[tokio::test]
async fn case_23_a_failure_frees_the_key() {
    let shop = Shop::new().await;
    assert_eq!(shop.send(&status(503)).await.text(), "1");
    assert_eq!(shop.send(&status(503)).await.text(), "2");
    let shop = Shop::new().await;
    let throw = alice("/throw");
    assert_eq!(throw.try_send(shop.address).await, None, "the connection ends, as it does without the layer");
    let again = shop.send(&throw).await;
    assert_eq!((again.text().as_str(), again.is_replayed()), ("caught", false));
    assert!(shop.send(&throw).await.is_replayed());
    assert_eq!(shop.sold(), 2);
}

/// A panic after an effect is the same to the layer as one before.
#[tokio::test]
async fn case_23_a_failure_that_is_not_to_be_repeated() {
    let shop = Shop::with(layer(&memory()).interrupted(OnInterruption::Fail)).await;
    assert_eq!(alice("/throw").try_send(shop.address).await, None);
    for _ in 0..2 {
        let again = shop.send(&alice("/throw")).await;
        assert_eq!((again.status, &*again.problem(), again.header("retry-after")), (409, "interrupted", None));
    }
    assert_eq!(shop.sold(), 1);
}

#[tokio::test]
async fn case_24_a_corrected_request_after_a_failure() {
    let shop = Shop::new().await;
    let ask = |code: u16, body: &str| Ask::post(&format!("/status/{code}")).by("alice").key("k").body(body);
    assert_eq!(shop.send(&ask(429, "wrong")).await.status, 429);
    assert_eq!(shop.send(&ask(400, "wrong")).await.status, 400, "the key was free, also for another request");
    assert_eq!(
        shop.send(&ask(200, "right")).await.problem(),
        "key-reused",
        "a 400 is kept: a new request has a new key"
    );
    assert_eq!(shop.sold(), 2);
}

#[tokio::test]
async fn case_25_a_handler_that_frees_the_key() {
    for path in ["/release", "/release/header"] {
        let shop = Shop::new().await;
        for number in ["1", "2", "3"] {
            // The last one has no key, and the layer nothing to do.
            let ask = if number == "3" { Ask::post(path) } else { alice(path) };
            let reply = shop.send(&ask).await;
            assert_eq!((reply.status, reply.text().as_str(), reply.is_replayed()), (200, number, false));
            assert_eq!(reply.header("idempotency-keep"), None);
        }
    }
}

#[tokio::test]
async fn case_26_a_stream_is_delivered_as_it_comes_and_not_run_again() {
    let shop = Shop::new().await;
    let mut live = alice("/stream").open(shop.address).await;
    let read = read_until(&mut live, b"first of 1;").await;
    assert!(String::from_utf8_lossy(&read).contains("idempotency-stored: false"), "the client is told");
    shop.till.entered().await;
    for _ in 0..2 {
        let again = shop.send(&alice("/stream")).await;
        assert_eq!((again.status, &*again.problem(), again.header("retry-after")), (409, "response-not-kept", None));
        assert!(again.text().contains("\"original_status\":200"));
    }
    shop.till.go(1);
    read_until(&mut live, b"second").await;
    assert_eq!(shop.sold(), 1);
}

#[tokio::test]
async fn case_26_a_stream_that_is_waited_for_is_kept() {
    let shop = Shop::with(layer(&memory()).keep_streamed()).await;
    shop.till.go(1);
    let (first, again) = (shop.send(&alice("/stream")).await, shop.send(&alice("/stream")).await);
    assert_eq!((first.text().as_str(), first.is_replayed()), ("first of 1;second", false));
    assert_eq!((again.text().as_str(), again.is_replayed()), ("first of 1;second", true));
}

#[tokio::test]
async fn case_27_a_response_over_the_cap_is_delivered_and_not_run_again() {
    let shop = Shop::with(layer(&memory()).max_response(1000)).await;
    let big = |bytes: usize| Ask::post(&format!("/big/{bytes}")).by("alice").key(bytes.to_string());
    for bytes in [1001, 5000, 3_000_000] {
        let first = shop.send(&big(bytes)).await;
        assert_eq!((first.status, first.body.len(), first.header("idempotency-stored")), (200, bytes, Some("false")));
        assert_eq!(shop.send(&big(bytes)).await.problem(), "response-not-kept");
    }
    let first = shop.send(&big(900)).await;
    assert_eq!((first.status, first.header("idempotency-stored")), (200, None));
    assert!(shop.send(&big(900)).await.is_replayed());
    assert_eq!(shop.sold(), 4);
}

/// Its length is not known beforehand, so the cap is met on the way.
#[tokio::test]
async fn case_27_a_stream_over_the_cap_is_delivered_whole() {
    let shop = Shop::with(layer(&memory()).keep_streamed().max_response(12)).await;
    shop.till.go(2);
    let first = shop.send(&alice("/stream")).await;
    assert_eq!((first.text().as_str(), first.header("idempotency-stored")), ("first of 1;second", Some("false")));
    assert_eq!(shop.send(&alice("/stream")).await.problem(), "response-not-kept");
}

/// Its client sees that it broke off, and not a whole answer.
#[tokio::test]
async fn case_27_a_response_that_breaks_off_is_not_run_again() {
    let shop = Shop::with(layer(&memory()).keep_streamed()).await;
    let mut stream = alice("/broken").open(shop.address).await;
    let mut read = Vec::new();
    let _ = soon(stream.read_to_end(&mut read)).await;
    let text = String::from_utf8_lossy(&read);
    assert!(!text.ends_with("0\r\n\r\n"), "{text}");
    assert_eq!(shop.send(&alice("/broken")).await.problem(), "response-not-kept");
    assert_eq!(shop.sold(), 1);
}

#[tokio::test]
async fn case_28_a_request_over_the_cap() {
    let shop = Shop::with(layer(&memory()).required().max_request(10)).await;
    let whole = |bytes: usize| alice("/orders").body("x".repeat(bytes));
    assert_eq!(shop.send(&whole(11)).await.problem(), "request-too-large");
    assert_eq!(shop.send(&alice("/orders").chunked(&[b"123456", b"78901"])).await.problem(), "request-too-large");
    assert_eq!(shop.sold(), 0);
    assert_eq!(shop.send(&whole(10)).await.status, 201, "exactly at the cap");
    assert!(shop.send(&alice("/orders").chunked(&[b"xxxxxx", b"xxxx"])).await.is_replayed());
    let without = Ask::post("/orders").by("alice").body("x".repeat(11));
    assert_eq!(shop.send(&without).await.problem(), "key-missing", "size is no way around the key");
    let negative = alice("/orders").header("content-length", "-1");
    let refused = negative.try_send(shop.address).await;
    assert!(refused.is_none_or(|reply| reply.status == 400), "the server refuses it before the layer");
    assert_eq!(shop.sold(), 1);
}

/// Who says beforehand that it is too much is answered before a byte of it has come.
#[tokio::test]
async fn case_28_a_length_that_is_told_is_enough() {
    let shop = Shop::with(layer(&memory()).max_request(10)).await;
    let mut stream = alice("/orders").body("x".repeat(1000)).open_partly(shop.address, 0).await;
    let reply = Reply::read(&mut stream).await.unwrap();
    assert_eq!((reply.status, &*reply.problem()), (413, "request-too-large"));
    // And who does not is answered while more could come.
    let endless = alice("/orders").header("transfer-encoding", "chunked");
    let mut stream = endless.open(shop.address).await;
    stream.write_all(b"b\r\n12345678901\r\n").await.unwrap();
    assert_eq!(Reply::read(&mut stream).await.unwrap().problem(), "request-too-large");
    assert_eq!((shop.sold(), shop.send(&order("k")).await.status), (0, 201));
}

/// Whoever asks again may read other encodings than the first one did.
#[tokio::test]
async fn an_answer_in_an_encoding_that_is_not_accepted() {
    let shop = Shop::with(layer(&memory()).keep_streamed()).await;
    let plain = alice("/zipped");
    let zipping = || alice("/zipped").header("accept-encoding", "gzip");
    let first = shop.send(&zipping()).await;
    assert_eq!((first.header("content-encoding"), first.is_replayed()), (Some("gzip"), false));
    for refused in [plain, alice("/zipped").header("accept-encoding", "br, gzip;q=0")] {
        let refused = shop.send(&refused).await;
        assert_eq!((refused.status, &*refused.problem()), (406, "encoding-not-accepted"));
    }
    let again = shop.send(&zipping()).await;
    assert_eq!((again.is_replayed(), again.header("content-encoding"), shop.sold()), (true, Some("gzip"), 1));
    let other = alice("/zipped").header("accept-encoding", "gzip, br");
    assert!(shop.send(&other).await.is_replayed());
}

#[tokio::test]
async fn an_answer_that_broke_off_is_not_said_to_be_delivered() {
    let shop = Shop::with(layer(&memory()).keep_streamed()).await;
    let _ = alice("/broken").open(shop.address).await;
    let again = alice("/broken").send_until_answered(shop.address).await;
    assert_eq!((again.status, &*again.problem(), shop.sold()), (409, "response-not-kept", 1));
    assert!(again.text().contains("broke off") && !again.text().contains("delivered"), "{}", again.text());
}

#[tokio::test]
async fn what_belongs_to_one_request_is_not_replayed() {
    let shop = Shop::new().await;
    let (first, again) = (shop.send(&alice("/numbered")).await, shop.send(&alice("/numbered")).await);
    for name in ["x-request-id", "ratelimit-remaining", "server-timing"] {
        assert_eq!((first.all(name).len(), again.all(name).len()), (1, 0), "{name}");
    }
    assert_eq!((again.header("x-order"), again.is_replayed()), (Some("1"), true));
}
