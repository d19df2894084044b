//! The one table of what the attribute knows, and what people call it elsewhere.

use crate::known::Name::{
    Capacity, Crate, Detached, Durable, Fingerprint, Handle, InFlight, Interrupted, Keep, Key, Lease, MaxRun, Missing,
    OnFailure, Retention, Scope, Store, Transaction,
};

/// An argument that the attribute knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Key,
    Missing,
    Scope,
    Retention,
    InFlight,
    Keep,
    OnFailure,
    Fingerprint,
    Capacity,
    Durable,
    Store,
    Lease,
    MaxRun,
    Interrupted,
    Transaction,
    Detached,
    Handle,
    Crate,
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) name: Name,
    pub(crate) word: &'static str,
    /// How it is written; what is written without `=` is a flag.
    pub(crate) example: &'static str,
    elsewhere: &'static [&'static str],
}

const TABLE: [Known; 18] = [
    row(Key, "key", "key = payment.id", &["cache_key", "id", "idempotency_key", "by", "convert", "unique"]),
    row(Missing, "missing", "missing = reject", &["optional", "none", "on_missing"]),
    row(
        Scope,
        "scope",
        "scope = \"payments.charge\"",
        &["name", "namespace", "prefix", "cache_key_prefix", "group", "operation"],
    ),
    row(
        Retention,
        "retention",
        "retention = \"24h\"",
        &[
            "ttl",
            "ttl_secs",
            "ttl_millis",
            "time",
            "time_to_live",
            "expires",
            "expires_in",
            "expire",
            "expiry",
            "expiration",
            "max_age",
            "duration",
        ],
    ),
    row(
        InFlight,
        "in_flight",
        "in_flight = reject",
        &["lock", "timeout", "lock_timeout", "wait", "on_duplicate", "duplicate", "on_conflict", "sync_writes"],
    ),
    row(Keep, "keep", "keep = ok", &["cache", "cache_if", "cache_err", "result", "only_if", "when", "condition"]),
    row(OnFailure, "on_failure", "on_failure = share", &["on_error", "on_err", "error", "failure", "retry"]),
    row(
        Fingerprint,
        "fingerprint",
        "fingerprint = payment.amount",
        &["payload", "payload_hash", "hash", "hash_key", "digest", "body"],
    ),
    row(
        Capacity,
        "capacity",
        "capacity = 10_000",
        &["max_size", "maxsize", "size", "max_capacity", "max_entries", "limit"],
    ),
    row(Durable, "durable", "durable", &["persist", "persistent", "persisted"]),
    row(Store, "store", "store = &self.store", &["backend", "storage", "db", "database", "redis", "disk"]),
    row(Lease, "lease", "lease = \"30s\"", &["heartbeat", "visibility_timeout"]),
    row(MaxRun, "max_run", "max_run = \"15m\"", &["max_runtime", "deadline"]),
    row(Interrupted, "interrupted", "interrupted = fail", &["on_crash", "crash", "recovery"]),
    row(Transaction, "transaction", "transaction = tx", &["tx", "conn", "connection"]),
    row(Detached, "detached", "detached", &["spawn", "spawned", "background", "detach"]),
    row(Handle, "handle", "handle = CHARGE", &["ident", "records", "expose"]),
    row(Crate, "crate", "crate = my_crate::idempotently", &["krate", "crate_path", "path"]),
];

const fn row(name: Name, word: &'static str, example: &'static str, elsewhere: &'static [&'static str]) -> Known {
    Known { name, word, example, elsewhere }
}

impl Known {
    pub(crate) fn is_flag(&self) -> bool {
        !self.example.contains('=')
    }
}

impl Name {
    pub(crate) fn word(self) -> &'static str {
        TABLE.iter().find(|known| known.name == self).map_or("", |known| known.word)
    }
}

pub(crate) fn find(word: &str) -> Option<&'static Known> {
    TABLE.iter().find(|known| known.word == word)
}

/// What an unknown word says of its writer.
#[derive(Debug)]
pub(crate) struct Unknown {
    pub(crate) message: String,
    /// Whether the key was meant.
    pub(crate) hints_at_key: bool,
}

/// What was probably meant by `word`, which stands there without a value if it is `alone`.
pub(crate) fn unknown(word: &str, alone: bool) -> Unknown {
    if let Some(known) = TABLE.iter().find(|known| known.elsewhere.contains(&word)) {
        let meant_as_key = alone && !known.is_flag();
        let key = format!("for a key write `key = {word}`");
        let here = format!("here it is `{}`, as in `{}`", known.word, known.example);
        let instead = match known.name {
            Key if meant_as_key => key,
            _ if meant_as_key => format!("{here}; {key}"),
            _ => here,
        };
        let message = format!("unknown argument `{word}`: {instead}");
        return Unknown { message, hints_at_key: known.name == Key || meant_as_key };
    }
    if let Some(known) = nearest(word) {
        let message = format!("unknown argument `{word}`: did you mean `{}`?", known.word);
        return Unknown { message, hints_at_key: known.name == Key };
    }
    let words: Vec<_> = TABLE.iter().map(|known| format!("`{}`", known.word)).collect();
    let hint = if alone { format!("for a key write `key = {word}`; ") } else { String::new() };
    let message = format!("unknown argument `{word}`: {hint}the arguments are {}", words.join(", "));
    Unknown { message, hints_at_key: alone }
}

/// The known word of which at least two thirds were written.
fn nearest(word: &str) -> Option<&'static Known> {
    TABLE
        .iter()
        .map(|known| (distance(word, known.word), known))
        .filter(|(distance, known)| *distance * 3 <= known.word.len().max(word.len()))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// How many letters must be added, dropped, changed or swapped with their neighbour.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut two_up: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    let mut previous = None;
    for (row, letter) in left.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in right.iter().enumerate() {
            let changed = above[column] + usize::from(letter != *other);
            let mut steps = changed.min(above[column + 1] + 1).min(current[column] + 1);
            if column > 0 && previous == Some(*other) && letter == right[column - 1] {
                steps = steps.min(two_up[column - 1] + 1);
            }
            current.push(steps);
        }
        two_up = std::mem::replace(&mut above, current);
        previous = Some(letter);
    }
    above[right.len()]
}

#[cfg(test)]
mod tests {
    use super::{TABLE, distance, find, nearest};

    #[test]
    fn counts_letters() {
        for (left, right, count) in
            [("key", "key", 0), ("kye", "key", 1), ("scop", "scope", 1), ("", "ab", 2), ("abc", "xyz", 3)]
        {
            assert_eq!(distance(left, right), count, "{left} {right}");
        }
    }

    #[test]
    fn suggests_only_what_is_near() {
        for (word, suggestion) in [
            ("kye", Some("key")),
            ("retentions", Some("retention")),
            ("inflight", Some("in_flight")),
            ("finger_print", Some("fingerprint")),
            ("colour", None),
            ("n", None),
        ] {
            assert_eq!(nearest(word).map(|known| known.word), suggestion, "{word}");
        }
    }

    #[test]
    fn words_mean_one_thing() {
        let mut words: Vec<_> = TABLE.iter().flat_map(|known| known.elsewhere.iter().chain([&known.word])).collect();
        let all = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), all);
        assert!(TABLE.iter().all(|known| find(known.word).is_some_and(|found| found.name == known.name)));
        assert!(TABLE.iter().all(|known| known.example.starts_with(known.word)));
    }
}
