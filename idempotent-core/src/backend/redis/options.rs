//! How a server is used, and what a URL names.

use super::fault::explain;
use crate::store::StoreError;
use ::redis::cluster::ClusterClient;
use ::redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion};
use std::fmt;
use std::time::Duration;

/// How a server is used.
///
/// ```
/// use idempotently::backend::redis::RedisOptions;
/// use std::time::Duration;
///
/// let options = RedisOptions::new().prefix("shop").response_timeout(Duration::from_millis(500));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisOptions {
    pub(super) prefix: String,
    pub(super) response_timeout: Duration,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self { prefix: "idempotently".into(), response_timeout: Duration::from_millis(1500) }
    }
}

impl RedisOptions {
    /// Records under `idempotently/…`; an answer is waited for one and a half seconds.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What the names of the records begin with, before a slash: stores with another prefix have other records.
    ///
    /// Braces mean to a cluster what they always do: with `{shop}` all records are in one slot.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long to wait for an answer, and for a connection, before the server is asked again on a new connection. A
    /// request is given up, and its caller told, after two and a half times as long.
    #[must_use]
    pub fn response_timeout(mut self, span: Duration) -> Self {
        self.response_timeout = span;
        self
    }

    /// How long a request is tried.
    pub(super) fn patience(&self) -> Duration {
        self.response_timeout.saturating_mul(5) / 2
    }
}

/// Why records may be lost although the server is well.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RedisWarning {
    /// When its memory is full, the server takes records away to make room: by `allkeys-…` any, also of bodies that are
    /// running, so that they run twice; by `volatile-…` those with a retention, before it is over.
    Evicts {
        /// The server's `maxmemory-policy`.
        policy: String,
    },
    /// The server does not let its user see what it evicts.
    EvictionUnknown,
    /// The server writes no append-only file: when it ends, records since its last snapshot are gone, or all of them where
    /// it makes none, and bodies run again whose outcomes were answered.
    NoAppendOnlyFile,
}

impl fmt::Display for RedisWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Evicts { policy } => write!(
                f,
                "Redis has `maxmemory-policy {policy}`, which takes records away when memory is full; \
                 set it to `noeviction`, or keep records on a server of their own"
            ),
            Self::EvictionUnknown => f.write_str(
                "Redis does not tell its `maxmemory-policy`; see that it is `noeviction`, \
                 or let the user run `INFO`",
            ),
            Self::NoAppendOnlyFile => {
                f.write_str("Redis keeps no append-only file, so records are lost when it ends; set `appendonly yes`")
            }
        }
    }
}

/// Where the records are.
pub(super) enum Target {
    Single(Box<Client>),
    Cluster(Box<ClusterClient>),
}

const MALFORMED: &str = "the URL is not one of a Redis server; write `redis://[user:password@]host:port/db`, \
    `rediss://…` for TLS, or `redis+cluster://[user:password@]host:port,host:port`";

/// What a URL names.
pub(super) fn parse(url: &str) -> Result<Target, StoreError> {
    let malformed = || StoreError::new(MALFORMED).permanent();
    let (scheme, rest) = url.split_once("://").ok_or_else(malformed)?;
    if scheme.starts_with("rediss") && !cfg!(any(feature = "tls-rustls", feature = "tls-native-tls")) {
        return Err(StoreError::new("`rediss` needs the feature `tls-rustls` or `tls-native-tls` of `idempotently`")
            .permanent());
    }
    // The client's own words may repeat the URL, and with it the password.
    let info = |url: &str| url.into_connection_info().map_err(|_| malformed());
    match scheme {
        "redis" | "rediss" | "unix" | "redis+unix" => single(info(url)?),
        "redis+cluster" | "rediss+cluster" => {
            let (user, hosts) = rest.rsplit_once('@').map_or(("", rest), |(user, hosts)| (user, hosts));
            let at = if user.is_empty() { "" } else { "@" };
            let scheme = scheme.trim_end_matches("+cluster");
            let nodes: Result<Vec<ConnectionInfo>, StoreError> = hosts
                .trim_end_matches('/')
                .split(',')
                .map(|host| info(&format!("{scheme}://{user}{at}{}", host.trim())))
                .collect();
            cluster(nodes?)
        }
        _ => Err(malformed()),
    }
}

/// The client panics where nobody chose one of the cryptographies that rustls has; the program's own choice goes before.
fn choose_cryptography() {
    #[cfg(feature = "tls-rustls")]
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Whoever was faster chose as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

fn is_encrypted(info: &ConnectionInfo) -> bool {
    matches!(info.addr(), ConnectionAddr::TcpTls { .. })
}

/// One server, whose words must be the third version of its protocol: only that can wake who waits.
pub(super) fn single(info: ConnectionInfo) -> Result<Target, StoreError> {
    if is_encrypted(&info) {
        choose_cryptography();
    }
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let client = Client::open(info.set_redis_settings(settings)).map_err(|error| explain(&error))?;
    Ok(Target::Single(Box::new(client)))
}

pub(super) fn cluster(nodes: Vec<ConnectionInfo>) -> Result<Target, StoreError> {
    if nodes.iter().any(is_encrypted) {
        choose_cryptography();
    }
    ClusterClient::new(nodes).map(|client| Target::Cluster(client.into())).map_err(|error| explain(&error))
}

#[cfg(test)]
mod tests {
    use super::{RedisOptions, Target, parse};
    use ::redis::ProtocolVersion;
    use std::time::Duration;

    #[test]
    fn a_url_names_one_server_or_a_cluster() {
        let Ok(Target::Single(client)) = parse("redis://me:pw@localhost:7000/3") else { panic!("one server") };
        let settings = client.get_connection_info().redis_settings();
        assert_eq!((settings.db(), settings.username(), settings.password()), (3, Some("me"), Some("pw")));
        assert_eq!(settings.protocol(), ProtocolVersion::RESP3);
        assert!(matches!(parse("redis+cluster://me:p@ss@a:1,b:2/"), Ok(Target::Cluster(_))));
        assert!(matches!(parse("redis+cluster://[::1]:1"), Ok(Target::Cluster(_))));
    }

    #[test]
    fn a_url_that_is_none_is_refused_without_a_word_of_it() {
        for url in ["redis", "http://me:secret@host", "redis+cluster://", "redis://me:secret@host:port:port"] {
            let Err(error) = parse(url) else { panic!("{url} names a server") };
            assert!(!format!("{error:?} {error}").contains("secret"), "{error:?}");
        }
    }

    #[cfg(feature = "tls-rustls")]
    #[test]
    fn a_server_is_asked_for_by_name_where_the_connection_is_encrypted() {
        assert!(matches!(parse("rediss://localhost"), Ok(Target::Single(_))));
        assert!(matches!(parse("rediss+cluster://a:1,b:2"), Ok(Target::Cluster(_))));
        assert!(rustls::crypto::CryptoProvider::get_default().is_some());
    }

    #[cfg(not(any(feature = "tls-rustls", feature = "tls-native-tls")))]
    #[test]
    fn without_encryption_a_url_that_needs_it_names_the_feature() {
        let Err(error) = parse("rediss://localhost") else { panic!("it is not encrypted") };
        assert!(error.to_string().contains("`tls-rustls`"), "{error}");
    }

    #[test]
    fn by_default_a_caller_is_told_before_the_engine_gives_up() {
        assert!(RedisOptions::new().patience() < Duration::from_secs(4));
    }
}
