//! Servers that go away and come back.

#![cfg(any(feature = "postgres", feature = "redis"))]

use crate::stores::{Remote, fresh_key};
use idempotent_servers::Proxy;
use idempotently::{Error, ErrorKind, OnInterruption, Operation, Records, SharedStore, connect};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

static REFUSED: Operation = Operation::new("faults.away.refused").interrupted(OnInterruption::Retry);
static LATE: Operation = Operation::new("faults.away.late").interrupted(OnInterruption::Retry);
static ONCE: Operation = Operation::new("faults.away.once").interrupted(OnInterruption::Fail);

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

/// A server that stays, and the way there, which does not.
struct Way {
    url: String,
    proxy: Proxy,
    /// Whether what is on its way is held, and not lost.
    holds: bool,
}

impl Way {
    fn to(records: &impl Remote, holds: bool) -> Self {
        let proxy = Proxy::to(records.port()).unwrap();
        Self { url: records.url_by(proxy.port()), proxy, holds }
    }
}

impl Server for Way {
    fn url(&self) -> String {
        self.url.clone()
    }

    fn stop(&mut self) {
        if self.holds { self.proxy.hold() } else { self.proxy.cut() }
    }

    fn start(&mut self) {
        self.proxy.heal();
    }
}

fn charge(store: &SharedStore, key: &str) -> Result<String, Error> {
    REFUSED.call(key).store(store).try_run(|| Ok("charged".to_owned()))
}

fn a_server_that_is_away_refuses_in_time_and_serves_when_it_is_back(server: &mut dyn Server) {
    let (store, before, during, after) = (connect(&server.url()).unwrap(), fresh_key(), fresh_key(), fresh_key());
    assert_eq!(charge(&store, &before).unwrap(), "charged");
    server.stop();
    let start = Instant::now();
    let refused = REFUSED.call(&during).store(&store).try_run(|| -> Result<String, Error> { panic!("it is away") });
    let took = start.elapsed();
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Store);
    assert!(took < PROMISED, "{took:?}");
    server.start();
    let start = Instant::now();
    // The connections come back by themselves, some moments after the server does.
    while let Err(error) = charge(&store, &after) {
        assert!(error.kind() == ErrorKind::Store && start.elapsed() < PATIENCE, "{error:?}");
    }
    assert_eq!(charge(&store, &before).unwrap(), "charged");
}

fn an_outcome_that_could_not_be_recorded_is_recorded_when_the_server_is_back(server: &mut dyn Server) {
    let (store, key) = (connect(&server.url()).unwrap(), fresh_key());
    let server = Mutex::new(server);
    let server = || server.lock().unwrap_or_else(PoisonError::into_inner);
    let outcome = LATE.call(&key).store(&store).try_run(|| {
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
    assert!(Records::of(&store).peek("faults.away.late", &key).unwrap().is_some());
    let replayed = LATE.call(&key).store(&store).try_run(|| -> Result<String, Error> { panic!("it is recorded") });
    assert_eq!(replayed.unwrap(), "charged");
}

/// How often a claim is made to arrive late.
const TRIES: usize = 6;

/// The claim is on its way when the way is held, and arrives after its caller was refused.
fn a_claim_that_arrives_late_keeps_no_key(records: &(impl Remote + Sync)) {
    let once = || {
        let way = &mut Way::to(records, true);
        let (store, key) = (connect(&way.url()).unwrap(), fresh_key());
        ONCE.call(&fresh_key()).store(&store).try_run(|| Ok::<_, Error>("warm".to_owned())).unwrap();
        way.stop();
        let refused = ONCE.call(&key).store(&store).try_run(|| -> Result<String, Error> { panic!("it is away") });
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Store);
        way.start();
        let start = Instant::now();
        let charged = loop {
            match ONCE.call(&key).store(&store).try_run(|| Ok::<_, Error>("charged".to_owned())) {
                Err(error) if error.kind() == ErrorKind::Store && start.elapsed() < PATIENCE => {}
                charged => break charged,
            }
        };
        assert_eq!(charged.unwrap(), "charged", "no body ran that could be interrupted");
        // Not by waiting until the lease was over, which is half a minute.
        assert!(start.elapsed() < PATIENCE / 2, "{:?}", start.elapsed());
    };
    thread::scope(|scope| {
        let tries: Vec<_> = (0..TRIES).map(|_| scope.spawn(once)).collect();
        assert!(tries.into_iter().all(|tried| tried.join().is_ok()));
    });
}

/// Makes a test of each check, by a server that ends and by a way to it that is cut or holds everything.
macro_rules! outages_of {
    ($server:ident) => {
        #[test]
        fn a_server_that_is_away_refuses_in_time_and_serves_when_it_is_back() {
            super::a_server_that_is_away_refuses_in_time_and_serves_when_it_is_back(&mut server());
        }

        #[test]
        fn an_outcome_that_could_not_be_recorded_is_recorded_when_the_server_is_back() {
            super::an_outcome_that_could_not_be_recorded_is_recorded_when_the_server_is_back(&mut server());
        }

        #[test]
        fn a_way_that_is_cut_refuses_in_time_and_serves_when_it_is_back() {
            let way = &mut super::Way::to(&crate::stores::$server, false);
            super::a_server_that_is_away_refuses_in_time_and_serves_when_it_is_back(way);
        }

        #[test]
        fn a_way_that_holds_all_refuses_in_time_and_serves_when_it_is_back() {
            let way = &mut super::Way::to(&crate::stores::$server, true);
            super::a_server_that_is_away_refuses_in_time_and_serves_when_it_is_back(way);
        }

        #[test]
        fn a_claim_that_arrives_late_keeps_no_key() {
            super::a_claim_that_arrives_late_keeps_no_key(&crate::stores::$server);
        }

        #[test]
        fn an_outcome_that_was_cut_off_is_recorded_when_the_way_is_back() {
            let way = &mut super::Way::to(&crate::stores::$server, false);
            super::an_outcome_that_could_not_be_recorded_is_recorded_when_the_server_is_back(way);
        }

        #[test]
        fn an_outcome_that_was_held_is_recorded_when_the_way_is_back() {
            let way = &mut super::Way::to(&crate::stores::$server, true);
            super::an_outcome_that_could_not_be_recorded_is_recorded_when_the_server_is_back(way);
        }
    };
}

#[cfg(feature = "redis")]
mod redis {
    use idempotent_servers::Redis;

    /// It must not forget what it has answered.
    fn server() -> Redis {
        Redis::with_arguments(&["--appendonly", "yes", "--appendfsync", "always", "--save", ""]).unwrap()
    }

    outages_of!(Redis);
}

#[cfg(feature = "postgres")]
mod postgres {
    use idempotent_servers::Postgres;

    /// It must not forget what it has answered.
    fn server() -> Postgres {
        Postgres::with_settings(&[]).unwrap()
    }

    outages_of!(Postgres);
}
