//! The payment server: whatever is sent to it twice and however it is killed, a payment is charged once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::process::Output;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::{Folder, number, root, run, start, stderr, stdout};

/// What a log must come to.
#[derive(Default)]
struct Expected {
    lines: usize,
    /// By id: what the first request with it asks for.
    payments: HashMap<String, (Value, Value, Value)>,
    duplicates: usize,
    refused: usize,
    declined: usize,
    malformed: Vec<usize>,
    totals: BTreeMap<String, u64>,
}

/// The rules again, one request after the other, without threads and without the library.
fn expected(log: &str) -> Expected {
    let mut expected = Expected::default();
    for (index, line) in log.lines().enumerate() {
        expected.lines += 1;
        let request: Value = serde_json::from_str(line).unwrap_or_default();
        let (Some(id), Some(amount), Some(currency)) =
            (request["id"].as_str(), request["amount"].as_u64(), currency(&request))
        else {
            expected.malformed.push(index + 1);
            continue;
        };
        let wanted = ["amount", "currency", "customer"].map(|field| request[field].clone()).into();
        if let Some(paid) = expected.payments.get(id) {
            if *paid == wanted { expected.duplicates += 1 } else { expected.refused += 1 }
        } else if request["card"] == "tok_declined" {
            expected.declined += 1;
        } else {
            expected.payments.insert(id.to_owned(), wanted);
            *expected.totals.entry(currency.to_owned()).or_default() += amount;
        }
    }
    expected
}

fn currency(request: &Value) -> Option<&str> {
    request["currency"].as_str().filter(|code| ["EUR", "GBP", "JPY", "SEK", "USD"].contains(code))
}

fn money(currency: &str, amount: u64) -> String {
    if currency == "JPY" { amount.to_string() } else { format!("{}.{:02}", amount / 100, amount % 100) }
}

fn bundled() -> String {
    std::fs::read_to_string(root().join("data/requests.jsonl")).expect("the data of the example")
}

/// What the report of a whole run on an empty store must say.
fn assert_report(output: &Output, log: &str) {
    let (report, expected) = (stdout(output), expected(log));
    assert_eq!(number(&report, "executed"), expected.payments.len(), "{report}");
    assert!(report.contains(", 0 for a charge that it had; "), "the bank is asked once for a payment: {report}");
    assert!(report.contains(" charges, 0 of earlier runs\n"), "{report}");
    assert_books(output, log);
}

/// What the report of a whole run must say, whatever runs there were before it.
fn assert_books(output: &Output, log: &str) {
    let (report, expected) = (stdout(output), expected(log));
    assert_eq!(output.status.code(), Some(0), "{report}\n{}", stderr(output));
    assert!(report.starts_with(&format!("{} requests, ", expected.lines)), "{report}");
    let paid = ["executed", "replayed", "joined"].map(|how| number(&report, how)).iter().sum::<usize>();
    assert_eq!(paid, expected.payments.len() + expected.duplicates, "{report}");
    assert_eq!(number(&report, "refused"), expected.refused, "{report}");
    assert_eq!(number(&report, "declined"), expected.declined, "{report}");
    assert_eq!(number(&report, "failed"), 0, "{report}");
    assert_eq!(number(&report, "malformed"), expected.malformed.len(), "{report}");
    assert!(report.contains(&format!(" {} charges", expected.payments.len())), "{report}");
    for (currency, total) in &expected.totals {
        let money = money(currency, *total);
        let mut lines = report.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        assert!(lines.any(|line| line == [currency.as_str(), money.as_str()]), "{currency} {money}\n{report}");
    }
    assert!(report.ends_with("its books hold every paid payment exactly once\n"), "{report}");
    let places: Vec<String> = expected.malformed.iter().map(|line| format!("line {line}")).collect();
    let problems = stderr(output);
    let found: Vec<&str> = problems.lines().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(found, places, "{problems}");
}

#[test]
fn the_bundled_log_has_some_of_everything() {
    let expected = expected(&bundled());
    assert!(expected.payments.len() > 2_000);
    assert!(expected.duplicates > 1_000);
    assert!(expected.refused >= 20);
    assert!(expected.declined >= 20);
    assert_eq!(expected.malformed.len(), 12);
    assert_eq!(expected.totals.len(), 5);
}

#[test]
fn checkout_charges_every_payment_of_the_bundled_log_once() {
    assert_report(&run("checkout", &[], b""), &bundled());
}

