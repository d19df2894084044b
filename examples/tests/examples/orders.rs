//! The shop whose workers are killed: each order is placed once, and stock, orders, records and mails add up.

use std::collections::BTreeSet;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::{Folder, number, run, start, stderr, stdout};

/// A question that is answered with a number.
type Ask<'a> = &'a dyn Fn(&str) -> i64;

/// Counts the books with statements of its own; how many orders are placed. `text` makes a text of a record's outcome.
fn assert_books(ask: Ask<'_>, text: &str, mails: &str) -> usize {
    let placed = ask("SELECT count(*) FROM orders");
    assert_eq!(ask("SELECT count(DISTINCT id) FROM orders"), placed, "one row per order");
    let wrong = "SELECT count(*) FROM stock s WHERE s.remaining < 0
        OR s.initial <> s.remaining + (SELECT coalesce(sum(l.count), 0) FROM order_lines l WHERE l.article = s.article)";
    assert_eq!((ask("SELECT count(*) FROM stock"), ask(wrong)), (12, 0), "to the unit");
    let empty =
        "SELECT count(*) FROM orders o WHERE NOT EXISTS (SELECT 1 FROM order_lines l WHERE l.number = o.number)";
    let loose =
        "SELECT count(*) FROM order_lines l WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE l.number = o.number)";
    assert_eq!((ask(empty), ask(loose)), (0, 0), "no order in parts");
    let recorded = format!(
        "SELECT count(*) FROM orders o JOIN idempotently_record r ON r.scope = 'shop.order' AND r.key = '\"' || o.id || '\"'
         WHERE r.state = 2 AND r.unfinished IS NULL AND {text} LIKE '%:' || o.number || '}}'"
    );
    let records = ask("SELECT count(*) FROM idempotently_record");
    assert_eq!((ask(&recorded), records), (placed, placed), "each record has its order's number");

    let numbers = mails_in(mails);
    let left: BTreeSet<&str> = numbers.iter().map(String::as_str).collect();
    let among = left.iter().copied().collect::<Vec<_>>().join(", ");
    let of_orders = ask(&format!("SELECT count(*) FROM orders WHERE number IN ({among})"));
    assert_eq!((ask("SELECT count(*) FROM outbox"), of_orders), (0, placed), "one mail per order");
    assert_eq!((numbers.len(), left.len()), (left.len(), usize::try_from(placed).expect("a count")));
    left.len()
}

/// The numbers of the orders that mails are about.
fn mails_in(folder: &str) -> Vec<String> {
    let files = std::fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path());
    let texts = files.filter(|path| path.is_file()).map(|path| std::fs::read_to_string(path).expect("a mail"));
    texts.map(|text| text.split_once(" to customer").expect("a mail").0.to_owned()).collect()
}

/// Runs it to its end, and gives the report.
fn sell(arguments: &[&str], orders: usize, kills: usize) -> String {
    let output = run("orders", arguments, b"");
    let report = stdout(&output);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()), "{report}");
    assert!(report.starts_with(&format!("{orders} orders in ")), "{report}");
    assert!(report.contains(&format!(" 2 workers and a mailer, {kills} of them killed\n")), "{report}");
    let counted = |words: &[&str]| words.iter().map(|word| number(&report, word)).sum::<usize>();
    assert_eq!(counted(&["deliveries"]), counted(&["executed", "replayed", "refused", "failed", "cut"]), "{report}");
    // It sells out, and no other answer is ever given for an order than the first.
    assert!(number(&report, "refused") > 0 && number(&report, "lost") > 0, "{report}");
    assert_eq!(number(&report, "answers"), 0, "{report}");
    report
}

