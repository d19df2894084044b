//! A way to the server on which something goes wrong when it is told to.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

const PASS: u8 = 0;
const LOSE_ONE: u8 = 1;
const HANG: u8 = 2;

/// Listens on a port of its own for as long as the process lives.
pub(crate) struct Proxy {
    port: u16,
    mood: Arc<AtomicU8>,
    straits: Arc<Straits>,
}

/// Where requests are stranded.
#[derive(Default)]
struct Straits {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The clients' ends of all connections.
    clients: Vec<TcpStream>,
    /// Of how many of these, the first ones, the requests are stranded.
    stranded: usize,
}

impl Straits {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(&self, number: usize) {
        let stranded = |state: &mut State| number < state.stranded;
        drop(self.changed.wait_while(self.state(), stranded).unwrap_or_else(PoisonError::into_inner));
    }
}

impl Proxy {
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap_or_else(|error| panic!("{error}"));
        let own = listener.local_addr().unwrap_or_else(|error| panic!("{error}")).port();
        let mood = Arc::new(AtomicU8::new(PASS));
        let of_connections = mood.clone();
        let straits = Arc::new(Straits::default());
        let passed = straits.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A server that is away closes the door.
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { continue };
                let (Ok(from_client), Ok(from_server)) = (client.try_clone(), server.try_clone()) else { continue };
                let Ok(kept) = client.try_clone() else { continue };
                let (there, back, straits) = (of_connections.clone(), of_connections.clone(), passed.clone());
                let mut state = straits.state();
                let number = state.clients.len();
                state.clients.push(kept);
                drop(state);
                thread::spawn(move || {
                    let hangs = |_: &[u8]| {
                        straits.pass(number);
                        there.load(Ordering::SeqCst) == HANG
                    };
                    carry(from_client, server, hangs, |_| false);
                });
                thread::spawn(move || {
                    let loses =
                        |_: &[u8]| back.compare_exchange(LOSE_ONE, PASS, Ordering::SeqCst, Ordering::SeqCst).is_ok();
                    carry(from_server, client, |_| back.load(Ordering::SeqCst) == HANG, loses);
                });
            }
        });
        Self { port: own, mood, straits }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The next answer is lost, and the connection with it.
    pub(crate) fn lose_one(&self) {
        self.mood.store(LOSE_ONE, Ordering::SeqCst);
    }

    pub(crate) fn has_lost_one(&self) -> bool {
        self.mood.load(Ordering::SeqCst) == PASS
    }

    /// Nothing gets through, and nothing is closed.
    pub(crate) fn hang(&self) {
        self.mood.store(HANG, Ordering::SeqCst);
    }

    pub(crate) fn pass(&self) {
        self.mood.store(PASS, Ordering::SeqCst);
    }

    /// What is asked from now on by the connections that there are is on its way until [`deliver`](Self::deliver);
    /// connections that are made later are not concerned.
    pub(crate) fn strand(&self) {
        let mut state = self.straits.state();
        state.stranded = state.clients.len();
    }

    /// The clients of stranded connections lose them; what they asked stays on its way.
    pub(crate) fn forsake(&self) {
        let state = self.straits.state();
        for client in &state.clients[..state.stranded] {
            let _ = client.shutdown(Shutdown::Both);
        }
    }

    /// What was stranded arrives.
    pub(crate) fn deliver(&self) {
        self.straits.state().stranded = 0;
        self.straits.changed.notify_all();
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, hangs: impl Fn(&[u8]) -> bool, loses: impl Fn(&[u8]) -> bool) {
    let mut bytes = [0; 8192];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if hangs(&bytes[..count]) {
            continue;
        }
        if loses(&bytes[..count]) || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
