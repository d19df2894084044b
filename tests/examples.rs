//! The examples do what they say. What the checkout should come to is worked out here a second time, from its data.

#![cfg(feature = "macros")]
#![expect(clippy::expect_used, reason = "a test may fail where it stands")]

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::thread;

use serde_json::Value;

/// The folder of the built examples.
static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
    // This test is `<profile>/deps/examples-…`; a plain `cargo test` has put the examples beside `deps`.
    let this = std::env::current_exe().expect("the path of this test");
    let built = this.ancestors().nth(2).expect("the folder of the profile").join("examples");
    if !path(&built, "checkout").exists() || !path(&built, "elevator").exists() {
        let cargo = std::env::var_os("CARGO").expect("tests are run by cargo");
        let build = Command::new(cargo).args(["build", "--examples"]).current_dir(root()).status();
        assert!(build.expect("cargo runs").success(), "`cargo build --examples` failed");
    }
    built
});

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn path(folder: &Path, example: &str) -> PathBuf {
    folder.join(example).with_extension(std::env::consts::EXE_EXTENSION)
}

fn run(example: &str, arguments: &[&str], stdin: &[u8]) -> Output {
    let mut child = Command::new(path(&BUILT, example))
        .args(arguments)
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the example starts");
    let mut input = child.stdin.take().expect("a pipe");
    thread::scope(|scope| {
        // It may end without reading, or talk before it has read all.
        scope.spawn(move || input.write_all(stdin));
        child.wait_with_output().expect("the example ends")
    })
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// The number in front of a word at the beginning of a line.
fn number(report: &str, word: &str) -> usize {
    let mut lines = report.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = lines.find(|line| line.get(1) == Some(&word));
    line.unwrap_or_else(|| panic!("no line says `{word}`:\n{report}"))[0].parse().expect("a number")
}

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
    std::fs::read_to_string(root().join("examples/data/requests.jsonl")).expect("the data of the example")
}

fn assert_report(output: &Output, log: &str) {
    let (report, expected) = (stdout(output), expected(log));
    assert_eq!(output.status.code(), Some(0), "{report}\n{}", stderr(output));
    assert!(report.starts_with(&format!("{} requests, ", expected.lines)), "{report}");
    assert_eq!(number(&report, "executed"), expected.payments.len(), "{report}");
    let answered = number(&report, "replayed") + number(&report, "joined");
    assert_eq!(answered, expected.duplicates, "{report}");
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

#[test]
fn five_presses_bring_one_lift() {
    let output = run("elevator", &[], b"");
    let told = stdout(&output);
    let mut lines: Vec<&str> = told.lines().collect();
    // The five are told in any order.
    lines[2..7].sort_unstable();
    let expected = [
        "Five people press the button on floor 3 at once.",
        "  lift 1 sets off for floor 3",
        "  person 1 is told: lift 1",
        "  person 2 is told: lift 1",
        "  person 3 is told: lift 1",
        "  person 4 is told: lift 1",
        "  person 5 is told: lift 1",
        "Somebody presses on floor 7.",
        "  lift 2 sets off for floor 7",
        "  person 6 is told: lift 2",
        "A child presses on floor 3 again: lift 1 (Replayed).",
    ];
    assert_eq!(lines, expected, "{told}");
    assert_eq!(output.status.code(), Some(0));
}
