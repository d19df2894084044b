//! Clients that nobody here wrote, against a shop that charges and then drops the connection. Each is also sent to the
//! shop without idempotency, which shows that it does try again.

#![expect(clippy::expect_used, clippy::panic, reason = "a test may fail where it stands")]

mod python;

use std::process::{Command, Output};

use idempotent_servers::find;
use idempotent_shop_tests::Shop;
use serde_json::{Value, json};

/// How many answers the network loses before one arrives.
const LOST: usize = 2;

/// What a client was told in the end.
#[derive(Debug, PartialEq)]
struct Answer {
    status: u64,
    is_replay: bool,
    body: Value,
}

/// A payment to be made.
struct Payment<'shop> {
    shop: &'shop Shop,
    /// `with` or `without`.
    which: &'static str,
    order: &'static str,
    lose: usize,
}

impl Payment<'_> {
    fn url(&self) -> String {
        format!("{}{}/payments", self.shop.url(), self.which)
    }

    fn headers(&self) -> [(&'static str, String); 3] {
        [
            ("Content-Type", "application/json".to_owned()),
            ("Idempotency-Key", format!("\"{}\"", self.order)),
            ("Shop-Lose", self.lose.to_string()),
        ]
    }

    fn body(&self) -> String {
        json!({ "order": self.order, "quantity": 1 }).to_string()
    }

    /// Has it made by a script, which is told all in its arguments.
    fn by(&self, mut command: Command) -> Answer {
        let headers: Value = self.headers().into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
        let told = printed(command.args([self.url(), headers.to_string(), self.body()]).output().expect("a client"));
        let told: Value = serde_json::from_str(&told).expect("JSON");
        Answer {
            status: told["status"].as_u64().expect("a status"),
            is_replay: told["replayed"] == "true",
            body: told["body"].clone(),
        }
    }

    /// Has it made by curl.
    fn by_curl(&self, patience: &[&str]) -> Answer {
        let mut curl = Command::new(find("curl").unwrap_or_else(|error| panic!("{error}")));
        curl.args(["--silent", "--show-error", "--retry", "5", "--retry-all-errors", "--retry-delay", "1"])
            .args(patience);
        for (name, value) in self.headers() {
            curl.args(["--header", &format!("{name}: {value}")]);
        }
        let shown = "\n%{response_code} %header{idempotent-replayed}";
        let told =
            printed(curl.args(["--data", &self.body(), "--write-out", shown, &self.url()]).output().expect("curl"));
        let (body, end) = told.rsplit_once('\n').expect("a body and a line");
        let (status, replayed) = end.split_once(' ').expect("two words");
        Answer {
            status: status.parse().expect("a status"),
            is_replay: replayed == "true",
            body: serde_json::from_str(body).expect("JSON"),
        }
    }
}

fn printed(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// One charge where there is idempotency, and one a try where there is none.
fn charges_once(pay: impl Fn(&Payment) -> Answer) {
    let shop = Shop::open();
    let order = "order-of-a-client";
    let unprotected = pay(&Payment { shop: &shop, which: "without", order, lose: LOST });
    assert_eq!((unprotected.status, unprotected.is_replay), (201, false));
    assert_eq!(shop.charges("without", order), [4_200; LOST + 1], "it tries again until there is an answer");

    let paid = pay(&Payment { shop: &shop, which: "with", order, lose: LOST });
    assert_eq!((paid.status, paid.is_replay), (201, true));
    assert_eq!(shop.charges("with", order), [4_200]);
    assert_eq!((&paid.body["order"], &paid.body["cents"]), (&json!(order), &json!(4_200)));
    // And once more, on a network that loses nothing.
    assert_eq!(pay(&Payment { shop: &shop, which: "with", order, lose: 0 }), paid);
    assert_eq!(shop.charges("with", order), [4_200]);
}

#[test]
fn curl_charges_once() {
    charges_once(|payment| payment.by_curl(&[]));
}

#[test]
fn a_curl_that_hangs_up_charges_once() {
    let (shop, order) = (Shop::open(), "order-of-somebody-impatient");
    let pay = |which| Payment { shop: &shop, which, order, lose: 0 }.by_curl(&["--max-time", "0.2"]);
    let paid = pay("with");
    assert_eq!((paid.status, paid.is_replay), (201, true));
    assert_eq!(shop.charges("with", order), [4_200], "the handler went on without its client");
}

#[test]
fn requests_with_the_retries_of_urllib3_charges_once() {
    charges_once(|payment| payment.by(python::script("with_requests.py")));
}

#[test]
fn httpx_in_a_loop_charges_once() {
    charges_once(|payment| payment.by(python::script("with_httpx.py")));
}

#[test]
fn fetch_of_node_charges_once() {
    charges_once(|payment| {
        let mut node = Command::new(find("node").unwrap_or_else(|error| panic!("{error}")));
        node.arg(python::beside("with_fetch.mjs"));
        payment.by(node)
    });
}
