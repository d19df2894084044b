//! A way to a server on which something goes wrong when it is told to.

use crate::ServerError;
use std::fmt;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

/// What passes by an attendant: see [`Proxy::attend`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Passing {
    /// A request that has not been passed on.
    Request,
    /// The same, when it has been.
    Requested,
    /// An answer that has not been passed on.
    Answer,
}

/// Who looks at everything that passes.
struct Attendant(Box<Attends>);

type Attends = dyn Fn(usize, Passing, &[u8]) -> bool + Send + Sync;

impl fmt::Debug for Attendant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attendant")
    }
}

/// A way to a server. It ends with this value.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    way: Arc<Way>,
}

#[derive(Debug, Default)]
struct Way {
    state: Mutex<State>,
    changed: Condvar,
    attendant: OnceLock<Attendant>,
}

#[derive(Debug, Default)]
struct State {
    mood: Mood,
    /// How much of the answers still comes through before one is lost.
    loses_after: Option<usize>,
    counts: Counts,
    connections: Vec<(TcpStream, TcpStream)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mood {
    #[default]
    Open,
    Held,
    Cut,
    /// There is nobody left who could open it again.
    Over,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    connections: usize,
    requests: usize,
    asked: usize,
    answered: usize,
    lost: usize,
}

impl Proxy {
    /// A way to a port on this machine.
    ///
    /// # Errors
    /// When there is no port for it.
    pub fn to(port: u16) -> Result<Self, ServerError> {
        let refused = |error| ServerError::because("there is no way to the server", error);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let way = Arc::new(Way::default());
        let of_thread = way.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if of_thread.state().mood == Mood::Over {
                    return;
                }
                of_thread.open(client, port);
            }
        });
        Ok(Self { address, way })
    }

    /// Where it begins.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Ends all connections, and ends new ones as soon as they are made.
    pub fn cut(&self) {
        self.way.turn(Mood::Cut);
    }

    /// Lets nothing through in either direction, and ends no connection. What is held comes through after
    /// [`heal`](Self::heal), also when the client has gone by then.
    pub fn hold(&self) {
        self.way.turn(Mood::Held);
    }

    /// Lets everything through.
    pub fn heal(&self) {
        self.way.turn(Mood::Open);
        self.way.state().loses_after = None;
    }

    /// Lets through that many more bytes of answers, and loses the rest of the one that goes beyond, with its
    /// connection. Once.
    pub fn drop_replies_after(&self, bytes: usize) {
        self.way.state().loses_after = Some(bytes);
    }

    /// Shows everything that passes, with the number of its connection, to somebody who says whether the connection goes
    /// on; where it does not, what was shown is not passed on. Only the first attendant is one.
    pub fn attend(&self, attendant: impl Fn(usize, Passing, &[u8]) -> bool + Send + Sync + 'static) {
        let _ = self.way.attendant.set(Attendant(Box::new(attendant)));
    }

    /// How many answers were lost.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.way.state().counts.lost
    }

    /// How many connections were made.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.way.state().counts.connections
    }

    /// How many pieces the requests came in; one that is small comes in one piece.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.way.state().counts.requests
    }

    /// How many bytes of requests came through.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.way.state().counts.asked
    }

    /// How many bytes of answers came through.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.way.state().counts.answered
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.way.turn(Mood::Over);
        // So that it sees it.
        let _ = TcpStream::connect(self.address);
    }
}

impl Way {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, mood: Mood) {
        let mut state = self.state();
        state.mood = mood;
        if matches!(mood, Mood::Cut | Mood::Over) {
            for (client, server) in state.connections.drain(..) {
                close(&client, &server);
            }
        }
        drop(state);
        self.changed.notify_all();
    }

    fn open(self: &Arc<Self>, client: TcpStream, port: u16) {
        // A server that is away ends it at once, and so does a way that is cut.
        let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return };
        let copies = || Some((client.try_clone().ok()?, server.try_clone().ok()?));
        let (Some(kept), Some((from_client, from_server))) = (copies(), copies()) else { return };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let mut state = self.state();
        if matches!(state.mood, Mood::Cut | Mood::Over) {
            close(&client, &server);
            return;
        }
        state.counts.connections += 1;
        let number = state.counts.connections;
        state.connections.push(kept);
        drop(state);
        let (there, back) = (self.clone(), self.clone());
        thread::spawn(move || {
            let arrived = |bytes: &[u8]| there.attends(number, Passing::Requested, bytes);
            carry(from_client, server, |bytes| there.asks(number, bytes), arrived);
        });
        thread::spawn(move || carry(from_server, client, |bytes| back.answers(number, bytes), |_| true));
    }

    fn attends(&self, connection: usize, passing: Passing, bytes: &[u8]) -> bool {
        self.attendant.get().is_none_or(|attendant| (attendant.0)(connection, passing, bytes))
    }

    /// Waits while the way is held.
    fn pass(&self) -> MutexGuard<'_, State> {
        let held = |state: &mut State| state.mood == Mood::Held;
        self.changed.wait_while(self.state(), held).unwrap_or_else(PoisonError::into_inner)
    }

    /// How much of a request comes through.
    fn asks(&self, connection: usize, bytes: &[u8]) -> usize {
        let mut state = self.pass();
        state.counts.requests += 1;
        state.counts.asked += bytes.len();
        drop(state);
        if self.attends(connection, Passing::Request, bytes) { bytes.len() } else { 0 }
    }

    /// How much of an answer comes through.
    fn answers(&self, connection: usize, bytes: &[u8]) -> usize {
        if !self.attends(connection, Passing::Answer, bytes) {
            return 0;
        }
        let bytes = bytes.len();
        let mut state = self.pass();
        let through = state.loses_after.map_or(bytes, |left| left.min(bytes));
        if through < bytes {
            state.loses_after = None;
            state.counts.lost += 1;
        } else {
            state.loses_after = state.loses_after.map(|left| left - bytes);
        }
        state.counts.answered += through;
        through
    }
}

/// Carries what comes, as much of it as comes through, and ends the connection where that is not all, or where it is not
/// to go on when that has arrived.
fn carry(mut from: TcpStream, mut to: TcpStream, through: impl Fn(&[u8]) -> usize, arrived: impl Fn(&[u8]) -> bool) {
    let mut bytes = [0; 8192];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        let passes = through(&bytes[..count]);
        if to.write_all(&bytes[..passes]).is_err() || passes < count || !arrived(&bytes[..count]) {
            break;
        }
    }
    close(&from, &to);
}

fn close(one: &TcpStream, other: &TcpStream) {
    let _ = one.shutdown(Shutdown::Both);
    let _ = other.shutdown(Shutdown::Both);
}
