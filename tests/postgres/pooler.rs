//! A pooler that does not reach its server, and says so with SQLSTATE 08P01.

use crate::support::{LEASE, claim, granted, open, place, schema, soon};
use futures_lite::future::block_on;
use idempotently::OnInterruption;
use idempotently::record::Owner;
use idempotently::store::{Claim, Claimed, Release, Store};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A stand-in for a pooler in front of a server.
struct Pooler {
    port: u16,
    /// How many more connections are turned away.
    refusals: Arc<AtomicUsize>,
    clients: Arc<Mutex<Vec<TcpStream>>>,
}

impl Pooler {
    fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap_or_else(|error| panic!("{error}"));
        let own = listener.local_addr().unwrap_or_else(|error| panic!("{error}")).port();
        let (refusals, clients) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (left, known) = (refusals.clone(), clients.clone());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if left.load(Ordering::SeqCst) > 0 {
                    refuse(client);
                    left.fetch_sub(1, Ordering::SeqCst);
                    continue;
                }
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { continue };
                let (Ok(from_client), Ok(from_server)) = (client.try_clone(), server.try_clone()) else { continue };
                let Ok(kept) = client.try_clone() else { continue };
                known.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
                thread::spawn(move || carry(from_client, server));
                thread::spawn(move || carry(from_server, client));
            }
        });
        Self { port: own, refusals, clients }
    }

    /// Ends the connections that there are, and turns so many new ones away.
    fn loses_its_server(&self, refusals: usize) {
        self.refusals.store(refusals, Ordering::SeqCst);
        for client in self.clients.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = client.shutdown(Shutdown::Both);
        }
    }
}

/// Answers a start-up message as `PgBouncer` does when its server cannot be reached.
fn refuse(mut client: TcpStream) {
    let mut length = [0; 4];
    if client.read_exact(&mut length).is_err() {
        return;
    }
    let mut rest = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap_or_default().saturating_sub(4)];
    let _ = client.read_exact(&mut rest);
    let fields = b"SFATAL\0VFATAL\0C08P01\0Mserver login has been failing, try again later\0\0";
    let mut message = vec![b'E'];
    message.extend(u32::try_from(fields.len() + 4).unwrap_or_default().to_be_bytes());
    message.extend(fields);
    let _ = client.write_all(&message);
    let _ = client.shutdown(Shutdown::Write);
    let _ = client.read_to_end(&mut Vec::new());
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

#[test]
fn a_release_that_nobody_waits_for_outlasts_a_pooler_without_a_server() {
    let (to, _bare) = schema();
    let pooler = Pooler::to(to.get_port());
    // Without TLS the first message is the start-up itself.
    let by_pooler = crate::support::to(&format!("postgres://127.0.0.1:{}/postgres?sslmode=disable", pooler.port));
    let by_pooler = by_pooler.username(to.get_username());
    let schema = to.get_application_name().unwrap_or_default().to_owned();
    let store = open(&by_pooler.options([("search_path", format!("{schema},pg_catalog"))]));
    let direct = open(&to);
    let failing = |owner| Claim::new(place("k"), Owner([owner; 16]), LEASE, OnInterruption::Fail);
    let hold = granted(&store, failing(1));
    pooler.loses_its_server(5);
    drop(store.release(hold, Release::Free));
    // It is given back long before its lease is over.
    soon("the key was not given back", || {
        matches!(block_on(direct.claim(failing(2))), Ok(Claimed::Granted { attempt: 1, .. })).then_some(())
    });
}

#[test]
fn a_claim_outlasts_a_pooler_without_a_server() {
    let (to, _bare) = schema();
    let pooler = Pooler::to(to.get_port());
    let schema = to.get_application_name().unwrap_or_default().to_owned();
    let by_pooler = crate::support::to(&format!("postgres://127.0.0.1:{}/postgres?sslmode=disable", pooler.port));
    let by_pooler = by_pooler.username(to.get_username()).options([("search_path", format!("{schema},pg_catalog"))]);
    let store = open(&by_pooler);
    granted(&store, claim("warm", 1));
    pooler.loses_its_server(3);
    granted(&store, claim("k", 1));
}
