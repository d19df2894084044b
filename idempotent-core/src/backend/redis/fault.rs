//! What can go wrong with a server, told apart by what is to be done about it.

use crate::store::StoreError;
use ::redis::{ErrorKind, RedisError, ServerErrorKind};
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

pub(super) const UNREADABLE: &str = "a record in Redis is not one that this version can read; \
    use the version that wrote it, or forget the record";

pub(super) const SILENT: &str = "the Redis server did not answer in time; see whether it is overloaded or cut off, \
    or raise `response_timeout`";

pub(super) const AWAY: &str = "the Redis server cannot be reached; start it, or correct the host and the port";

#[cfg(not(all(feature = "tls-rustls", feature = "tls-native-tls")))]
const UNENCRYPTED: &str = "no encrypted connection to the Redis server; see that its certificate is for this host, and \
    that its authority is trusted here (`SSL_CERT_FILE` may name it)";
/// Then the client takes rustls, and asks the machine for no authority.
#[cfg(all(feature = "tls-rustls", feature = "tls-native-tls"))]
const UNENCRYPTED: &str = "no encrypted connection to the Redis server; with `tls-rustls` and `tls-native-tls` its \
    client knows no authority: switch `tls-native-tls` off, or bring the authority along in a client of your own";

const REFUSED: &str = "Redis refused the credentials; correct the user and the password";

/// Why a request has no answer.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: StoreError,
    /// Whether it may fare better later.
    pub(super) passing: bool,
}

impl Failure {
    /// An answer that will be no other one.
    pub(super) fn lasting(error: StoreError) -> Self {
        Self { error, passing: false }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// The server's or the client's own words, as far as they can hold no key.
#[derive(Debug)]
struct Words(String);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Words {}

/// The words, under a sentence that says what to do.
pub(super) fn explain(error: &RedisError) -> StoreError {
    StoreError::caused(advice(error), words(error)).permanent_if(is_permanent(error))
}

fn words(error: &RedisError) -> Words {
    match error.code() {
        // The server repeats the arguments of a command that it does not understand.
        Some(code) => {
            let detail = error.detail().unwrap_or_default();
            let detail = detail.split(", with args").next().unwrap_or_default();
            Words(format!("{code} {detail}").trim_end().to_owned())
        }
        None if error.is_io_error() || is_of_encryption(error) => Words(error.to_string()),
        None => Words(error.category().to_owned()),
    }
}

/// What a command in a script may be refused for.
const IN_SCRIPTS: [&str; 5] = ["OOM", "READONLY", "MISCONF", "NOREPLICAS", "WRONGTYPE"];

/// The server's own word for what is wrong. Before 7.0, that of a command in a script is inside the text of another.
fn code(error: &RedisError) -> Option<&str> {
    let detail = error.detail().filter(|detail| detail.starts_with("Error running script"));
    let mut words = detail.unwrap_or_default().split_whitespace().map(|word| word.trim_start_matches('-'));
    words.find(|word| IN_SCRIPTS.contains(word)).or(error.code())
}

/// Whether no encryption was agreed upon, for which the client has no kind of its own.
fn is_of_encryption(error: &RedisError) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<Arc<dyn StdError + Send + Sync>>());
    let is_invalid = |cause: &io::Error| cause.kind() == io::ErrorKind::InvalidData;
    cause.is_some_and(|cause| {
        error.kind() == ErrorKind::Client || cause.downcast_ref::<io::Error>().is_some_and(is_invalid)
    })
}

fn is_read_only(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly) || code(error) == Some("READONLY")
}

/// Whether the server will say the same until somebody changes something: user, rights, version, prefix, settings.
fn is_permanent(error: &RedisError) -> bool {
    let is_of_the_server = matches!(code(error), Some("NOAUTH" | "WRONGPASS" | "WRONGTYPE")) || is_of_encryption(error);
    is_of_the_server
        || matches!(
            error.kind(),
            ErrorKind::AuthenticationFailed
                | ErrorKind::RESP3NotSupported
                | ErrorKind::InvalidClientConfig
                | ErrorKind::Server(ServerErrorKind::NoPerm | ServerErrorKind::CrossSlot)
        )
}

