//! What becomes of requests when the server, or the way there, does not hold.

use crate::proxy::Proxy;
use crate::support::{claim, complete, completed, granted, open, place, said, schema, soon, to};
use futures_lite::future::{block_on, poll_once};
use idempotent_servers::Postgres;
use idempotently::store::{Claimed, CompleteRequest, Recorded, Release, Store};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn a_claim_whose_answer_was_lost_finds_its_own_grant() {
    let (to, bare) = schema();
    let proxy = Proxy::to(to.get_port());
    let (store, direct) = (open(&to.clone().port(proxy.port())), open(&to));
    granted(&store, claim("warm", 1));
    let drawn = "SELECT last_value FROM idempotently_token";
    let before = bare.number(drawn);
    proxy.lose_one();
    let answer = said(store.claim(claim("k", 1)));
    assert!(proxy.has_lost_one());
    let Claimed::Granted { token, attempt: 1 } = answer else { panic!("{answer:?}") };
    assert_eq!(bare.number(drawn), before + 2, "it was asked twice");
    assert_eq!(said(direct.peek(place("k"))).map(|seen| (seen.token, seen.attempt)), Some((token, 1)));
}

#[test]
fn an_outcome_whose_answer_was_lost_is_recorded() {
    let (to, _bare) = schema();
    let proxy = Proxy::to(to.get_port());
    let store = open(&to.clone().port(proxy.port()));
    complete(&store, &granted(&store, claim("warm", 1)), b"up");
    let hold = granted(&store, claim("k", 1));
    proxy.lose_one();
    assert_eq!(complete(&store, &hold, b"paid"), Recorded::Done);
    assert!(proxy.has_lost_one());
    assert_eq!(said(open(&to).claim(claim("k", 2))), completed(b"paid"));
}

#[test]
fn what_an_operator_asked_and_was_perhaps_done_is_not_denied() {
    let (to, _bare) = schema();
    let proxy = Proxy::to(to.get_port());
    let (store, direct) = (open(&to.clone().port(proxy.port())), open(&to));
    for key in ["k", "warm"] {
        let hold = granted(&direct, claim(key, 1));
        assert!(said(direct.release(hold, Release::Interrupt)));
    }
    assert!(said(store.resolve(place("warm"), b"looked".to_vec(), None)));
    // By the same connection, until all is told that was to be told.
    thread::sleep(Duration::from_millis(100));
    said(store.peek(place("k")));
    proxy.lose_one();
    let Err(error) = block_on(store.resolve(place("k"), b"looked".to_vec(), None)) else { panic!("it was told") };
    assert!(error.to_string().contains("look at the record"), "{error}");
    assert!(proxy.has_lost_one());
    assert_eq!(said(store.claim(claim("k", 2))), completed(b"looked"));
}

#[test]
fn a_server_that_does_not_answer_is_given_up_in_time() {
    let (to, _bare) = schema();
    let proxy = Proxy::to(to.get_port());
    let store = open(&to.clone().port(proxy.port()));
    granted(&store, claim("warm", 1));
    proxy.hang();
    let since = Instant::now();
    let callers: Vec<_> = (0..4)
        .map(|index| {
            let store = store.clone();
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(300 * index));
                let since = Instant::now();
                // More than go into one statement.
                let claims = (0..64).map(|number| store.claim(claim(&format!("{index} {number}"), 1)));
                let mut claims: Vec<_> = claims.collect();
                for asked in &mut claims {
                    assert!(block_on(poll_once(asked)).is_none(), "an answer");
                }
                let refused = claims.into_iter().map(|asked| match block_on(asked) {
                    Err(error) => error.to_string(),
                    Ok(answer) => panic!("{answer:?}"),
                });
                (refused.collect::<Vec<_>>(), since.elapsed())
            })
        })
        .collect();
    for caller in callers {
        let (errors, after) = caller.join().unwrap_or_else(|_| panic!("a caller panicked"));
        assert!(errors.iter().all(|error| error.contains("does not answer in time")), "{errors:?}");
        assert!(after < Duration::from_millis(4700), "after {after:?}");
    }
    assert!(since.elapsed() > Duration::from_secs(3), "it was not given time");
    proxy.pass();
    granted(&store, claim("again", 1));
}