/// Kills some, then everybody, and lets it run to the end; and once more, when nothing is left to do.
fn killed_and_run_again(store: &str, mails: &str, ask: Ask<'_>, text: &str) {
    let arguments = ["--store", store, "--mails", mails, "--seed", "7", "--orders", "2000"];
    let mut boss = start("orders", &[&arguments[..], &["--kills", "2"]].concat());
    // The orders are another process's, and make no event here.
    while mails_so_far(mails) < 300 {
        assert!(boss.try_wait().expect("a child").is_none(), "it ended before 300 mails had left");
        thread::sleep(Duration::from_millis(2));
    }
    boss.kill().expect("a child");
    boss.wait().expect("a child");
    let early = ask("SELECT count(*) FROM orders");

    let report = sell(&[&arguments[..], &["--kills", "14"]].concat(), 2_000, 14);
    let placed = assert_books(ask, text, mails);
    let (executed, cut_off) = (number(&report, "executed"), number(&report, "cut"));
    let early = usize::try_from(early).expect("a count");
    assert!(early > 250 && executed + early <= placed, "{early} of {placed} before\n{report}");
    // What the first boss's workers still had in their hands, and what nobody heard of.
    assert!(placed - executed - early <= cut_off + 16, "{early} of {placed} before\n{report}");
    assert!((1_000..2_000).contains(&placed), "{report}");

    let report = sell(&[&arguments[..], &["--kills", "0"]].concat(), 2_000, 0);
    assert_eq!(number(&report, "executed"), 0, "{report}");
    assert_eq!(assert_books(ask, text, mails), placed);
}

fn mails_so_far(folder: &str) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

/// Asks a file of SQLite.
fn ask_file(file: &str) -> impl Fn(&str) -> i64 {
    move |sql| {
        let books = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("a database");
        books.query_row(sql, [], |row| row.get(0)).expect("a number")
    }
}

const TEXT: &str = "CAST(r.outcome AS text)";

#[test]
fn the_books_add_up_though_workers_are_killed() {
    let folder = Folder::new();
    let (file, mails) = (folder.file("shop.db"), folder.file("shop.db.mails"));
    let report = sell(&["--store", &format!("sqlite:{file}")], 3_000, 12);
    assert!(Path::new(&mails).is_dir(), "they are beside the file");
    let placed = assert_books(&ask_file(&file), TEXT, &mails);
    assert!(report.contains(&format!("\n{placed} orders placed: 0 of them twice, 0 missing, 0 without")), "{report}");
    assert!(
        report.contains(&format!("\n{placed} mails left: 0 of them twice, 0 missing, 0 in the outbox\n")),
        "{report}"
    );
    // What was committed for somebody who died before he could tell is replayed.
    assert!((placed - number(&report, "cut")..=placed).contains(&number(&report, "executed")), "{report}");
}

#[test]
fn orders_is_killed_and_run_again_on_sqlite() {
    let folder = Folder::new();
    let (file, mails) = (folder.file("shop.db"), folder.file("mails"));
    killed_and_run_again(&format!("sqlite:{file}"), &mails, &ask_file(&file), TEXT);
}

#[cfg(feature = "postgres")]
#[test]
fn orders_is_killed_and_run_again_on_postgres() {
    use idempotently::backend::postgres::sqlx::{AssertSqlSafe, Connection as _, PgConnection, query_scalar};

    let server = idempotent_servers::Postgres::start().expect("a server");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let ask = |sql: &str| {
        runtime.block_on(async {
            let mut connection = PgConnection::connect(&server.url()).await.expect("a server");
            query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut connection).await.expect("a number")
        })
    };
    let folder = Folder::new();
    killed_and_run_again(&server.url(), &folder.file("mails"), &ask, "convert_from(r.outcome, 'UTF8')");
}

#[test]
fn orders_says_what_is_wrong_with_its_arguments() {
    let folder = Folder::new();
    let unused = folder.file("mails");
    for (arguments, words) in [
        (&["--orders", "0"][..], "--orders must be 1 to 100000"),
        (&["--orders", "100", "--kills", "6"], "--kills must be 0 to 5"),
        (&["--store", "redis://localhost", "--mails", &unused], "--store is `sqlite:FILE` or `postgres://…`"),
        (&["--store", "postgres://localhost"], "--mails"),
        (&["--store", "sqlite::memory:", "--mails", &unused], "--store is `sqlite:FILE`"),
        (&["everything"], "\"everything\""),
    ] {
        let output = run("orders", arguments, b"");
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), String::new()), "{arguments:?}");
        let problem = stderr(&output);
        assert!(problem.starts_with("orders: ") && problem.contains(words), "{problem}");
    }
    assert!(stdout(&run("orders", &["--help"], b"")).contains("--kills N"));
}