fn advice(error: &RedisError) -> &'static str {
    match code(error) {
        Some("NOAUTH" | "WRONGPASS") => return REFUSED,
        Some("OOM") => return "Redis is full, and evicts nothing; raise `maxmemory`, or take other data away",
        Some("MISCONF") => return "Redis cannot save to its disk, and takes no writes; see its log",
        Some("NOREPLICAS") => return "Redis takes no writes, because too few replicas follow it; bring them back",
        Some("WRONGTYPE") => return "another program's value lies where a record should; choose another `prefix`",
        _ if is_read_only(error) => return "the Redis server is a read-only replica; name the primary",
        _ if is_of_encryption(error) => return UNENCRYPTED,
        Some("EXECABORT") => return "the Redis server ended a script; see its log",
        _ => {}
    }
    match error.kind() {
        ErrorKind::AuthenticationFailed => REFUSED,
        ErrorKind::RESP3NotSupported => OLD,
        ErrorKind::Io if error.is_timeout() => SILENT,
        ErrorKind::Io | ErrorKind::ClusterConnectionNotFound => AWAY,
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => {
            "the server does not speak as Redis does; correct the host and the port"
        }
        ErrorKind::InvalidClientConfig => "the settings of the Redis client contradict each other",
        ErrorKind::Server(ServerErrorKind::NoPerm) => {
            "the Redis user may not do this; let it use the keys `PREFIX/*` and the commands that the documentation \
             of `RedisStore` names"
        }
        ErrorKind::Server(ServerErrorKind::BusyLoading) => "the Redis server is still loading its data; wait for it",
        ErrorKind::Server(ServerErrorKind::ClusterDown | ServerErrorKind::MasterDown | ServerErrorKind::TryAgain) => {
            "the Redis cluster cannot serve all keys; see `CLUSTER INFO`"
        }
        ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask | ServerErrorKind::CrossSlot) => {
            "the Redis server is a node of a cluster; write `redis+cluster://` for `redis://`"
        }
        _ => "Redis answered with an error",
    }
}

pub(super) const OLD: &str = "the Redis server is too old; it must be Redis 6.2 or later, or Valkey";

/// Whether the answer was lost, also half way: what was asked may have been done.
pub(super) fn is_of_the_way(error: &RedisError) -> bool {
    error.is_io_error() || error.kind() == ErrorKind::Parse
}

/// Whether the next try may fare better.
pub(super) fn is_passing(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Io
            | ErrorKind::Parse
            | ErrorKind::ClusterConnectionNotFound
            | ErrorKind::Server(
                ServerErrorKind::BusyLoading
                    | ServerErrorKind::ClusterDown
                    | ServerErrorKind::MasterDown
                    | ServerErrorKind::TryAgain
            )
    )
}

/// Whether the connection is worth nothing any more: it broke, or leads to a server that was a primary.
pub(super) fn is_of_the_connection(error: &RedisError) -> bool {
    error.is_unrecoverable_error()
        || error.is_timeout()
        || error.kind() == ErrorKind::Parse
        || is_read_only(error)
        || error.code() == Some("NOAUTH")
}

#[cfg(test)]
mod tests {
    use super::{explain, is_of_the_connection, words};
    use ::redis::{ErrorKind, RedisError, make_extension_error};
    use std::error::Error as _;

    fn told(code: &str, detail: &str) -> RedisError {
        make_extension_error(code.into(), Some(detail.into()))
    }

    #[test]
    fn each_says_what_to_do() {
        let full = explain(&told("OOM", "command not allowed when used memory > 'maxmemory'."));
        assert!(full.to_string().contains("raise `maxmemory`"), "{full}");
        assert!(full.source().is_some_and(|words| words.to_string().starts_with("OOM command")), "{full:?}");
        let refused = explain(&told("WRONGPASS", "invalid"));
        assert!(refused.to_string().contains("correct the user and the password"));
        assert!(refused.is_permanent() && !full.is_permanent());
        assert!(explain(&told("NOREPLICAS", "few")).to_string().contains("replicas"));
        let refused: RedisError = std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into();
        assert!(explain(&refused).to_string().contains("cannot be reached"));
        let silent: RedisError = std::io::Error::from(std::io::ErrorKind::TimedOut).into();
        assert!(explain(&silent).to_string().contains("in time"));
    }

    #[test]
    fn a_server_that_wraps_the_errors_of_scripts_is_understood() {
        let told = |word: &str| {
            let detail = format!("Error running script (call to f_10): @user_script:56: @user_script: 56: {word} no.");
            told("ERR", &detail)
        };
        assert!(explain(&told("-OOM")).to_string().contains("raise `maxmemory`"));
        assert!(explain(&told("WRONGTYPE")).to_string().contains("`prefix`"));
        assert!(explain(&told("-READONLY")).to_string().contains("read-only replica"));
        assert!(is_of_the_connection(&told("-READONLY")) && !is_of_the_connection(&told("-OOM")));
    }

    #[test]
    fn nothing_of_a_command_is_repeated() {
        let unknown = told("UNKNOWN", "unknown command 'EVALSHA', with args beginning with: 'secret'");
        assert_eq!(words(&unknown).to_string(), "UNKNOWN unknown command 'EVALSHA'");
        let config: RedisError = (ErrorKind::InvalidClientConfig, "no", "redis://me:secret@host".to_owned()).into();
        assert!(!format!("{:?}", explain(&config)).contains("secret"));
    }
}
