//! Every mistake that the macro itself finds: what it says, and where.

use super::try_idempotent;
use crate::validate::Features;

const FEATURES: Features = Features { tokio: true, durable: true, transactions: true };

/// Every mistake as the text that it points at and its message.
fn mistakes(args: &str, item: &str, features: Features) -> Vec<(String, String)> {
    let expanded = try_idempotent(args.parse().unwrap(), item.parse().unwrap(), features);
    let Err(all) = expanded else { return Vec::new() };
    all.into_iter().map(|error| (error.span().source_text().unwrap_or_default(), error.to_string())).collect()
}

fn check(cases: &[(&str, &str, &str, &str)]) {
    for (args, item, at, message) in cases {
        let found = mistakes(args, item, FEATURES);
        let [(place, said)] = found.as_slice() else { panic!("{args} on {item}: {found:?}") };
        assert_eq!(place, at, "{args} on {item}: {said}");
        assert!(said.contains(message), "{args} on {item}: {said}");
    }
}

#[test]
fn of_the_function() {
    check(&[
        ("key = n", "const fn f(n: u8) -> u8 { n }", "const", "remove `const`"),
        ("key = 1", "fn main() {}", "main", "`main` runs once as it is"),
        ("key = n", "fn f(n: u8) -> ! { loop {} }", "!", "no outcome to keep"),
        ("key = n", "fn f(n: u8);", "f", "`f` has no body here"),
        ("key = n", "unsafe extern \"C\" fn f(n: u8, ...) {}", "...", "variadic"),
        ("key = n", "struct S { n: u8 }", "struct", "not a type"),
        ("key = n", "impl S {}", "impl", "on each method inside"),
        ("key = n", "#[idempotent(key = m)] fn f(n: u8) {}", "#[idempotent(key = m)]", "one operation"),
        (
            "key = n",
            "async fn f(n: u8) -> impl Future<Output = u8> { g(n) }",
            "impl Future<Output = u8>",
            "remove `async`",
        ),
        ("key = n", "async fn f(n: u8) -> BoxFuture<'static, u8> { g(n) }", "BoxFuture<'static, u8>", "remove `async`"),
    ]);
}

#[test]
fn of_the_outcome() {
    check(&[
        ("key = n", "fn f(n: &str) -> &str { n }", "&str", "so it cannot borrow"),
        ("key = n", "async fn f(n: &str) -> Option<&str> { n }", "Option<&str>", "so it cannot borrow"),
        ("key = n", "fn f<'a>(n: &'a str) -> Cow<'a, str> { n }", "Cow<'a, str>", "so it cannot borrow"),
        (
            "key = n",
            "fn f(n: &str) -> impl Iterator<Item = u8> + '_ { n }",
            "impl Iterator<Item = u8> + '_",
            "so it cannot borrow",
        ),
        ("key = n", "fn f(n: &str) -> impl Future<Output = &str> { n }", "&str", "so it cannot borrow"),
        ("key = n", "fn f(n: &str) -> BoxFuture<'_, &str> { n }", "&str", "so it cannot borrow"),
    ]);
    for item in [
        "fn f(n: &str) -> &'static str { n }",
        "fn f(n: &str) -> fn(&str) -> &str { n }",
        "fn f(n: &str) -> BoxFuture<'_, u8> { n }",
        "fn f<'a>(n: &'a str) -> Pin<Box<dyn Future<Output = u8> + 'a>> { n }",
        "fn f(n: &str) -> impl Future<Output = u8> + '_ { n }",
        "fn main(&self, n: u8) {}",
    ] {
        assert_eq!(mistakes("key = n", item, FEATURES), [], "{item}");
    }
}

