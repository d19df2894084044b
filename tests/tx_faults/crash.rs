//! PostgreSQL crashes at random moments, as `pg_ctl stop -m immediate` has it, and comes back.

use crate::postgres::{CALLERS, block_on, judge, set_up};
use crate::process::Victim;
use crate::random::{Random, seed};
use crate::sweep::History;
use crate::worker::{Form, Job};
use idempotent_servers::{Passing, Postgres, Proxy};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// How often it crashes.
const CRASHES: usize = 10;

/// Counts what passes, and lets the server crash at some of it.
struct Weather {
    moments: BTreeSet<usize>,
    passed: AtomicUsize,
    /// Nothing that passes waits for it: a server that goes down waits for those who have just come.
    storm: Sender<Storm>,
}

enum Storm {
    Strikes,
    IsOver,
}

impl Weather {
    fn new(seed: u64, storm: Sender<Storm>) -> Self {
        let mut random = Random::new(seed);
        let moment = |at: &mut usize, _| {
            *at += 200 + random.below(1_500);
            Some(*at)
        };
        let moments = (0..CRASHES).scan(0, moment).collect();
        Self { moments, passed: AtomicUsize::new(0), storm }
    }

    fn passes(&self) {
        let moment = self.passed.fetch_add(1, Ordering::SeqCst);
        if self.moments.contains(&moment) {
            self.storm.send(Storm::Strikes).unwrap();
        }
    }
}

/// The server, and how often it crashed.
fn crash(mut server: Postgres, storm: &Receiver<Storm>) -> (Postgres, usize) {
    let mut crashes = 0;
    while let Ok(Storm::Strikes) = storm.recv() {
        server.stop_immediately();
        server.start_again().unwrap();
        crashes += 1;
    }
    (server, crashes)
}

#[test]
fn a_server_that_crashes_loses_and_repeats_nothing() {
    let seed = seed();
    // What is committed is with the kernel, which does not crash.
    let server = Postgres::with_settings(&[("fsync", "off"), ("max_connections", "200")]).unwrap();
    let (url, port) = (server.url(), server.port());
    block_on(set_up(&url));
    let (storm, storms) = channel();
    let weather = Arc::new(Weather::new(seed, storm.clone()));
    let server = thread::spawn(move || crash(server, &storms));
    let history = Mutex::new(History::default());
    thread::scope(|scope| {
        for (place, form) in [Form::Caller, Form::Library, Form::Serializable].into_iter().enumerate() {
            let (history, weather, url) = (&history, &weather, &url);
            scope.spawn(move || {
                let proxy = Proxy::to(port).unwrap();
                let above = weather.clone();
                proxy.attend(move |_, passing, _| {
                    if passing != Passing::Requested {
                        above.passes();
                    }
                    true
                });
                let mut keys: Vec<i64> = (0..500).collect();
                // All begin with the same ones.
                Random::new(seed + u64::try_from(place).unwrap()).shuffle(&mut keys[50..]);
                history.lock().unwrap_or_else(PoisonError::into_inner).keys.extend(keys.iter().copied());
                let url = url.replace(&format!(":{port}"), &format!(":{}", proxy.port()));
                let victim = Victim::default();
                for line in victim.start(&Job { url, form, callers: CALLERS, trap: String::new(), keys }.text()) {
                    history.lock().unwrap_or_else(PoisonError::into_inner).hear(&line);
                }
                assert!(victim.ended(), "a process failed");
            });
        }
    });
    let history = history.into_inner().unwrap_or_else(PoisonError::into_inner);
    storm.send(Storm::IsOver).unwrap();
    let (server, crashes) = server.join().unwrap();
    eprintln!(
        "SEED={seed}: {crashes} crashes, {:?}, {} careless, again {:?}",
        history.hows, history.careless, history.agains
    );
    judge(&server.url(), &history, seed);
    let counts = [history.count("executed"), history.count("replayed"), history.careless, history.agains.len()];
    assert!(crashes == CRASHES && counts.iter().all(|count| *count > 0), "{crashes} crashes, {counts:?}");
}
