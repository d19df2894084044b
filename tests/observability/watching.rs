//! What a test sees of spans, events and numbers; a key among them ends it.

use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata as About, Recorder, SharedString, Unit,
};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Debug};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// A key that must not be seen by anybody.
pub(crate) const SECRET: &str = "4111 1111 1111 1111";

/// A number's name and its labels.
type Name = (String, Vec<(String, String)>);

type Fields = BTreeMap<String, String>;

/// Everything that was told while a test was watching.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The fields of each call's span, in the order of their answers.
    pub(crate) calls: Vec<Told>,
    pub(crate) events: Vec<Happened>,
    numbers: BTreeMap<Name, Vec<f64>>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Told(Fields);

impl Told {
    pub(crate) fn get(&self, field: &str) -> &str {
        self.0.get(field).map_or("", String::as_str)
    }
}

/// An event, and the operations in whose spans it was.
#[derive(Clone, Debug)]
pub(crate) struct Happened {
    pub(crate) target: String,
    pub(crate) level: String,
    pub(crate) fields: Fields,
    pub(crate) inside: Vec<String>,
}

impl Seen {
    pub(crate) fn event(&self, message: &str) -> &Happened {
        let is_it = |event: &&Happened| event.fields.get("message").is_some_and(|told| told == message);
        self.events.iter().find(is_it).unwrap_or_else(|| panic!("no event {message}: {self:?}"))
    }

    pub(crate) fn histogram(&self, name: &str, operation: &str, outcome: &str) -> Vec<f64> {
        let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let labels = vec![label("operation", operation), label("outcome", outcome)];
        self.numbers.get(&(name.to_owned(), labels)).cloned().unwrap_or_default()
    }

    pub(crate) fn count(&self, operation: &str, outcome: &str) -> usize {
        self.histogram("idempotent_calls_total", operation, outcome).len()
    }
}

/// Watches what the running thread does.
pub(crate) fn watch(body: impl FnOnce()) -> Seen {
    let watcher = Watcher::default();
    let subscriber = tracing::Dispatch::new(watcher.clone());
    metrics::with_local_recorder(&watcher, || tracing::dispatcher::with_default(&subscriber, body));
    watcher.seen()
}

#[derive(Clone, Default)]
pub(crate) struct Watcher(Arc<Shared>);

#[derive(Default)]
struct Shared {
    seen: Mutex<Seen>,
    spans: Mutex<HashMap<u64, (&'static str, Fields)>>,
    next: AtomicU64,
}

thread_local! {
    static ENTERED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

impl Watcher {
    /// What was seen so far, none of which is the key.
    pub(crate) fn seen(&self) -> Seen {
        let seen = std::mem::take(&mut *self.0.seen.lock().unwrap());
        let shown = format!("{seen:?}{:?}", self.0.spans.lock().unwrap());
        assert!(!shown.contains("4111"), "a key is shown: {shown}");
        seen
    }
}

struct Reader<'a>(&'a mut Fields);

impl Visit for Reader<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

impl Subscriber for Watcher {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed) + 1;
        let mut fields = Fields::new();
        span.record(&mut Reader(&mut fields));
        self.0.spans.lock().unwrap().insert(id, (span.metadata().name(), fields));
        Id::from_u64(id)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut spans = self.0.spans.lock().unwrap();
        let Some((name, fields)) = spans.get_mut(&span.into_u64()) else { panic!("no span {span:?}") };
        let was_answered = fields.contains_key("outcome");
        values.record(&mut Reader(fields));
        if *name == "idempotent" && fields.contains_key("outcome") {
            let mut seen = self.0.seen.lock().unwrap();
            if was_answered {
                seen.calls.pop();
            }
            seen.calls.push(Told(fields.clone()));
        }
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::new();
        event.record(&mut Reader(&mut fields));
        let spans = self.0.spans.lock().unwrap();
        let operation = |id: &u64| spans.get(id).and_then(|(_, fields)| fields.get("operation").cloned());
        let inside = ENTERED.with_borrow(|entered| entered.iter().filter_map(operation).collect());
        let (target, level) = (event.metadata().target().to_owned(), event.metadata().level().to_string());
        self.0.seen.lock().unwrap().events.push(Happened { target, level, fields, inside });
    }

    fn enter(&self, span: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.push(span.into_u64()));
    }

    fn exit(&self, span: &Id) {
        ENTERED.with_borrow_mut(|entered| assert_eq!(entered.pop(), Some(span.into_u64()), "left in another order"));
    }
}

struct Number {
    shared: Arc<Shared>,
    key: Name,
}

impl Number {
    fn add(&self, value: f64) {
        self.shared.seen.lock().unwrap().numbers.entry(self.key.clone()).or_default().push(value);
    }
}

impl CounterFn for Number {
    fn increment(&self, value: u64) {
        assert_eq!(value, 1);
        self.add(1.0);
    }

    fn absolute(&self, value: u64) {
        panic!("nothing sets a counter to {value}");
    }
}

impl HistogramFn for Number {
    fn record(&self, value: f64) {
        self.add(value);
    }
}

impl Watcher {
    fn number(&self, key: &Key) -> Arc<Number> {
        let labels = key.labels().map(|label| (label.key().to_owned(), label.value().to_owned())).collect();
        Arc::new(Number { shared: self.0.clone(), key: (key.name().to_owned(), labels) })
    }
}

impl Recorder for Watcher {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &About<'_>) -> Counter {
        Counter::from_arc(self.number(key))
    }

    fn register_gauge(&self, key: &Key, _: &About<'_>) -> Gauge {
        panic!("nothing is a gauge: {key}")
    }

    fn register_histogram(&self, key: &Key, _: &About<'_>) -> Histogram {
        Histogram::from_arc(self.number(key))
    }
}

impl Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watcher")
    }
}
