//! The page, and what it listens to.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::WatchStream;

use crate::journal::{Entry, Journal, now};
use crate::ledger::{Ledger, Statement};

#[derive(Clone)]
struct Books {
    journal: Arc<Journal>,
    ledger: Arc<Ledger>,
}

pub(crate) fn routes(journal: &Arc<Journal>, ledger: &Arc<Ledger>) -> Router {
    let books = Books { journal: journal.clone(), ledger: ledger.clone() };
    Router::new()
        .route("/", get(async || asset("text/html", include_str!("page/index.html"))))
        .route("/style.css", get(async || asset("text/css", include_str!("page/style.css"))))
        .route("/shop.js", get(async || asset("text/javascript", include_str!("page/shop.js"))))
        .route("/orders/{order}/events", get(events))
        .with_state(books)
}

fn asset(kind: &str, text: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, format!("{kind}; charset=utf-8")), (CACHE_CONTROL, "no-cache".to_owned())], text)
}

/// All that the page shows of an order, from the server's own books.
#[derive(Serialize)]
struct Picture {
    now: u64,
    with: Side,
    without: Side,
}

#[derive(Serialize)]
struct Side {
    requests: Vec<Entry>,
    ledger: Statement,
}

/// The picture of an order: as it is, and again whenever something happens.
async fn events(State(books): State<Books>, Path(order): Path<String>) -> Response {
    let Some(news) = books.journal.news() else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let picture = move || Event::default().json_data(books.picture(&order).map_err(axum::Error::new)?);
    Sse::new(WatchStream::new(news).map(move |()| picture())).into_response()
}

impl Books {
    fn picture(&self, order: &str) -> rusqlite::Result<Picture> {
        let side = |shop| -> rusqlite::Result<Side> {
            Ok(Side { requests: self.journal.of(shop, order), ledger: self.ledger.statement(shop, order)? })
        };
        Ok(Picture { now: now(), with: side("with")?, without: side("without")? })
    }
}
