//! The one connection to a server, and another one when it breaks.

use super::Wire;
use crate::backend::redis::fault::{AWAY, explain, is_passing};
use crate::backend::redis::options::RedisOptions;
use crate::backend::redis::watch::Watch;
use crate::store::StoreError;
use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Client, PushInfo, PushKind, cmd};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout_at};

/// How many requests may queue for the connection before a caller waits for room.
const QUEUE: usize = 1024;
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Keeps a connection. Dropped, it closes it.
pub(super) struct Keeper {
    hub: Arc<Hub>,
    task: AbortHandle,
}

struct Hub {
    client: Client,
    timeout: Duration,
    watch: Arc<Watch>,
    stage: watch::Sender<Stage>,
    /// Up to which one all connections are broken.
    broken: watch::Sender<u64>,
}

#[derive(Clone)]
enum Stage {
    Up(Up),
    Down(Option<StoreError>),
}

#[derive(Clone)]
struct Up {
    connection: MultiplexedConnection,
    generation: u64,
    /// Whether the server tells of changes: some let nobody ask for it.
    tracked: bool,
}

impl Keeper {
    pub(super) async fn start(client: Client, options: &RedisOptions, watch: Arc<Watch>) -> Result<Self, StoreError> {
        let hub = Arc::new(Hub {
            client,
            timeout: options.response_timeout,
            watch,
            stage: watch::Sender::new(Stage::Down(None)),
            broken: watch::Sender::new(0),
        });
        hub.stage.send_replace(Stage::Up(hub.open(1).await?));
        let task = tokio::spawn(hub.clone().keep()).abort_handle();
        Ok(Self { hub, task })
    }

    /// A connection, as soon as there is one.
    pub(super) async fn connection(&self, deadline: Instant) -> Result<Wire, StoreError> {
        let mut stage = self.hub.stage.subscribe();
        let up = timeout_at(deadline, stage.wait_for(|stage| matches!(stage, Stage::Up(_)))).await;
        if let Ok(Ok(stage)) = &up
            && let Stage::Up(Up { connection, generation, tracked }) = &**stage
        {
            return Ok(Wire::Single { connection: connection.clone(), generation: *generation, tracked: *tracked });
        }
        drop(up);
        let stage = self.hub.stage.borrow();
        let Stage::Down(Some(error)) = &*stage else { return Err(StoreError::new(AWAY)) };
        Err(error.clone())
    }

    pub(super) fn give_up(&self, generation: u64) {
        give_up(&self.hub.broken, generation);
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn give_up(broken: &watch::Sender<u64>, generation: u64) {
    broken.send_if_modified(|broken| {
        let news = *broken < generation;
        *broken = generation.max(*broken);
        news
    });
}

impl Hub {
    async fn keep(self: Arc<Self>) {
        let mut broken = self.broken.subscribe();
        let mut generation = 1;
        // The sender is in `self`, so there is always a next one.
        while broken.wait_for(|broken| *broken >= generation).await.is_ok() {
            self.stage.send_replace(Stage::Down(None));
            generation += 1;
            let mut pause = FIRST_PAUSE;
            loop {
                match self.open(generation).await {
                    Ok(up) => {
                        self.stage.send_replace(Stage::Up(up));
                        // What changed meanwhile was told to nobody.
                        self.watch.stir_all();
                        break;
                    }
                    Err(error) => self.stage.send_replace(Stage::Down(Some(error))),
                };
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// A connection that tells of changes, where the server lets it.
    async fn open(&self, generation: u64) -> Result<Up, StoreError> {
        let (watch, broken) = (self.watch.clone(), self.broken.clone());
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout))
            .set_pipeline_buffer_size(QUEUE)
            .set_push_sender(move |push: PushInfo| {
                match push.kind {
                    PushKind::Disconnection => give_up(&broken, generation),
                    PushKind::Invalidate => watch.changed(&push.data),
                    _ => {}
                }
                Ok::<(), std::convert::Infallible>(())
            });
        let opened = self.client.get_multiplexed_async_connection_with_config(&config).await;
        let mut connection = opened.map_err(|error| explain(&error))?;
        let tracking = cmd("CLIENT").arg("TRACKING").arg("ON").arg("OPTIN").query_async::<()>(&mut connection).await;
        match tracking {
            Err(error) if is_passing(&error) => Err(explain(&error)),
            told => Ok(Up { connection, generation, tracked: told.is_ok() }),
        }
    }
}