/// The last of a crowd is told as early as the first: its wait does not grow with the number of those before it.
#[test]
fn the_last_of_a_crowd_is_told_of_a_silent_server_when_the_first_is() {
    const CALLERS: usize = 1000;
    let (to, _bare) = schema();
    let proxy = idempotent_servers::Proxy::to(to.get_port()).unwrap_or_else(|error| panic!("{error}"));
    let store = open(&to.clone().port(proxy.port()));
    granted(&store, claim("warm", 1));
    let before = proxy.connections();
    proxy.hold();
    let mut asked: Vec<_> = (0..CALLERS).map(|index| store.claim(claim(&index.to_string(), 1))).collect();
    // All are asked before one is waited for.
    for answer in &mut asked {
        assert!(block_on(poll_once(answer)).is_none(), "an answer");
    }
    for answer in asked {
        let Err(error) = block_on(answer) else { panic!("an answer") };
        assert!(error.to_string().contains("PostgreSQL server"), "{error}");
    }
    // Each statement that is given up costs its connection. All of these were asked within the time of the first one, so
    // they are refused with it, or with the next one.
    let made = proxy.connections() - before;
    assert!(made <= 3, "{made} connections were waited for, one after the other");
    proxy.heal();
    granted(&store, claim("again", 1));
}

#[test]
fn a_server_that_is_away_refuses_and_gets_later_what_nobody_waits_for() {
    let mut server = Postgres::with_settings(&[("fsync", "off")]).unwrap_or_else(|error| panic!("{error}"));
    let store = open(&to(&server.url()));
    let hold = granted(&store, claim("k", 1));
    let given_back = granted(&store, claim("given back", 1));
    server.stop_immediately();
    drop(store.complete(CompleteRequest::new(hold, b"paid".to_vec())));
    drop(store.release(given_back, Release::Free));
    let since = Instant::now();
    let Err(error) = block_on(store.claim(claim("l", 1))) else { panic!("nobody is there") };
    assert!(error.to_string().contains("PostgreSQL server"), "{error}");
    assert!(since.elapsed() < Duration::from_millis(4700), "after {:?}", since.elapsed());
    server.start_again().unwrap_or_else(|error| panic!("{error}"));
    let found = soon("the outcome was forgotten", || match block_on(store.claim(claim("k", 2))) {
        Ok(Claimed::InFlight { .. }) | Err(_) => None,
        Ok(found) => Some(found),
    });
    assert_eq!(found, completed(b"paid"));
    soon("the key was not given back", || {
        matches!(block_on(store.claim(claim("given back", 2))), Ok(Claimed::Granted { attempt: 1, .. })).then_some(())
    });
}

#[test]
fn a_server_that_was_started_again_is_found_by_the_next_claim() {
    let mut server = Postgres::with_settings(&[("fsync", "off")]).unwrap_or_else(|error| panic!("{error}"));
    let store = open(&to(&server.url()));
    complete(&store, &granted(&store, claim("k", 1)), b"paid");
    server.stop_immediately();
    server.start_again().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(said(store.claim(claim("k", 2))), completed(b"paid"));
    complete(&store, &granted(&store, claim("l", 1)), b"paid");
}

#[test]
fn sessions_that_are_ended_cost_nobody_his_answer() {
    let (to, bare) = schema();
    let store = open(&to);
    let callers: Vec<_> = (0..8)
        .map(|caller: u8| {
            let store = store.clone();
            thread::spawn(move || {
                let since = Instant::now();
                let mut count = 0;
                while since.elapsed() < Duration::from_millis(1500) {
                    let key = format!("{caller} {count}");
                    let claim = claim(&key, caller);
                    let place = claim.place.clone();
                    let answer = said(store.claim(claim));
                    let Claimed::Granted { token, attempt: 1 } = answer else { panic!("{key}: {answer:?}") };
                    let hold = idempotently::store::Hold { place, token };
                    assert_eq!(complete(&store, &hold, key.as_bytes()), Recorded::Done);
                    count += 1;
                }
                count
            })
        })
        .collect();
    let end = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = '{}'",
        to.get_application_name().unwrap_or_default()
    );
    let mut ended = 0;
    while !callers.iter().all(thread::JoinHandle::is_finished) {
        ended += bare.number(&end);
        thread::sleep(Duration::from_millis(70));
    }
    let done: i64 =
        callers.into_iter().map(|caller| caller.join().unwrap_or_else(|_| panic!("a caller panicked"))).sum();
    assert!(ended > 5 && done > 20, "{ended} sessions, {done} calls");
    assert_eq!(bare.number("SELECT count(*) FROM idempotently_record WHERE state = 2 AND attempt = 1"), done);
}
