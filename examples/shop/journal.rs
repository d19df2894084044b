//! What happened to each request, for the picture on the page. It is in memory only; the ledger is what counts.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::StatusCode;
use serde::Serialize;
use tokio::sync::watch;

/// The most requests that are remembered.
const MOST: usize = 400;

/// One request. Times are milliseconds, by this machine's clock.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Entry {
    number: u64,
    pub(crate) shop: String,
    pub(crate) order: String,
    /// Who says that he has sent it: `press 2, try 1`.
    pub(crate) from: String,
    pub(crate) began: u64,
    pub(crate) how: How,
    /// When money was taken for it, and the number of that charge.
    charged: Option<(u64, i64)>,
    pub(crate) status: Option<u16>,
    ended: Option<u64>,
    pub(crate) fate: Fate,
}

/// What was done with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum How {
    /// It is on its way, or waits for one that was first.
    Waiting,
    Executed,
    Joined,
    Replayed,
    Refused,
}

/// What became of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Fate {
    Pending,
    Delivered,
    /// The network lost it.
    Lost,
    /// Whoever asked had gone.
    Unheard,
}

#[derive(Debug)]
pub(crate) struct Journal {
    pages: Mutex<Pages>,
    /// Ends with the shop, and with it all who listen.
    news: Mutex<Option<watch::Sender<()>>>,
}

#[derive(Debug, Default)]
struct Pages {
    written: u64,
    entries: VecDeque<Entry>,
}

impl Default for Journal {
    fn default() -> Self {
        Self { pages: Mutex::default(), news: Mutex::new(Some(watch::Sender::new(()))) }
    }
}

impl Journal {
    /// Begins the entry of a request.
    pub(crate) fn begin(self: &Arc<Self>, shop: &str, order: &str, from: &str) -> Ticket {
        let number = {
            let mut pages = self.pages();
            pages.written += 1;
            if pages.entries.len() == MOST {
                pages.entries.pop_front();
            }
            let number = pages.written;
            pages.entries.push_back(Entry {
                number,
                shop: shop.to_owned(),
                order: order.to_owned(),
                from: from.to_owned(),
                began: now(),
                how: How::Waiting,
                charged: None,
                status: None,
                ended: None,
                fate: Fate::Pending,
            });
            number
        };
        self.tell();
        Ticket { journal: self.clone(), number }
    }

    /// The requests of an order.
    pub(crate) fn of(&self, shop: &str, order: &str) -> Vec<Entry> {
        self.pages().entries.iter().filter(|entry| entry.shop == shop && entry.order == order).cloned().collect()
    }

    /// Tells of every change from now on; nothing, once the shop is closed.
    pub(crate) fn news(&self) -> Option<watch::Receiver<()>> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(watch::Sender::subscribe)
    }

    pub(crate) fn close(&self) {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        if let Some(news) = &*self.news.lock().unwrap_or_else(PoisonError::into_inner) {
            news.send_replace(());
        }
    }
}

/// The entry of one request, which goes with it.
#[derive(Debug, Clone)]
pub(crate) struct Ticket {
    journal: Arc<Journal>,
    number: u64,
}

impl Ticket {
    /// Its handler runs.
    pub(crate) fn executes(&self) {
        self.note(|entry| entry.how = How::Executed);
    }

    /// Money was taken for it.
    pub(crate) fn charged(&self, number: i64) {
        self.note(|entry| entry.charged = Some((now(), number)));
    }

    /// It has an answer.
    pub(crate) fn answered(&self, status: StatusCode, how: idempotently::How) {
        self.note(|entry| {
            entry.status = Some(status.as_u16());
            match how {
                idempotently::How::Joined => entry.how = How::Joined,
                idempotently::How::Replayed => entry.how = How::Replayed,
                _ if entry.how == How::Waiting => entry.how = How::Refused,
                _ => {}
            }
        });
    }

    /// Its answer has gone where it goes.
    pub(crate) fn ends(&self, fate: Fate) {
        self.note(|entry| (entry.fate, entry.ended) = (fate, Some(now())));
    }

    /// Whether the network has lost fewer answers than that to whoever sent it.
    pub(crate) fn has_lost_fewer_than(&self, most: usize) -> bool {
        let pages = self.journal.pages();
        let Some(this) = pages.entries.iter().find(|entry| entry.number == self.number) else { return false };
        let is_alike = |entry: &&Entry| {
            let both = [entry, this].map(|entry| (&entry.shop, &entry.order, sender(&entry.from)));
            both[0] == both[1] && entry.fate == Fate::Lost
        };
        pages.entries.iter().filter(is_alike).count() < most
    }

    fn note(&self, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.journal.pages().entries.iter_mut().find(|entry| entry.number == self.number) {
            change(entry);
        }
        self.journal.tell();
    }
}

/// Who sent it, without the number of the try.
fn sender(from: &str) -> &str {
    from.split_once(',').map_or(from, |(sender, _)| sender)
}

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis().try_into().unwrap_or(u64::MAX)
}