#[test]
fn checkout_reads_stdin_and_is_the_same_on_one_thread_and_on_many() {
    let log: String = bundled().lines().take(300).flat_map(|line| [line, "\n"]).collect();
    let one = run("checkout", &["--threads", "1", "-"], log.as_bytes());
    assert_report(&one, &log);
    assert_eq!(number(&stdout(&one), "joined"), 0, "one thread has nobody to wait for");
    assert_report(&run("checkout", &["-", "--threads=64"], log.as_bytes()), &log);
}

#[test]
fn checkout_says_which_lines_are_no_requests_and_serves_the_others() {
    let good = r#"{"at":"1","id":"a","customer":"A","amount":5,"currency":"EUR","card":"t"}"#;
    let log = [
        good.as_bytes(),
        b"{\"id\":",
        b"",
        b"caf\xe9",
        br#"{"at":"1","id":" ","customer":"A","amount":5,"currency":"EUR","card":"t"}"#,
        br#"{"at":"1","id":"b","customer":"A","amount":0,"currency":"EUR","card":"t"}"#,
        br#"{"at":"1","customer":"A","amount":5,"currency":"EUR","card":"t"}"#,
        good.as_bytes(),
    ];
    let output = run("checkout", &["-"], &log.join(&b"\n"[..]));
    let reasons = ["", "empty", "not UTF-8", "`id` is empty", "`amount` is zero", "missing field `id`"];
    let problems = stderr(&output);
    assert_eq!(problems.lines().count(), reasons.len(), "{problems}");
    for (index, (problem, reason)) in problems.lines().zip(reasons).enumerate() {
        assert!(problem.starts_with(&format!("line {}: {reason}", index + 2)), "{problem}");
    }
    assert_eq!(number(&stdout(&output), "executed"), 1);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn checkout_serves_an_empty_log() {
    let output = run("checkout", &["-"], b"");
    assert!(stdout(&output).starts_with("0 requests"));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn checkout_says_what_is_wrong_with_its_arguments() {
    for (arguments, words) in [
        (&["no-such-log.jsonl"][..], "no-such-log.jsonl: "),
        (&["."], ".: "),
        (&["--threads", "0"], "--threads must be 1 to 1024"),
        (&["--threads", "many"], "many"),
        (&["--thread", "2"], "--thread"),
        (&["a", "b"], "\"b\""),
        (&["--store", "records.db", "--ledger", "ledger"], "the URL has no scheme of a store"),
        (&["--store", "sqlite:no-such-folder/records.db"], "the folder of the SQLite file does not exist"),
        (&["--store", "redis://localhost"], "--ledger"),
    ] {
        let output = run("checkout", arguments, b"");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
        let problem = stderr(&output);
        assert!(problem.starts_with("checkout: ") && problem.contains(words), "{problem}");
    }
    let help = run("checkout", &["--help"], b"");
    assert_eq!(help.status.code(), Some(0));
    assert!(stdout(&help).contains("--threads N"));
}

/// The lines of the bank's books: by payment, the reference and what was charged. No payment may be there twice.
fn books(ledger: &str) -> BTreeMap<String, (String, u64, String)> {
    let text = std::fs::read_to_string(ledger).expect("the bank's ledger");
    assert!(text.ends_with('\n'), "the last line is whole");
    let mut books = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let charge: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(charge["number"], index + 1, "{line}");
        let word = |field: &str| charge[field].as_str().expect("a text").to_owned();
        let what = (word("reference"), charge["amount"].as_u64().expect("a number"), word("currency"));
        assert!(books.insert(word("payment"), what).is_none(), "charged twice: {line}");
    }
    books
}

/// The books hold what the log asks for, worked out without the library.
fn assert_ledger(ledger: &str, log: &str) {
    let books = books(ledger);
    let charged: HashMap<_, _> =
        books.iter().map(|(id, (_, amount, code))| (id.clone(), (*amount, code.clone()))).collect();
    let wanted = |(amount, code, _): (Value, Value, Value)| (amount.as_u64(), code.as_str().map(str::to_owned));
    let wanted: HashMap<_, _> = expected(log).payments.into_iter().map(|(id, paid)| (id, wanted(paid))).collect();
    let charged: HashMap<_, _> =
        charged.into_iter().map(|(id, (amount, code))| (id, (Some(amount), Some(code)))).collect();
    assert_eq!(charged, wanted);
    let references: HashSet<_> = books.values().map(|(reference, ..)| reference).collect();
    assert_eq!(references.len(), books.len(), "a reference for each payment");
}

/// Runs until the bank has made so many charges, and is killed.
fn kill_after(charges: usize, arguments: &[&str], ledger: &str) {
    let mut child = start("checkout", arguments);
    let lines = || std::fs::read_to_string(ledger).unwrap_or_default().lines().count();
    while lines() < charges {
        assert!(child.try_wait().expect("a child").is_none(), "it ended before the bank had made {charges} charges");
        // The charges are another process's, and make no event here.
        thread::sleep(Duration::from_millis(1));
    }
    child.kill().expect("a child");
    let status = child.wait().expect("a child");
    assert!(!status.success(), "it was killed");
}

/// Kills it at several moments, and lets it run to the end: nothing is to be seen of that in the books.
fn killed_and_run_again(store: &str) {
    const THREADS: usize = 16;
    let (folder, log) = (Folder::new(), bundled());
    let ledger = folder.file("ledger");
    let arguments = ["--store", store, "--ledger", &ledger];
    let moments = [1, 400, 401, 1_300];
    for charges in moments {
        kill_after(charges, &arguments, &ledger);
    }
    let early = books(&ledger);
    assert!(early.len() >= 1_300 && early.len() < expected(&log).payments.len(), "it was killed half way");
    let output = run("checkout", &arguments, b"");
    assert_books(&output, &log);
    assert_ledger(&ledger, &log);

    // What was charged before a crash stays as it was.
    let late = books(&ledger);
    assert!(early.iter().all(|(id, charge)| late.get(id) == Some(charge)));
    // Only what was under way when it died is asked for a second time.
    let report = stdout(&output);
    let again = number_before(&report, "for a charge that it had");
    assert!(again <= THREADS, "{report}");
    let fresh = late.len() - early.len();
    assert!((fresh..=fresh + THREADS).contains(&number(&report, "executed")), "{report}");

    // And once more: nothing is left to do.
    let output = run("checkout", &arguments, b"");
    assert_books(&output, &log);
    assert_eq!(number(&stdout(&output), "executed"), 0);
    assert_eq!(books(&ledger), late);
}

/// The number in front of some words.
fn number_before(report: &str, words: &str) -> usize {
    let before = report.split(words).next().filter(|before| before.len() < report.len());
    let number = before.and_then(|before| before.split_whitespace().last());
    number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("nothing says `{words}`:\n{report}"))
}

