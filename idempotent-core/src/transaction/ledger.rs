//! What the calls of one transaction recorded: by that it is found out whether a commit came through whose answer was lost.

use crate::backend::marker::Request;
use pin_project_lite::pin_project;
use std::cell::RefCell;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

thread_local! {
    /// The ledger of the transaction whose body the thread is polling.
    static OPEN: RefCell<Option<Ledger>> = const { RefCell::new(None) };
}

/// All calls that were recorded through one connection. A rollback to a savepoint may have taken some of them back, so the
/// absence of one record proves nothing about the transaction.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    connection: usize,
    recorded: Arc<Mutex<Vec<Request>>>,
}

/// Notes that a call was recorded through this connection.
pub(super) fn note(connection: usize, request: &Request) {
    let open = OPEN.try_with(|open| open.borrow().clone()).ok().flatten();
    if let Some(ledger) = open.filter(|ledger| ledger.connection == connection) {
        ledger.recorded.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
    }
}

impl Ledger {
    pub(super) fn of(connection: usize) -> Self {
        Self { connection, recorded: Arc::default() }
    }

    pub(super) fn recorded(&self) -> Vec<Request> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is recorded while `body` is polled is noted here.
    pub(super) fn keep<F: Future>(&self, body: F) -> Kept<F> {
        Kept { ledger: self.clone(), body }
    }
}

pin_project! {
    pub(super) struct Kept<F> {
        ledger: Ledger,
        #[pin]
        body: F,
    }
}

impl<F: Future> Future for Kept<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        struct Before(Option<Ledger>);
        impl Drop for Before {
            fn drop(&mut self) {
                let _ = OPEN.try_with(|open| open.replace(self.0.take()));
            }
        }
        let this = self.project();
        let _before = Before(OPEN.try_with(|open| open.replace(Some(this.ledger.clone()))).ok().flatten());
        this.body.poll(cx)
    }
}
