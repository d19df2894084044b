//! The handler behind "Pay now". Both shops have this one, and nothing in it keeps it from being run twice.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, Json, State};
use axum::http::StatusCode;
use idempotently::current;
use serde::{Deserialize, Serialize};
use tokio::task;
use tokio::time::sleep;

use crate::journal::Ticket;
use crate::ledger::Ledger;

/// What one of the things costs.
const CENTS: i64 = 4_200;

/// How long the bank takes: long enough to press again.
const BANK: Duration = Duration::from_millis(600);

#[derive(Clone)]
pub(crate) struct Shop {
    name: &'static str,
    ledger: Arc<Ledger>,
}

impl Shop {
    pub(crate) fn new(name: &'static str, ledger: &Arc<Ledger>) -> Self {
        Self { name, ledger: ledger.clone() }
    }
}

/// What a customer wants to pay for. The price is not the customer's to say.
#[derive(Deserialize)]
pub(crate) struct Cart {
    order: String,
    quantity: u8,
}

#[derive(Serialize)]
pub(crate) struct Receipt {
    charge: i64,
    order: String,
    cents: i64,
}

/// Charges for the cart, every time it is called.
///
/// Behind an idempotency layer it has a reference for the ledger, which matters when this process is killed right after
/// a charge: the next one runs this again, and gets the charge that there is.
pub(crate) async fn pay(
    State(shop): State<Shop>,
    Extension(ticket): Extension<Ticket>,
    Json(cart): Json<Cart>,
) -> Result<(StatusCode, Json<Receipt>), (StatusCode, String)> {
    ticket.executes();
    if cart.quantity == 0 || cart.quantity > 9 {
        return Err((StatusCode::BAD_REQUEST, "a quantity is 1 to 9".to_owned()));
    }
    let cents = CENTS * i64::from(cart.quantity);
    sleep(BANK).await;
    let (order, reference) = (cart.order.clone(), current().map(|execution| execution.downstream_key("ledger")));
    let charge = move || shop.ledger.charge(shop.name, &order, cents, reference.as_deref());
    let charged = task::spawn_blocking(charge).await;
    let failed = |error: &dyn std::error::Error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    let charge = charged.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
    ticket.charged(charge);
    Ok((StatusCode::CREATED, Json(Receipt { charge, order: cart.order, cents })))
}