#[test]
fn checkout_keeps_its_ledger_beside_the_sqlite_file() {
    let (folder, log) = (Folder::new(), bundled());
    let store = format!("sqlite:{}", folder.file("records.db"));
    assert_report(&run("checkout", &["--store", &store], b""), &log);
    assert_ledger(&folder.file("records.db.ledger"), &log);
}

#[test]
fn checkout_is_killed_and_run_again_on_sqlite() {
    let folder = Folder::new();
    killed_and_run_again(&format!("sqlite:{}", folder.file("records.db")));
}

#[cfg(feature = "postgres")]
#[test]
fn checkout_is_killed_and_run_again_on_postgres() {
    let server = idempotent_servers::Postgres::start().expect("a server");
    killed_and_run_again(&server.url());
}

#[cfg(feature = "redis")]
#[test]
fn checkout_is_killed_and_run_again_on_redis() {
    let server = idempotent_servers::Redis::start().expect("a server");
    killed_and_run_again(&server.url());
}

#[test]
fn a_bank_that_knows_the_reference_takes_no_money_when_the_records_are_lost() {
    let log: String = bundled().lines().take(300).flat_map(|line| [line, "\n"]).collect();
    let folder = Folder::new();
    let ledger = folder.file("ledger");
    let arguments = ["--store", "memory:", "--ledger", &ledger, "-"];
    run("checkout", &arguments, log.as_bytes());
    let first = books(&ledger);
    let output = run("checkout", &arguments, log.as_bytes());
    assert_books(&output, &log);
    assert_eq!(number_before(&stdout(&output), "for a charge that it had"), first.len());
    assert_eq!(books(&ledger), first);
}

#[test]
fn a_line_that_was_cut_off_is_no_charge() {
    let log: String = bundled().lines().take(50).flat_map(|line| [line, "\n"]).collect();
    let folder = Folder::new();
    let ledger = folder.file("ledger");
    let whole = r#"{"number":1,"reference":"other","payment":"other","amount":5,"currency":"EUR"}"#;
    std::fs::write(&ledger, format!("{whole}\n{}", &whole[..40])).expect("a file");
    let output = run("checkout", &["--store", "memory:", "--ledger", &ledger, "-"], log.as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let mut books = books(&ledger);
    assert_eq!(books.remove("other"), Some(("other".into(), 5, "EUR".into())));
    assert_eq!(books.len(), expected(&log).payments.len());
}