#[test]
fn of_the_key() {
    let item = "fn f(order: Order) -> u8 { 1 }";
    check(&[
        ("", item, "", "`key` is missing: say what makes two calls the same, as in `key = order`"),
        ("retention = \"1h\"", "fn f(&self) {}", "", "as in `key = self`"),
        ("key = \"order.id\"", item, "\"order.id\"", "`key = order.id`, or make it a hole, `key = \"{order.id}\"`"),
        ("key = \"order\"", item, "\"order\"", "write `key = order`"),
        ("key = \"orders\"", item, "\"orders\"", "`key = order`; where all calls are one, write `key = (\"orders\",)`"),
        ("key = 5", item, "5", "this key is the same in every call"),
        ("key = -5", item, "-5", "this key is the same in every call"),
        ("key = true", "fn f(&self) {}", "true", "as in `key = self`"),
        ("key = &\"{{}}\"", item, "&\"{{}}\"", "this key is the same in every call"),
        ("key = self.id", item, "self", "there is no `self` here: name an argument, such as `order`"),
        ("key = (order.id, g(self))", item, "self", "there is no `self` here"),
        ("key = \"{}-{}\", order.id, order", item, "\"{}-{}\"", "names nothing"),
        ("key = ()", item, "()", "a key with nothing in it"),
        ("key = (order.id, 1.5)", item, "1.5", "a float is no key"),
        ("key = \"{order.id:?}\"", item, "\"{order.id:?}\"", "`key::display(&order.id)`"),
        ("key = (order.id, \"{}\")", item, "\"{}\"", "names nothing"),
        ("key = (order.id, 1), missing = run", item, "(order.id, 1)", "put the parts into it"),
        ("missing = run, key = \"{order}:1\"", item, "\"{order}:1\"", "put the parts into it"),
    ]);
    for key in
        ["\"order-{order.id}\"", "(\"border.id\",)", "(order.id, \"order list\")", "(\"orders\",)", "(5,)", "ORDERS"]
    {
        let args = format!("key = {key}");
        assert_eq!(mistakes(&args, item, FEATURES), [], "{key}");
    }
}

#[test]
fn of_values() {
    let item = "fn f(n: u8) -> Result<u8, E> { Ok(n) }";
    check(&[
        ("key = n, retention = \"5 parsecs\"", item, "\"5 parsecs\"", "`parsecs` is not a unit of time"),
        ("key = n, retention = 5", item, "5", "or an expression of type `Duration`"),
        ("key = n, retention = \"forever\"", item, "\"forever\"", "without the quotation marks"),
        ("key = n, in_flight = fail", item, "fail", "`wait`, `wait(\"10s\")` or `reject`"),
        ("key = n, in_flight = wait(\"10\")", item, "\"10\"", "`10` has no unit"),
        ("key = n, in_flight = wait(10)", item, "wait(10)", "`wait`, `wait(\"10s\")` or `reject`"),
        ("key = n, in_flight = wait(\"1s\", 2)", item, "wait(\"1s\", 2)", "`wait(\"10s\")`"),
        ("key = n, keep = true", item, "true", "or a predicate"),
        ("key = n, keep = err", item, "err", "or a predicate"),
        ("key = n, keep = (always)", item, "(always)", "or a predicate"),
        ("key = n, on_failure = panic", item, "panic", "`retry`"),
        ("key = n, missing = skip", item, "skip", "`run`"),
        ("key = n, capacity = 0", item, "0", "from 1 on"),
        ("key = n, capacity = -1", item, "-1", "from 1 on"),
        ("key = n, capacity = x", item, "x", "from 1 on, or a constant"),
        ("key = n, capacity = limits.n", item, "limits.n", "from 1 on, or a constant"),
        ("key = n, capacity = (1, 2)", item, "(1, 2)", "from 1 on, or a constant"),
        ("key = n, scope = \" \"", item, "\" \"", "the same in every call"),
        ("key = n, scope = 5", item, "5", "the same in every call"),
        ("key = n, scope = \"{n}\"", item, "\"{n}\"", "has no holes"),
        ("key = n, scope = payments.charge", item, "payments.charge", "write `scope = \"payments.charge\"`"),
        ("key = n, scope = (charge)", item, "(charge)", "write `scope = \"charge\"`"),
        ("key = n, scope = payments::charge", item, "payments::charge", "write `scope = \"payments::charge\"`"),
        ("key = n, handle = \"A\"", item, "\"A\"", "the name of the static"),
        ("key = n, crate = \"a::b\"", item, "\"a::b\"", "without quotation marks"),
        ("key = n, crate = a::<b>", item, "a::<b>", "the path to `idempotently`"),
        ("key = n, fingerprint = n", item, "n", "never differs"),
        ("key = n, fingerprint = 5", item, "5", "a constant never differs"),
        ("key = n, fingerprint = ()", item, "()", "never differs"),
    ]);
    let item = "fn f(&self, n: u8, names: Names) -> Result<u8, E> { Ok(n) }";
    for args in [
        "capacity = MAX",
        "capacity = limits::ORDERS",
        "capacity = 2 * MAX",
        "capacity = limit(3)",
        "capacity = 1 << 10",
        "keep = is_final",
        "keep = outcome::err",
        "scope = SCOPE",
        "scope = T::SCOPE",
        "scope = scopes::CHARGE",
        "scope = names.charge",
        "scope = self.scope",
        "scope = self::scope",
        "scope = scope()",
    ] {
        assert_eq!(mistakes(&format!("key = n, {args}"), item, FEATURES), [], "{args}");
    }
}

