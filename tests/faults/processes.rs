//! Processes that are killed and stopped in the body.

use crate::stores::{Shareable, fresh_key};
use crate::worker::Worker;
use idempotently::store::Standing;
use idempotently::{Records, Retention, connect};

pub(crate) fn a_killed_body_is_run_again_where_that_was_chosen(records: &dyn Shareable) {
    let (url, key) = (records.url(), fresh_key());
    let mut first = Worker::start(&url, "retry", &key, "first");
    let (token, attempt) = first.begins();
    assert_eq!(attempt, 1);
    first.signal("KILL");
    let mut second = Worker::start(&url, "retry", &key, "second");
    let (later, attempt) = second.begins();
    assert!(later > token, "{later} is not after {token}");
    assert_eq!(attempt, 2);
    second.go();
    assert_eq!(second.hear().as_deref(), Some("answer second"));
    assert_eq!(Worker::start(&url, "retry", &key, "third").hear().as_deref(), Some("answer second"));
}

pub(crate) fn a_killed_body_is_never_run_again_where_that_was_chosen(records: &dyn Shareable) {
    let (url, key) = (records.url(), fresh_key());
    let mut first = Worker::start(&url, "fail", &key, "first");
    first.begins();
    first.signal("KILL");
    for _ in 0..2 {
        let mut again = Worker::start(&url, "fail", &key, "again");
        assert_eq!(again.hear().as_deref(), Some("error Interrupted"));
    }
    let store = connect(&url).unwrap();
    assert!(Records::of(&store).resolve("faults.fail", &key, &"settled", Retention::Forever).unwrap());
    assert_eq!(Worker::start(&url, "fail", &key, "later").hear().as_deref(), Some("answer settled"));
}

pub(crate) fn a_process_stopped_past_its_lease_gets_the_winners_outcome(records: &dyn Shareable) {
    let (url, key) = (records.url(), fresh_key());
    let mut stopped = Worker::start(&url, "retry", &key, "stopped");
    let (token, _) = stopped.begins();
    stopped.signal("STOP");
    let mut winner = Worker::start(&url, "retry", &key, "winner");
    let (later, attempt) = winner.begins();
    assert!(later > token && attempt == 2, "{later} {attempt}");
    winner.go();
    assert_eq!(winner.hear().as_deref(), Some("answer winner"));
    stopped.signal("CONT");
    stopped.go();
    assert_eq!(stopped.hear().as_deref(), Some("answer winner"));
    assert_eq!(Worker::start(&url, "retry", &key, "late").hear().as_deref(), Some("answer winner"));
}

pub(crate) fn a_process_stopped_past_its_lease_is_told_and_cannot_record(records: &dyn Shareable) {
    let (url, key) = (records.url(), fresh_key());
    let mut stopped = Worker::start(&url, "notice", &key, "stopped");
    stopped.begins();
    stopped.signal("STOP");
    let mut winner = Worker::start(&url, "retry", &key, "winner");
    winner.begins();
    stopped.signal("CONT");
    assert_eq!(stopped.hear().as_deref(), Some("lost"));
    winner.go();
    assert_eq!(winner.hear().as_deref(), Some("answer winner"));
    assert_eq!(stopped.hear().as_deref(), Some("answer winner"));
}

pub(crate) fn a_process_stopped_past_its_lease_cannot_give_away_what_the_winner_holds(records: &dyn Shareable) {
    let (url, key) = (records.url(), fresh_key());
    let mut stopped = Worker::start(&url, "give up", &key, "given up");
    stopped.begins();
    stopped.signal("STOP");
    let mut winner = Worker::start(&url, "retry", &key, "winner");
    let (token, _) = winner.begins();
    stopped.signal("CONT");
    stopped.go();
    assert_eq!(stopped.hear().as_deref(), Some("failed given up"));
    assert_eq!(stopped.hear(), None, "it has ended, and has given back what it had");
    let store = connect(&url).unwrap();
    let seen = Records::of(&store).peek("faults.retry", &key).unwrap().unwrap();
    assert_eq!((seen.standing, seen.token), (Standing::InFlight, token));
    winner.go();
    assert_eq!(winner.hear().as_deref(), Some("answer winner"));
    assert_eq!(Worker::start(&url, "retry", &key, "late").hear().as_deref(), Some("answer winner"));
}
