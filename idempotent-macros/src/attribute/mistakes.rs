//! Every mistake that the macro itself finds: what it says, and where.

use super::try_idempotent;
use crate::validate::Features;

/// Every mistake as the text that it points at and its message.
fn mistakes(args: &str, item: &str, features: Features) -> Vec<(String, String)> {
    let expanded = try_idempotent(args.parse().unwrap(), item.parse().unwrap(), features);
    let Err(all) = expanded else { return Vec::new() };
    all.into_iter().map(|error| (error.span().source_text().unwrap_or_default(), error.to_string())).collect()
}

fn check(cases: &[(&str, &str, &str, &str)]) {
    for (args, item, at, message) in cases {
        let found = mistakes(args, item, Features { tokio: true });
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
        assert_eq!(mistakes("key = n", item, Features { tokio: true }), [], "{item}");
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
        ("key = ()", item, "()", "a key with nothing in it"),
        ("key = (order.id, 1.5)", item, "1.5", "a float is no key"),
        ("key = \"{order.id:?}\"", item, "\"{order.id:?}\"", "`key::display(&order.id)`"),
        ("key = (order.id, \"{}\")", item, "\"{}\"", "names nothing"),
        ("key = (order.id, 1), missing = run", item, "(order.id, 1)", "put the parts into it"),
        ("missing = run, key = \"{order}:1\"", item, "\"{order}:1\"", "put the parts into it"),
    ]);
    for key in ["\"orders\"", "\"order-{order.id}\"", "\"border.id\"", "(order.id, \"order list\")"] {
        let args = format!("key = {key}");
        assert_eq!(mistakes(&args, item, Features { tokio: true }), [], "{key}");
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
        ("key = n, on_failure = panic", item, "panic", "`retry`"),
        ("key = n, missing = skip", item, "skip", "`run`"),
        ("key = n, capacity = 0", item, "0", "from 1 on"),
        ("key = n, capacity = -1", item, "-1", "from 1 on"),
        ("key = n, capacity = x", item, "x", "from 1 on"),
        ("key = n, scope = \" \"", item, "\" \"", "the same in every call"),
        ("key = n, scope = 5", item, "5", "the same in every call"),
        ("key = n, scope = \"{n}\"", item, "\"{n}\"", "has no holes"),
        ("key = n, handle = \"A\"", item, "\"A\"", "the name of the static"),
        ("key = n, crate = \"a::b\"", item, "\"a::b\"", "without quotation marks"),
        ("key = n, crate = a::<b>", item, "a::<b>", "the path to `idempotently`"),
        ("key = n, fingerprint = n", item, "n", "never differs"),
        ("key = n, fingerprint = 5", item, "5", "a constant never differs"),
        ("key = n, fingerprint = ()", item, "()", "never differs"),
    ]);
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
        assert_eq!(mistakes(args, item, Features { tokio: true }), [], "{args} on {item}");
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
    assert_eq!(mistakes("key = n, detached", owned, Features { tokio: true }), []);
    let found = mistakes("key = n, detached", owned, Features { tokio: false });
    let [(place, said)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(place, "detached");
    assert!(said.contains("features = [\"tokio\"]"), "{said}");
}

#[test]
fn are_all_shown_together() {
    let args = "kye = n, capacity = 0, retention = \"soon\", keep = ok, durable";
    let item = "const fn f(n: &str) -> &str { n }";
    let found = mistakes(args, item, Features { tokio: true });
    let mut places: Vec<_> = found.iter().map(|(place, _)| place.as_str()).collect();
    places.sort_unstable();
    assert_eq!(places, ["\"soon\"", "&str", "0", "capacity", "const", "durable", "kye", "ok"], "{found:?}");
}
