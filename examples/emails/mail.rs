//! What is sent.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Mail {
    /// One mail, one id: whoever sends a message to the queue twice sends the same id.
    pub(crate) id: String,
    pub(crate) to: String,
    pub(crate) subject: String,
}

/// What the mail server says to a mail that it has taken.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Sent {
    pub(crate) number: u64,
}

/// Welcome mails for new customers. Their ids are new in every run, since the store may be older.
pub(crate) fn welcomes(count: usize) -> Vec<Mail> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let run = format!("{:x}-{:x}", now.as_millis(), std::process::id());
    let mail = |number| Mail {
        id: format!("welcome-{run}-{number:05}"),
        to: format!("customer{number}@example.com"),
        subject: "Welcome".to_owned(),
    };
    (1..=count).map(mail).collect()
}
