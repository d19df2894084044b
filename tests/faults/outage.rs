//! Servers that go away and come back.

#![cfg(any(feature = "postgres", feature = "redis"))]

use idempotently::{Error, ErrorKind, OnInterruption, Operation, Records, SharedStore, connect};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

static REFUSED: Operation = Operation::new("faults.away.refused").interrupted(OnInterruption::Retry);
static LATE: Operation = Operation::new("faults.away.late").interrupted(OnInterruption::Retry);

/// How long an outage may go unnoticed.
const PROMISED: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(30);

trait Server: Send {
    fn url(&self) -> String;
    fn stop(&mut self);
    fn start(&mut self);
}

#[cfg(feature = "redis")]
impl Server for idempotent_servers::Redis {
    fn url(&self) -> String {
        idempotent_servers::Redis::url(self)
    }

    fn stop(&mut self) {
        self.stop();
    }

    fn start(&mut self) {
        self.start_again().unwrap();
    }
}

#[cfg(feature = "postgres")]
impl Server for idempotent_servers::Postgres {
    fn url(&self) -> String {
        idempotent_servers::Postgres::url(self)
    }

    fn stop(&mut self) {
        self.stop_immediately();
    }

    fn start(&mut self) {
        self.start_again().unwrap();
    }
}

fn charge(store: &SharedStore, key: &str) -> Result<String, Error> {
    REFUSED.call(key).store(store).try_run(|| Ok("charged".to_owned()))
}

fn a_server_that_is_away_refuses_in_time_and_serves_when_it_is_back(server: &mut dyn Server) {
    let store = connect(&server.url()).unwrap();
    assert_eq!(charge(&store, "before").unwrap(), "charged");
    server.stop();
    let start = Instant::now();
    let refused = REFUSED.call("during").store(&store).try_run(|| -> Result<String, Error> { panic!("it is away") });
    let took = start.elapsed();
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Store);
    assert!(took < PROMISED, "{took:?}");
    server.start();
    let start = Instant::now();
    // The connections come back by themselves, some moments after the server does.
    while let Err(error) = charge(&store, "after") {
        assert!(error.kind() == ErrorKind::Store && start.elapsed() < PATIENCE, "{error:?}");
    }
    assert_eq!(charge(&store, "before").unwrap(), "charged");
}

fn an_outcome_that_could_not_be_recorded_is_recorded_when_the_server_is_back(server: &mut dyn Server) {
    let store = connect(&server.url()).unwrap();
    let server = Mutex::new(server);
    let server = || server.lock().unwrap_or_else(PoisonError::into_inner);
    let outcome = LATE.call("key").store(&store).try_run(|| {
        server().stop();
        Ok::<_, Error>("charged".to_owned())
    });
    assert_eq!(outcome.unwrap(), "charged");
    assert_eq!(store.unrecorded(), 1);
    server().start();
    let start = Instant::now();
    while store.unrecorded() > 0 {
        assert!(start.elapsed() < PATIENCE, "it is never recorded");
        thread::sleep(Duration::from_millis(20));
    }
    assert!(Records::of(&store).peek("faults.away.late", "key").unwrap().is_some());
    let replayed = LATE.call("key").store(&store).try_run(|| -> Result<String, Error> { panic!("it is recorded") });
    assert_eq!(replayed.unwrap(), "charged");
}

#[cfg(feature = "redis")]
mod redis {
    use idempotent_servers::Redis;

    /// It must not forget what it has answered.
    fn server() -> Redis {
        Redis::with_arguments(&["--appendonly", "yes", "--appendfsync", "always", "--save", ""]).unwrap()
    }

    #[test]
    fn a_server_that_is_away_refuses_in_time_and_serves_when_it_is_back() {
        super::a_server_that_is_away_refuses_in_time_and_serves_when_it_is_back(&mut server());
    }

    #[test]
    fn an_outcome_that_could_not_be_recorded_is_recorded_when_the_server_is_back() {
        super::an_outcome_that_could_not_be_recorded_is_recorded_when_the_server_is_back(&mut server());
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use idempotent_servers::Postgres;

    /// It must not forget what it has answered.
    fn server() -> Postgres {
        Postgres::with_settings(&[]).unwrap()
    }

    #[test]
    fn a_server_that_is_away_refuses_in_time_and_serves_when_it_is_back() {
        super::a_server_that_is_away_refuses_in_time_and_serves_when_it_is_back(&mut server());
    }

    #[test]
    fn an_outcome_that_could_not_be_recorded_is_recorded_when_the_server_is_back() {
        super::an_outcome_that_could_not_be_recorded_is_recorded_when_the_server_is_back(&mut server());
    }
}