#[test]
fn of_what_goes_together() {
    let result = "fn f(n: u8) -> Result<u8, E> { Ok(n) }";
    let number = "fn f(n: u8) -> u8 { n }";
    let nothing = "async fn f(n: u8) {}";
    let future = "fn f(n: u8) -> impl Future<Output = Option<u8>> { g(n) }";
    let says = "let it return `Result<_, E>` with `E: From<idempotently::Error>`";
    check(&[
        ("key = n, in_flight = reject", number, "in_flight", says),
        ("key = n, in_flight = wait(\"1s\")", nothing, "in_flight", says),
        ("key = n, missing = reject", future, "missing", says),
        ("key = n, capacity = 5", number, "capacity", says),
        ("key = n, fingerprint = n + 1", number, "fingerprint", says),
        ("key = n, keep = ok", number, "ok", "this function returns none"),
        ("key = n, keep = ok", nothing, "ok", "this function returns none"),
        ("key = n, keep = ok", future, "ok", "this function returns none"),
        ("keep = all, key = n, on_failure = share", result, "on_failure = share", "leave one of the two out"),
        ("on_failure = share, key = n, keep = all", result, "keep = all", "leave one of the two out"),
        ("key = n, on_failure = share, in_flight = reject", result, "in_flight = reject", "nobody waits"),
        ("key = n, on_failure = share", number, "on_failure = share", "no failure to share"),
        ("key = n, handle = A", "fn f(&self, n: u8) {}", "A", "a method has no place for one"),
        ("key = n, handle = A", "fn f(n: u8) -> Self { n }", "A", "a method has no place for one"),
    ]);
    for (args, item) in [
        ("key = n, in_flight = wait", number),
        ("key = n, missing = run", number),
        ("key = n, keep = all", number),
        ("key = n, on_failure = retry, keep = all", result),
        ("key = n, keep = |n| *n > 0, on_failure = share", number),
        ("key = n, in_flight = reject, keep = ok", "fn f(n: u8) -> Reply<u8> { Ok(n) }"),
    ] {
        assert_eq!(mistakes(args, item, FEATURES), [], "{args} on {item}");
    }
}

