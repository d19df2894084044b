//! One durable function for several types: one operation, one scope, one kind of record.

use idempotently::backend::memory::MemoryStore;
use idempotently::{Error, ErrorKind, How, SharedStore, current, idempotent, observe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;

trait Gateway {
    fn charge(&self) -> u64;
}

struct Fake;
struct Real;

impl Gateway for Fake {
    fn charge(&self) -> u64 {
        1
    }
}

impl Gateway for Real {
    fn charge(&self) -> u64 {
        2
    }
}

#[idempotent(key = id, store = store, scope = "generic.renew", interrupted = fail)]
fn renew<G: Gateway>(store: &SharedStore, gateway: &G, id: u32) -> Result<u64, Error> {
    Ok(gateway.charge())
}

#[test]
fn two_types_of_argument_share_one_scope() {
    let store = SharedStore::new(MemoryStore::new());
    let fake = observe(|| renew(&store, &Fake, 7));
    let real = observe(|| renew(&store, &Real, 7));
    assert_eq!((fake.value.unwrap(), fake.how), (1, How::Executed));
    assert_eq!((real.value.unwrap(), real.how), (1, How::Replayed), "one scope and key is one record");
    assert_eq!(renew(&store, &Real, 8).unwrap(), 2);
}

#[idempotent(key = id, store = store, scope = "generic.renew_async", interrupted = fail)]
async fn renew_async<G: Gateway>(store: &SharedStore, gateway: &G, id: u32) -> Result<u64, Error> {
    Ok(gateway.charge())
}

#[test]
fn so_do_two_types_of_an_async_function() {
    let store = SharedStore::new(MemoryStore::new());
    futures_lite::future::block_on(async {
        assert_eq!(renew_async(&store, &Fake, 7).await.unwrap(), 1);
        assert_eq!(renew_async(&store, &Real, 7).await.unwrap(), 1);
        assert_eq!(renew_async(&store, &Real, 8).await.unwrap(), 2);
    });
}

/// Runs until it is told to end.
struct Slow {
    begun: std::sync::mpsc::Sender<()>,
    end: Mutex<std::sync::mpsc::Receiver<()>>,
    bodies: Arc<AtomicUsize>,
}

/// The same gateway by another name.
struct Other(Slow);

impl Gateway for Slow {
    fn charge(&self) -> u64 {
        let bodies = self.bodies.fetch_add(1, Ordering::SeqCst) + 1;
        self.begun.send(()).unwrap();
        self.end.lock().unwrap().recv().unwrap();
        assert_eq!(current().unwrap().attempt(), 1);
        u64::try_from(bodies).unwrap()
    }
}

impl Gateway for Other {
    fn charge(&self) -> u64 {
        self.0.charge()
    }
}

#[test]
fn a_duplicate_of_another_type_waits_for_the_one_that_runs() {
    let (store, bodies) = (SharedStore::new(MemoryStore::new()), Arc::new(AtomicUsize::new(0)));
    let slow = || {
        let ((begun, has_begun), (may_end, end)) = (channel(), channel());
        (Slow { begun, end: Mutex::new(end), bodies: bodies.clone() }, has_begun, may_end)
    };
    let (first, has_begun, may_end) = slow();
    let (second, second_has_begun, second_may_end) = slow();
    second_may_end.send(()).unwrap();
    let leader = thread::spawn({
        let store = store.clone();
        move || renew(&store, &first, 9)
    });
    has_begun.recv().unwrap();
    let (calls, is_called) = channel();
    let follower = thread::spawn(move || {
        calls.send(()).unwrap();
        observe(|| renew(&store, &Other(second), 9))
    });
    is_called.recv().unwrap();
    may_end.send(()).unwrap();
    assert_eq!(leader.join().unwrap().unwrap(), 1);
    let seen = follower.join().unwrap();
    assert_eq!(seen.value.unwrap(), 1);
    assert!(matches!(seen.how, How::Joined | How::Replayed), "{:?}", seen.how);
    assert_eq!(bodies.load(Ordering::SeqCst), 1);
    assert!(second_has_begun.try_recv().is_err());
}

#[idempotent(key = id, store = store, scope = "generic.fetch", interrupted = fail)]
fn fetch<T>(store: &SharedStore, id: u32, value: T) -> Result<T, Error>
where
    T: Clone + Send + Sync + serde::Serialize + serde::de::DeserializeOwned + 'static,
{
    Ok(value)
}

#[test]
fn outcomes_of_two_types_under_one_scope_are_refused_by_their_names() {
    let store = SharedStore::new(MemoryStore::new());
    assert_eq!(fetch(&store, 1, 7u64).unwrap(), 7);
    let error = fetch(&store, 2, "text".to_owned()).unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Misdeclared, "generic.fetch"));
    let said = error.to_string();
    assert!(said.contains("`u64`") && said.contains("`alloc::string::String`"), "{said}");
    assert_eq!(fetch(&store, 3, 8u64).unwrap(), 8);
}
