//! The shop's command line, and what it answers to anybody who asks. Its page is tested in `tests/shop`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use crate::{Folder, run, start, stderr, stdout};

#[test]
fn shop_says_what_is_wrong_with_its_arguments() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = taken.local_addr().expect("a port").port().to_string();
    let folder = Folder::new();
    let store = format!("sqlite:{}", folder.file("records.db"));
    for (arguments, words) in [
        (&["--port", "many"][..], "many"),
        (&["--ports", "1"], "--ports"),
        (&["everything"], "\"everything\""),
        (&["--store", "memory:"], "--ledger"),
        (&["--store", "redis://localhost"], "--ledger"),
        (&["--store", "records.db", "--ledger", "ledger"], "the URL has no scheme of a store"),
        (&["--store", &store, "--ledger", "no-such-folder/ledger"], "no-such-folder/ledger: "),
        (&["--store", &store, "--port", &port], "choose another with --port"),
    ] {
        let output = run("shop", arguments, b"");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
        let problem = stderr(&output);
        assert!(problem.starts_with("shop: ") && problem.contains(words), "{problem}");
    }
    let help = run("shop", &["--help"], b"");
    assert_eq!(help.status.code(), Some(0));
    assert!(stdout(&help).contains("--port N"));
}

#[test]
fn shop_needs_nothing_from_elsewhere() {
    let folder = Folder::new();
    let store = format!("sqlite:{}", folder.file("records.db"));
    let mut shop = start("shop", &["--port", "0", "--store", &store]);
    let mut told = BufReader::new(shop.stdout.take().expect("a pipe"));
    let mut line = String::new();
    told.read_line(&mut line).expect("the shop says where it is");
    let address = line.split('/').nth(2).expect("an address").to_owned();

    let get = |path: &str| {
        let mut connection = TcpStream::connect(&address).expect("a connection");
        write!(connection, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("a request");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("UTF-8");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{path}: {answer}");
        answer
    };
    let all = ["/", "/style.css", "/shop.js"].map(get).concat();
    assert!(!all.contains("http://") && !all.contains("https://") && !all.contains("url("), "{all}");

    shop.kill().expect("a child");
    shop.wait().expect("a child");
}
