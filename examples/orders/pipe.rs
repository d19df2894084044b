//! What the boss and the others say to each other: a line of JSON each.

use std::io::{self, BufRead as _, Write as _};
use std::thread;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::place::Receipt;
use crate::requests::Order;

/// What a worker is given. One order may be delivered more than once.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) number: u64,
    pub(crate) order: Order,
}

/// What the boss is told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Told {
    Answered {
        delivery: u64,
        reply: Reply,
        replayed: bool,
    },
    /// A mail was handed to the provider, which had it already or not.
    Mailed {
        again: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reply {
    Placed(Receipt),
    SoldOut,
    Failed(String),
}

/// Nobody who listens is an end, too.
pub(crate) fn tell(told: &Told) -> io::Result<()> {
    writeln!(io::stdout(), "{}", serde_json::to_string(told)?)
}

/// What comes in, until nothing more can.
pub(crate) fn listen() -> UnboundedReceiver<Delivery> {
    let (sender, deliveries) = unbounded_channel();
    thread::spawn(move || {
        let lines = io::stdin().lock().lines().map_while(Result::ok);
        for delivery in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
            let _ = sender.send(delivery);
        }
    });
    deliveries
}
