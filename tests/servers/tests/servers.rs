//! The servers start, answer, end and start again.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells its parent on its output"
)]

use idempotent_servers::{Authority, Postgres, Proxy, Redis, RedisCluster, ServerError};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

fn answers(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

#[test]
fn a_redis_server_comes_and_goes() -> Result<(), ServerError> {
    let mut redis = Redis::start()?;
    assert!(Redis::version()?.contains('.'));
    redis.stop();
    assert!(!answers(redis.port()));
    redis.start_again()?;
    assert!(answers(redis.port()));
    let port = redis.port();
    drop(redis);
    assert!(!answers(port));
    Ok(())
}

#[test]
fn a_postgres_server_comes_and_goes() -> Result<(), ServerError> {
    let mut postgres = Postgres::start()?;
    assert!(Postgres::version()?.contains('.'));
    postgres.stop_immediately();
    assert!(!answers(postgres.port()));
    postgres.start_again()?;
    assert!(answers(postgres.port()));
    let (port, folder) = (postgres.port(), postgres.folder().to_owned());
    drop(postgres);
    assert!(!answers(port) && !folder.exists());
    Ok(())
}

#[test]
fn servers_speak_encrypted() -> Result<(), ServerError> {
    let authority = Authority::new()?;
    let (redis, postgres) = (Redis::encrypted(&authority)?, Postgres::encrypted(&authority)?);
    let certificate = authority.certificate().display().to_string();
    for (port, first) in [(redis.port(), None), (postgres.port(), Some("postgres"))] {
        let mut asking = Command::new("openssl");
        asking.args(["s_client", "-verify_return_error", "-CAfile", &certificate]);
        asking.args(["-connect", &format!("127.0.0.1:{port}")]);
        let answer = asking.args(first.map(|first| ["-starttls", first]).into_iter().flatten()).stdin(Stdio::null());
        assert!(answer.output().is_ok_and(|answer| answer.status.success()), "{first:?}");
    }
    Ok(())
}

#[test]
fn a_server_outlasts_the_thread_that_started_it() -> Result<(), ServerError> {
    let started = thread::spawn(Redis::start).join();
    let redis = started.unwrap_or_else(|_| unreachable!())?;
    // The kernel kills before it lets a thread be joined.
    assert!(answers(redis.port()));
    Ok(())
}

#[test]
fn a_cluster_has_three_nodes() -> Result<(), ServerError> {
    assert_eq!(RedisCluster::start()?.urls().len(), 3);
    Ok(())
}

#[test]
fn a_server_that_does_not_start_says_why() {
    let Err(error) = Redis::with_arguments(&["--appendonly", "perhaps"]) else { panic!("it started") };
    assert!(error.to_string().contains("does not answer"), "{error}");
    let Err(error) = Postgres::with_settings(&[("max_connections", "many")]) else { panic!("it started") };
    assert!(error.to_string().contains("does not answer"), "{error}");
}

const HOST: &str = "IDEMPOTENT_SERVERS_HOST";

/// Another process, where the environment says so: starts the shared servers, says where they are, and waits for its
/// end.
#[test]
fn host() {
    let Ok(way) = std::env::var(HOST) else { return };
    let (redis, postgres) = (Redis::shared(), Postgres::shared());
    println!("@{} {} {}", redis.port(), postgres.port(), postgres.folder().display());
    if way == "is killed" {
        thread::park();
    }
}

/// The ports and the folder of the servers of another process.
fn servers_of_another(way: &str) -> (u16, u16, String) {
    let mut host = Command::new(std::env::current_exe().unwrap_or_else(|error| panic!("{error}")));
    let host = host.args(["host", "--exact", "--nocapture"]).env(HOST, way).stdout(Stdio::piped()).spawn();
    let mut host = host.unwrap_or_else(|error| panic!("{error}"));
    let output = host.stdout.take().unwrap_or_else(|| unreachable!());
    let line = BufReader::new(output).lines().map_while(Result::ok).find(|line| line.contains('@'));
    let line = line.unwrap_or_else(|| panic!("it said nothing"));
    if way == "is killed" {
        assert!(host.kill().is_ok());
    }
    assert!(host.wait().is_ok());
    let mut words = line.split_once('@').map_or("", |(_, said)| said).split(' ');
    let mut word = || words.next().unwrap_or_else(|| panic!("{line}"));
    let number = |word: &str| word.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
    (number(word()), number(word()), word().to_owned())
}

#[test]
fn the_servers_of_a_process_go_with_it() {
    for way in ["ends", "is killed"] {
        let (redis, postgres, folder) = servers_of_another(way);
        let start = Instant::now();
        // They belong to nobody whose end could be waited for.
        while answers(redis) || answers(postgres) || Path::new(&folder).exists() {
            assert!(start.elapsed() < Duration::from_secs(10), "{folder} is left of a process that {way}");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A server that sends back what it gets.
fn echo() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap_or_else(|error| panic!("{error}"));
    let port = listener.local_addr().map_or(0, |address| address.port());
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            thread::spawn(move || client.try_clone().and_then(|mut back| std::io::copy(&mut client, &mut back)));
        }
    });
    port
}

/// What comes back of six bytes; an error, or less, where something ended the connection.
fn sent(client: &mut TcpStream) -> String {
    let mut back = [0; 6];
    let mut count = 0;
    let _ = client.write_all(b"letter");
    while count < back.len()
        && let Ok(more @ 1..) = client.read(&mut back[count..])
    {
        count += more;
    }
    String::from_utf8_lossy(&back[..count]).into_owned()
}

#[test]
fn a_way_to_a_server_goes_wrong_as_it_is_told() -> Result<(), ServerError> {
    let proxy = Proxy::to(echo())?;
    let open = || TcpStream::connect(("127.0.0.1", proxy.port())).unwrap_or_else(|error| panic!("{error}"));
    let mut client = open();
    assert_eq!(sent(&mut client), "letter");
    assert_eq!((proxy.connections(), proxy.requests(), proxy.asked(), proxy.answered()), (1, 1, 6, 6));
    proxy.drop_replies_after(8);
    assert_eq!(sent(&mut client), "letter");
    assert_eq!(sent(&mut client), "le");
    assert_eq!((proxy.lost(), proxy.answered()), (1, 14));
    let mut client = open();
    assert_eq!(sent(&mut client), "letter");
    proxy.cut();
    assert_eq!(sent(&mut client), "");
    assert_eq!(sent(&mut open()), "");
    proxy.heal();
    let mut client = open();
    assert_eq!(sent(&mut client), "letter");
    proxy.hold();
    let late = thread::spawn(move || sent(&mut client));
    let mut other = open();
    assert!(other.set_read_timeout(Some(Duration::from_millis(50))).is_ok());
    assert_eq!(sent(&mut other), "");
    proxy.heal();
    assert_eq!(late.join().unwrap_or_default(), "letter");
    let port = proxy.port();
    drop(proxy);
    let start = Instant::now();
    while answers(port) {
        assert!(start.elapsed() < Duration::from_secs(10), "it goes on");
    }
    Ok(())
}
