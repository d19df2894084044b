//! Asking a server or a cluster: with patience, and again after an answer was lost.

mod keeper;

use self::keeper::Keeper;
use super::fault::{AWAY, Failure, SILENT, explain, is_of_the_connection, is_of_the_way, is_passing};
use super::options::{RedisOptions, Target};
use super::row::{BEGINNING, holder};
use super::script::Call;
use super::watch::Watch;
use crate::store::StoreError;
use ::redis::aio::MultiplexedConnection;
use ::redis::cluster::ClusterConfig;
use ::redis::cluster_async::ClusterConnection;
use ::redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo, SingleNodeRoutingInfo};
use ::redis::{Cmd, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value, cmd, pipe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// How long a server that refused is left alone before it is asked again.
pub(super) const PAUSE: Duration = Duration::from_millis(25);

/// Whether a request may be made twice, where the answer to the first was lost.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// The second comes to the same as the first.
    Harmless,
    /// The second would be told that there is nothing to do.
    Misleading,
}

/// The way to the records.
pub(super) struct Line {
    link: Link,
    /// Whether the server understands the flags of scripts.
    knows_flags: AtomicBool,
    patience: Duration,
}

enum Link {
    Single(Keeper),
    Cluster(ClusterConnection),
}

/// A connection, as good as it was a moment ago.
enum Wire {
    Single { connection: MultiplexedConnection, generation: u64, tracked: bool },
    Cluster(ClusterConnection),
}

impl Wire {
    async fn ask(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::Single { connection, .. } => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }
}

/// Something to ask of a server, as often as it takes.
trait Request: Sync {
    type Answer;

    fn make(&self, wire: &mut Wire) -> impl Future<Output = RedisResult<Self::Answer>> + Send;
}

/// What a script says.
struct Evaluate<'a> {
    call: &'a Call,
    knows_flags: &'a AtomicBool,
}

impl Request for Evaluate<'_> {
    type Answer = Value;

    async fn make(&self, wire: &mut Wire) -> RedisResult<Value> {
        let mut whole = false;
        loop {
            let knows_flags = self.knows_flags.load(Ordering::Relaxed);
            match wire.ask(&self.call.command(whole, knows_flags)).await {
                Err(error) if !whole && error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => whole = true,
                Err(error) if self.call.forced && knows_flags && is_of_the_flags(&error) => {
                    self.knows_flags.store(false, Ordering::Relaxed);
                }
                answer => return answer,
            }
        }
    }
}

/// The beginning of a record, and whether its next change will be told.
struct Look<'a> {
    name: &'a [u8],
}

impl Request for Look<'_> {
    type Answer = (Vec<u8>, bool);

    async fn make(&self, wire: &mut Wire) -> RedisResult<Self::Answer> {
        let mut read = cmd("GETRANGE");
        read.arg(self.name).arg(0).arg(BEGINNING - 1);
        if let Wire::Single { connection, tracked: true, .. } = wire {
            let mut both = pipe();
            both.cmd("CLIENT").arg("CACHING").arg("YES").ignore().add_command(read);
            let (beginning,) = both.query_async(connection).await?;
            return Ok((beginning, true));
        }
        Ok((::redis::from_redis_value(wire.ask(&read).await?)?, false))
    }
}

/// What every server says that has records of its own.
struct Everywhere<'a> {
    command: &'a Cmd,
}

impl Request for Everywhere<'_> {
    type Answer = Vec<(Option<Address>, Value)>;

    async fn make(&self, wire: &mut Wire) -> RedisResult<Self::Answer> {
        let Wire::Cluster(connection) = wire else { return Ok(vec![(None, wire.ask(self.command).await?)]) };
        let all = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
        let answers = connection.route_command(self.command.clone(), all).await?.into_map_iter();
        let answers = answers.map_err(|_| strange())?;
        answers
            .map(|(server, answer)| {
                let server: String = ::redis::from_redis_value(server)?;
                let (host, port) = server.rsplit_once(':').ok_or_else(strange)?;
                let port = port.parse().map_err(|_| strange())?;
                Ok((Some((host.to_owned(), port)), answer.extract_error()?))
            })
            .collect()
    }
}

/// What one of those servers says.
struct At<'a> {
    server: Option<&'a Address>,
    command: &'a Cmd,
}

impl Request for At<'_> {
    type Answer = Value;

    async fn make(&self, wire: &mut Wire) -> RedisResult<Value> {
        match (wire, self.server) {
            (Wire::Cluster(connection), Some((host, port))) => {
                let server = SingleNodeRoutingInfo::ByAddress { host: host.clone(), port: *port };
                connection.route_command(self.command.clone(), RoutingInfo::SingleNode(server)).await?.extract_error()
            }
            (wire, _) => wire.ask(self.command).await,
        }
    }
}

