//! The bad network between the customers and the shops. It does what a request asks for in its headers, so that the
//! page's switches, and any other client, can see what it does to them:
//!
//! - `Shop-Slow: 700`: the request takes so many milliseconds to arrive, and so does its answer.
//! - `Shop-Lose: 1`: the first answer to this sender is lost. The shop has done its work by then, and the connection is
//!   closed without a byte.
//! - `Shop-From: press 2, try 1`: who the sender is, for the picture.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::serve::{IncomingStream, Listener};
use idempotently::{Observed, observe_async};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::journal::{Fate, Journal, Ticket};

/// Longer than anybody wants to watch.
const SLOWEST: u64 = 10_000;

/// Carries a request to its shop, and the answer back.
pub(crate) async fn carry(
    State(journal): State<Arc<Journal>>,
    ConnectInfo(cord): ConnectInfo<Cord>,
    mut request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let slow = Duration::from_millis(number(headers, "shop-slow").min(SLOWEST));
    let lose = usize::try_from(number(headers, "shop-lose")).unwrap_or_default();
    let shop = request.uri().path().split('/').nth(1).unwrap_or_default();
    let ticket = journal.begin(shop, order(headers), from(headers));
    request.extensions_mut().insert(ticket.clone());
    let listener = Asking(Some(ticket.clone()));
    // What is on its way arrives, also when whoever has sent it is gone.
    let under_way = tokio::spawn(async move {
        sleep(slow).await;
        let Observed { value: response, how, .. } = observe_async(next.run(request)).await;
        ticket.answered(response.status(), how);
        sleep(slow).await;
        (response, ticket)
    });
    let Ok((response, ticket)) = under_way.await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let is_lost = ticket.has_lost_fewer_than(lose);
    if is_lost {
        cord.cut();
    }
    listener.hears(if is_lost { Fate::Lost } else { Fate::Delivered });
    response
}

/// The key of a request is the number of its order, with the draft's quotes around it or without.
fn order(headers: &HeaderMap) -> &str {
    text(headers, "idempotency-key").trim_matches('"')
}

fn from(headers: &HeaderMap) -> &str {
    let from = text(headers, "shop-from");
    if from.is_empty() { text(headers, "user-agent") } else { from }
}

fn text<'headers>(headers: &'headers HeaderMap, name: &str) -> &'headers str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn number(headers: &HeaderMap, name: &str) -> u64 {
    text(headers, name).parse().unwrap_or_default()
}

/// Whoever waits for an answer. Dropped before there is one, it has gone.
struct Asking(Option<Ticket>);

impl Asking {
    fn hears(mut self, fate: Fate) {
        if let Some(ticket) = self.0.take() {
            ticket.ends(fate);
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(ticket) = self.0.take() {
            ticket.ends(Fate::Unheard);
        }
    }
}

/// Cuts a connection: not a byte more is written to it, and it is closed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cord(Arc<AtomicBool>);

impl Cord {
    fn cut(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_whole(&self) -> io::Result<()> {
        if self.0.load(Ordering::Relaxed) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl Connected<IncomingStream<'_, Lines>> for Cord {
    fn connect_info(stream: IncomingStream<'_, Lines>) -> Self {
        stream.io().cord.clone()
    }
}

/// Takes connections that can be cut.
#[derive(Debug)]
pub(crate) struct Lines(TcpListener);

impl Lines {
    pub(crate) fn of(listener: TcpListener) -> Self {
        Self(listener)
    }
}

impl Listener for Lines {
    type Io = Line;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Line, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        (Line { stream, cord: Cord::default() }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A connection that can be cut.
#[derive(Debug)]
pub(crate) struct Line {
    stream: TcpStream,
    cord: Cord,
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.cord.is_whole()?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.cord.is_whole()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
