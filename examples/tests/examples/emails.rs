//! The workers: however often a mail is delivered and whoever is killed, it leaves once.

use crate::{Folder, number, run, stderr, stdout};

/// How many messages a queue makes of so many mails, and how many more deliveries by acknowledgements that get lost.
fn of_the_queue(mails: usize) -> (usize, usize) {
    let messages = mails + (0..mails).filter(|number| number % 5 == 0).count();
    (messages, (0..mails).filter(|number| number % 4 == 1).count())
}

/// Reads the report; `cut_off` is how many workers are killed in the middle.
fn assert_sent(arguments: &[&str], mails: usize, killed: usize) -> String {
    let output = run("emails", arguments, b"");
    let report = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{report}\n{}", stderr(&output));
    assert_eq!(stderr(&output), "", "{report}");
    let (messages, lost) = of_the_queue(mails);
    let first = format!("{mails} mails in {messages} messages, 2 workers, {killed} of them killed\n");
    assert!(report.starts_with(&first), "{report}");
    assert!(report.ends_with(&format!("\n{mails} mails left: 0 of them twice, 0 missing\n")), "{report}");
    // A slow machine delivers some messages once more.
    assert!(number(&report, "deliveries") >= messages + lost, "{report}");
    assert_eq!(report.matches("     1 cut off").count(), killed, "{report}");
    assert_eq!(number(&report, "failed"), 0, "{report}");
    report
}

fn assert_on(store: &str) {
    let after = assert_sent(&["--store", store, "--mails", "40", "--kill", "after"], 40, 1);
    assert!(after.contains("the operator found 1 that had left, and 0 that had not\n"), "{after}");
    assert_eq!(number(&after, "executed"), 39, "the worker that died has told nobody:\n{after}");
    let before = assert_sent(&["--store", store, "--mails", "40", "--kill", "before"], 40, 1);
    assert!(before.contains("the operator found 0 that had left, and 1 that had not\n"), "{before}");
    assert_eq!(number(&before, "executed"), 40, "{before}");
}

#[test]
fn a_worker_dies_and_every_mail_leaves_once() {
    let report = assert_sent(&[], 60, 1);
    assert!(number(&report, "interrupted") >= 1, "{report}");
}

#[test]
fn nobody_dies_and_every_mail_leaves_once() {
    let report = assert_sent(&["--kill", "never", "--mails", "30"], 30, 0);
    assert_eq!((number(&report, "executed"), number(&report, "interrupted")), (30, 0), "{report}");
}

#[test]
fn a_store_may_be_used_for_more_than_one_run() {
    let folder = Folder::new();
    assert_on(&format!("sqlite:{}", folder.file("records.db")));
}

#[cfg(feature = "postgres")]
#[test]
fn workers_share_a_postgres_server() {
    let server = idempotent_servers::Postgres::start().expect("a server");
    assert_on(&server.url());
}

#[cfg(feature = "redis")]
#[test]
fn workers_share_a_redis_server() {
    let server = idempotent_servers::Redis::start().expect("a server");
    assert_on(&server.url());
}

#[test]
fn it_says_what_is_wrong_with_its_arguments() {
    for (arguments, words) in [
        (&["--mails", "0"][..], "--mails must be 1 to 10000"),
        (&["--kill", "me"], "write `after`, `before` or `never`"),
        (&["--store", "records.db"], "the URL has no scheme of a store"),
        (&["60"], "\"60\""),
    ] {
        let output = run("emails", arguments, b"");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
        let problem = stderr(&output);
        assert!(problem.starts_with("emails: ") && problem.contains(words), "{problem}");
    }
    assert!(stdout(&run("emails", &["--help"], b"")).contains("--kill WHEN"));
}
