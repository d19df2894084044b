//! A way to the server on which something goes wrong when it is told to.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;

const PASS: u8 = 0;
const LOSE_ONE: u8 = 1;
const HANG: u8 = 2;

/// Listens on a port of its own for as long as the process lives.
pub(crate) struct Proxy {
    port: u16,
    mood: Arc<AtomicU8>,
}

impl Proxy {
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap_or_else(|error| panic!("{error}"));
        let own = listener.local_addr().unwrap_or_else(|error| panic!("{error}")).port();
        let mood = Arc::new(AtomicU8::new(PASS));
        let of_connections = mood.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A server that is away closes the door.
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { continue };
                let (Ok(from_client), Ok(from_server)) = (client.try_clone(), server.try_clone()) else { continue };
                let (there, back) = (of_connections.clone(), of_connections.clone());
                thread::spawn(move || carry(from_client, server, |_| there.load(Ordering::SeqCst) == HANG, |_| false));
                thread::spawn(move || {
                    let loses =
                        |_: &[u8]| back.compare_exchange(LOSE_ONE, PASS, Ordering::SeqCst, Ordering::SeqCst).is_ok();
                    carry(from_server, client, |_| back.load(Ordering::SeqCst) == HANG, loses);
                });
            }
        });
        Self { port: own, mood }
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