#[test]
fn of_detached() {
    check(&[
        ("key = n, detached", "fn f(n: u8) -> u8 { n }", "detached", "make the function `async`"),
        ("key = n, detached", "async fn f(n: &str) {}", "&str", "such as `String` for `&str`"),
        ("key = n, detached", "async fn f(n: Cow<'_, str>) {}", "Cow<'_, str>", "take this owned"),
        ("key = n, detached", "async fn f(&self, n: u8) {}", "&self", "take `self: Arc<Self>`"),
        ("key = n, detached", "async fn f(self: &Arc<Self>, n: u8) {}", "self: &Arc<Self>", "take `self: Arc<Self>`"),
    ]);
    let owned = "async fn f(self: Arc<Self>, n: &'static str, by: fn(&str)) {}";
    assert_eq!(mistakes("key = n, detached", owned, FEATURES), []);
    let found = mistakes("key = n, detached", owned, Features { tokio: false, ..FEATURES });
    let [(place, said)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(place, "detached");
    assert!(said.contains("features = [\"tokio\"]"), "{said}");
}

#[test]
fn of_futures_that_borrow_nothing() {
    let says = "as in `Pin<Box<dyn Future<Output = …> + '_>>`";
    let boxed = "-> Pin<Box<dyn Future<Output = u8> + Send>>";
    let item = |arguments: &str, returns: &str, body: &str| format!("fn f({arguments}) {returns} {{ {body} }}");
    for (args, item, at) in [
        ("key = n", item("n: &str", boxed, "g()"), "&str"),
        ("key = (1,)", item("n: &str", boxed, "g(n)"), "&str"),
        ("key = (1,)", item("(n, _): (&str, u8)", boxed, "g(n)"), "(&str, u8)"),
        ("key = (1,)", item("n: Cow<'_, str>", "-> BoxFuture<'static, u8>", "g(vec![n])"), "Cow<'_, str>"),
        ("key = self.id", item("&self", boxed, "g()"), "&self"),
        ("key = (1,)", item("self: &Arc<Self>", boxed, "g(self)"), "self: &Arc<Self>"),
    ] {
        check(&[(args, &item, at, says)]);
    }
    let says = "as in `impl Future<Output = …>` without `'static` and `use<>`";
    for returns in ["-> impl Future<Output = u8> + 'static", "-> impl Future<Output = u8> + use<>"] {
        check(&[("key = n", &item("n: &str", returns, "g()"), "&str", says)]);
    }
    for item in [
        item("n: u8, unused: &str", boxed, "g(n)"),
        item("n: &'static str", boxed, "g(n)"),
        item("n: &str", "-> Pin<Box<dyn Future<Output = u8> + '_>>", "g(n)"),
        item("n: &str", "-> BoxFuture<'_, u8>", "g(n)"),
        item("n: &str", "-> impl Future<Output = u8>", "g(n)"),
        item("n: u8", "-> impl Future<Output = u8> + 'static", "g(n)"),
    ] {
        assert_eq!(mistakes("key = n", &item, FEATURES), [], "{item}");
    }
}

#[test]
fn of_records_in_a_store() {
    let item = "fn f(n: u8) -> Result<u8, E> { Ok(n) }";
    let terms = "scope = \"n\", interrupted = retry";
    let check =
        |args: &str, item: &str, at: &str, message: &str| check(&[(&format!("key = n, {args}"), item, at, message)]);
    for word in ["durable", "store"] {
        let chosen = if word == "store" { "store = &n.store" } else { word };
        check(&format!("{chosen}, scope = \"n\""), item, word, "needs a choice");
        check(&format!("{chosen}, interrupted = fail"), item, word, "write `scope = \"payments.charge\"`");
        check(&format!("{chosen}, {terms}"), "fn f(n: u8) -> u8 { n }", word, "let it return `Result<_, E>`");
        check(&format!("{chosen}, {terms}, capacity = 5"), item, "capacity", "keeps none there");
        check(&format!("{chosen}, {terms}, handle = A"), item, "handle", "use `Records::of(&store)`");
        let detached = format!("key = n, detached, {chosen}, {terms}");
        assert_eq!(mistakes(&detached, "async fn f(n: u8) -> Result<u8, E> { Ok(n) }", FEATURES), []);
        check(&format!("detached, {chosen}, {terms}"), item, "detached", "make the function `async`");
        let all = format!("key = n, {chosen}, {terms}");
        let [(place, said)] = &mistakes(&all, item, Features { durable: false, ..FEATURES })[..] else {
            panic!("{all}")
        };
        assert_eq!(place, word);
        assert!(said.contains("features = [\"sqlite\"]"), "{said}");
        assert_eq!(mistakes(&all, item, FEATURES), []);
    }
    let both = "leave one of the two out";
    check(&format!("durable, store = s, {terms}"), item, "store = s", both);
    check(&format!("store = s, durable, {terms}"), item, "durable", both);
    check(&format!("store = \"redis://a\", {terms}"), item, "\"redis://a\"", "as in `store = &self.store`");
    for (args, at) in
        [("interrupted = fail", "interrupted"), ("lease = \"30s\"", "lease"), ("max_run = \"15m\"", "max_run")]
    {
        check(args, item, at, "only for records in a store: add `durable`");
    }
}

#[test]
fn of_what_is_promised_of_them() {
    let item = "fn f(n: u8) -> Result<u8, E> { Ok(n) }";
    let too_short = "no shorter than `lease`";
    for (terms, at, message) in [
        ("interrupted = retry(0)", "0", "for none write `fail`"),
        ("interrupted = retry(5_000_000_000)", "5_000_000_000", "a whole number from 1 on"),
        ("interrupted = retry(\"5\")", "retry(\"5\")", "`retry(5)` (at most 5 times)"),
        ("interrupted = maybe", "maybe", "`fail` (nobody runs it again)"),
        ("interrupted = fail, lease = 30", "30", "a text such as `\"30s\"`"),
        ("interrupted = fail, lease = \"30\"", "\"30\"", "`30` has no unit"),
        ("interrupted = fail, max_run = LONG", "LONG", "a text such as `\"15m\"`"),
        ("interrupted = fail, max_run = \"29s\"", "max_run = \"29s\"", too_short),
        ("interrupted = fail, lease = \"2m\", max_run = \"1m\"", "max_run = \"1m\"", too_short),
        ("interrupted = fail, max_run = \"1m\", lease = \"2m\"", "lease = \"2m\"", too_short),
    ] {
        let args = format!("key = n, durable, scope = \"n\", {terms}");
        check(&[(&args, item, at, message)]);
    }
    for terms in [
        "interrupted = retry",
        "interrupted = retry(5)",
        "interrupted = fail, lease = \"5s\", max_run = \"5s\"",
        "interrupted = fail, max_run = \"30s\"",
    ] {
        let args = format!("key = n, durable, scope = \"n\", {terms}");
        assert_eq!(mistakes(&args, item, FEATURES), [], "{terms}");
    }
}

#[test]
fn of_a_record_in_the_callers_transaction() {
    let item = "async fn f(tx: &mut C, n: u8) -> Result<u8, E> { Ok(n) }";
    let terms = "key = n, transaction = tx, scope = \"n\"";
    for (more, at, message) in [
        ("durable", "durable", "`durable` is for one in a store: leave `durable` out, or `transaction`"),
        ("store = &self.store", "store", "`store` is for one in a store"),
        ("interrupted = retry", "interrupted", "the next caller runs it: leave `interrupted` out"),
        ("max_run = \"1h\"", "max_run", "nothing is renewed in a transaction"),
        ("on_failure = retry", "on_failure", "what is not kept is rolled back"),
        ("detached", "detached", "which it cannot take along"),
        ("capacity = 5", "capacity", "keeps none there"),
        ("handle = A", "handle", "keeps none there"),
        ("lease = 5", "5", "a text such as `\"30s\"`"),
    ] {
        let args = format!("{terms}, {more}");
        let found = mistakes(&args, item, FEATURES);
        assert!(found.iter().any(|(place, said)| place == at && said.contains(message)), "{args}: {found:?}");
    }
    for (args, item, at, message) in [
        ("key = n, transaction = tx", item, "transaction", "`transaction` needs a `scope`"),
        ("key = n, transaction = tx.inner, scope = \"n\"", item, "tx.inner", "or a field of `self`"),
        ("key = n, transaction = \"tx\", scope = \"n\"", item, "\"tx\"", "as in `transaction = tx`"),
        ("key = n, transaction = self, scope = \"n\"", item, "self", "or a field of `self`"),
        ("key = n, transaction = conn, scope = \"n\"", item, "conn", "no argument is called `conn`"),
        ("key = n, transaction = self.tx, scope = \"n\"", item, "self.tx", "there is no `self` here"),
        (terms, "fn f(tx: &mut C, n: u8) -> Result<u8, E> { Ok(n) }", "transaction", "make the function `async`"),
        (terms, "async fn f(tx: &mut C, n: u8) -> u8 { n }", "transaction", "let it return `Result<_, E>`"),
        (
            terms,
            "async fn f(tx: &PgPool, n: u8) -> Result<u8, E> { Ok(n) }",
            "&PgPool",
            "see `idempotently::transaction`",
        ),
        (
            terms,
            "async fn f(tx: Transaction<'_, P>, n: u8) -> Result<u8, E> { Ok(n) }",
            "Transaction<'_, P>",
            "take it by `&mut`",
        ),
    ] {
        check(&[(args, item, at, message)]);
    }
    let of_self = "key = n, transaction = self.tx, scope = \"n\"";
    for (item, at, message) in [
        ("async fn f(&self, n: u8) -> Result<u8, E> { Ok(n) }", "&self", "the method takes `&mut self`"),
        ("fn f(&mut self, n: u8) -> BoxFuture<'_, Result<u8, E>> { g(n) }", "self.tx", "write `async fn`"),
    ] {
        check(&[(of_self, item, at, message)]);
    }
    assert_eq!(mistakes(of_self, "async fn f(&mut self, n: u8) -> Result<u8, E> { Ok(n) }", FEATURES), []);
    let more =
        "in_flight = wait(\"1s\"), lease = \"5s\", fingerprint = m, keep = all, missing = run, retention = forever";
    assert_eq!(mistakes(&format!("{terms}, {more}"), item, FEATURES), []);
    let without = mistakes(terms, item, Features { transactions: false, ..FEATURES });
    let [(place, said)] = &without[..] else { panic!("{without:?}") };
    assert_eq!(place, "transaction");
    assert!(said.contains("features = [\"postgres\"]"), "{said}");
}

#[test]
fn are_all_shown_together() {
    let args = "kye = n, capacity = 0, retention = \"soon\", keep = ok, interrupted = fail";
    let item = "const fn f(n: &str) -> &str { n }";
    let found = mistakes(args, item, FEATURES);
    let mut places: Vec<_> = found.iter().map(|(place, _)| place.as_str()).collect();
    places.sort_unstable();
    assert_eq!(places, ["\"soon\"", "&str", "0", "capacity", "const", "interrupted", "kye", "ok"], "{found:?}");
}