impl Line {
    /// Connects, on the runtime that keeps the connections.
    pub(super) async fn open(target: Target, options: &RedisOptions, watch: Arc<Watch>) -> Result<Self, StoreError> {
        let patience = options.patience();
        let opening = async {
            match target {
                Target::Single(client) => Ok(Link::Single(Keeper::start(*client, options, watch).await?)),
                Target::Cluster(client) => {
                    let config = ClusterConfig::new()
                        .set_connection_timeout(options.response_timeout)
                        .set_response_timeout(options.response_timeout);
                    let connection = client.get_async_connection_with_config(config).await;
                    connection.map(Link::Cluster).map_err(|error| explain(&error))
                }
            }
        };
        let opened = timeout_at(Instant::now() + patience, opening).await;
        let link = opened.unwrap_or_else(|_| Err(StoreError::new(AWAY)))?;
        Ok(Self { link, knows_flags: AtomicBool::new(true), patience })
    }

    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.link, Link::Cluster(_))
    }

    pub(super) fn knows_no_flags(&self) {
        self.knows_flags.store(false, Ordering::Relaxed);
    }

    /// What a script says.
    pub(super) async fn call(&self, call: &Call, repeat: Repeat) -> Result<Value, Failure> {
        self.patiently(repeat, &Evaluate { call, knows_flags: &self.knows_flags }).await
    }

    /// Until when a request is tried that is made now.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.patience
    }

    /// The same until a moment, and whether something was sent on the way that was not answered: it may have been done, or
    /// may be done later. A cluster's client asks again by itself when a connection breaks, and does not tell.
    pub(super) async fn call_by(&self, call: &Call, deadline: Instant, is_lost: &mut bool) -> Result<Value, Failure> {
        self.until(deadline, Repeat::Harmless, &Evaluate { call, knows_flags: &self.knows_flags }, is_lost).await
    }

    /// Who has a key, and whether the next change of that will be told.
    pub(super) async fn look(&self, name: &[u8]) -> Result<(Option<u64>, bool), StoreError> {
        let (beginning, told) = self.patiently(Repeat::Harmless, &Look { name }).await?;
        Ok((holder(&beginning), told))
    }

    /// What each server says about itself.
    pub(super) async fn info(&self, section: &str) -> Result<Vec<String>, StoreError> {
        let mut command = cmd("INFO");
        command.arg(section);
        let answers = self.patiently(Repeat::Harmless, &Everywhere { command: &command }).await?;
        Ok(answers.into_iter().filter_map(|(_, value)| ::redis::from_redis_value(value).ok()).collect())
    }

    /// The names that match, of all servers, in no order, some more than once.
    pub(super) async fn names(&self, pattern: &str) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut names = Vec::new();
        let first = self.patiently(Repeat::Harmless, &Everywhere { command: &scan(0, pattern) }).await?;
        for (server, mut answer) in first {
            loop {
                let (cursor, found): (u64, Vec<Vec<u8>>) =
                    ::redis::from_redis_value(answer).map_err(|error| explain(&error.into()))?;
                names.extend(found);
                if cursor == 0 {
                    break;
                }
                let next = At { server: server.as_ref(), command: &scan(cursor, pattern) };
                answer = self.patiently(Repeat::Harmless, &next).await?;
            }
        }
        Ok(names)
    }

    /// Tries until there is an answer, or no patience left.
    async fn patiently<R: Request>(&self, repeat: Repeat, request: &R) -> Result<R::Answer, Failure> {
        self.until(self.deadline(), repeat, request, &mut false).await
    }

    async fn until<R: Request>(
        &self,
        deadline: Instant,
        repeat: Repeat,
        request: &R,
        is_lost: &mut bool,
    ) -> Result<R::Answer, Failure> {
        loop {
            let mut wire = self.wire(deadline).await.map_err(|error| Failure { error, passing: true })?;
            let error = match timeout_at(deadline, request.make(&mut wire)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => error,
                Err(_) => {
                    self.give_up(&wire);
                    *is_lost = true;
                    return Err(Failure { error: StoreError::new(SILENT), passing: true });
                }
            };
            let (passing, broken) = (is_passing(&error), is_of_the_connection(&error));
            if broken {
                self.give_up(&wire);
            }
            *is_lost |= is_of_the_way(&error);
            let again = repeat == Repeat::Harmless && passing;
            if !again || deadline.saturating_duration_since(Instant::now()) <= PAUSE {
                return Err(Failure { error: explain(&error), passing: passing || broken });
            }
            sleep(PAUSE).await;
        }
    }

    async fn wire(&self, deadline: Instant) -> Result<Wire, StoreError> {
        match &self.link {
            Link::Single(keeper) => keeper.connection(deadline).await,
            Link::Cluster(connection) => Ok(Wire::Cluster(connection.clone())),
        }
    }

    /// Sees to it that there is another connection. That of a cluster does so itself.
    fn give_up(&self, wire: &Wire) {
        if let (Link::Single(keeper), Wire::Single { generation, .. }) = (&self.link, wire) {
            keeper.give_up(*generation);
        }
    }
}

/// Whether a server took the flags of a script for a mistake in it.
fn is_of_the_flags(error: &RedisError) -> bool {
    error.detail().is_some_and(|detail| detail.contains("compiling script"))
}

fn scan(cursor: u64, pattern: &str) -> Cmd {
    let mut command = cmd("SCAN");
    command.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(1000);
    command
}

/// The host and the port of a server in a cluster.
type Address = (String, u16);

fn strange() -> RedisError {
    (ErrorKind::UnexpectedReturnType, "no answer of a cluster").into()
}

#[cfg(test)]
mod tests {
    use super::is_of_the_flags;
    use ::redis::make_extension_error;

    #[test]
    fn a_server_that_knows_no_flags_is_found_out() {
        let told = |detail: &str| make_extension_error("ERR".into(), Some(detail.into()));
        let old = "Error compiling script (new function): user_script:1: unexpected symbol near '#'";
        assert!(is_of_the_flags(&told(old)));
        assert!(!is_of_the_flags(&told("Error running script: user_script:9: out of memory")));
    }
}
