//! The mailer: sends what the transactions have written into the outbox, and takes it out afterwards.
//!
//! Killed between the two, it sends a mail again. So each has a reference, which was written down with it and is the same
//! whoever sends it; the provider knows by it what it has already. (With a provider that knows no references, see the
//! example `emails`.)

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use idempotently::backend::sqlite::sqlx::{Database, Pool};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::sleep;

use crate::pipe::{Told, listen, tell};
use crate::provider::Provider;
use crate::tables::{Errand, Tables, with_database};

/// How long an empty outbox is left alone.
const PAUSE: Duration = Duration::from_millis(20);

pub(crate) fn work(store: &str, provider: PathBuf) -> Result<(), Box<dyn Error>> {
    Runtime::new()?.block_on(with_database(store, Send(Provider::at(provider)?)))
}

struct Send(Provider);

impl Errand for Send {
    type Done = ();

    async fn run<DB: Database<Connection: Tables>>(self, pool: &Pool<DB>) -> Result<(), Box<dyn Error>> {
        let mut orders = listen();
        let mut connection = pool.acquire().await?;
        loop {
            // In this order: what is placed before the last is in the outbox then.
            let is_over = orders.try_recv().is_err_and(|end| end == TryRecvError::Disconnected);
            let mails = connection.mails_to_send().await?;
            if mails.is_empty() {
                if is_over {
                    return Ok(());
                }
                sleep(PAUSE).await;
            }
            for (reference, number, to) in &mails {
                let again = !self.0.send(reference, *number, to)?;
                tell(&Told::Mailed { again })?;
            }
            for (reference, ..) in &mails {
                connection.forget_mail(reference).await?;
            }
        }
    }
}
