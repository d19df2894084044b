//! What can go wrong with a server, told apart by what is to be done about it.

use crate::store::StoreError;
use sqlx::Error;
use std::error::Error as StdError;
use std::fmt;

/// What is done with the requests of a statement that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// The connection is of no use any more. Whether the statement was carried out is not known.
    Reconnect,
    /// Nothing was done, because others were in the way.
    Again,
    /// Nothing was done, perhaps because of one request among many.
    Singly,
    /// Nothing was done, and will be.
    Never,
}

/// Why a statement came to nothing.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server was not reached, so that nothing was asked of it.
    Unconnected(Error),
    /// The statement was sent.
    Sent(Error),
    /// There was no answer in time.
    Silent,
}

impl Fault {
    pub(super) fn remedy(&self) -> Remedy {
        match self {
            // Whoever is turned away at the door will be the next time.
            Self::Unconnected(error) if is_final(error) => Remedy::Never,
            Self::Unconnected(_) | Self::Silent => Remedy::Reconnect,
            Self::Sent(error) => remedy(error),
        }
    }

    /// Whether the server may have done, or may still do, what was sent to it.
    pub(super) fn leaves_open(&self) -> bool {
        match self {
            Self::Unconnected(_) => false,
            // What cannot be read was answered all the same.
            Self::Sent(error) => remedy(error) == Remedy::Reconnect || error.as_database_error().is_none(),
            Self::Silent => true,
        }
    }

    /// Whether the server may have done what it was asked.
    pub(super) fn is_doubtful(&self) -> bool {
        !matches!(self, Self::Unconnected(_)) && self.remedy() == Remedy::Reconnect
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unconnected(error) | Fault::Sent(error) => explain(error),
            Fault::Silent => Self::new(SILENT),
        }
    }
}

/// After which failures a connection is thrown away, and what is done with what was asked on it.
pub(super) fn remedy(error: &Error) -> Remedy {
    match error {
        Error::Database(error) => match error.code().as_deref().unwrap_or_default() {
            // Serialization failure, deadlock.
            "40001" | "40P01" => Remedy::Again,
            // The server ends or ended the session; or the plan was made before the tables were changed, or the prepared
            // statement is another session's.
            "57P01" | "57P02" | "57P03" | "57P05" | "0A000" | "26000" => Remedy::Reconnect,
            code if code.starts_with("08") => Remedy::Reconnect,
            _ => Remedy::Singly,
        },
        Error::Io(_) | Error::Protocol(_) | Error::Tls(_) | Error::WorkerCrashed => Remedy::Reconnect,
        _ => Remedy::Singly,
    }
}

/// Whether trying again to connect would come to the same.
fn is_final(error: &Error) -> bool {
    match error {
        // Starting up, shutting down, no connection left, and a pooler that does not reach its server (class 08) pass.
        Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            !matches!(&*code, "57P01" | "57P02" | "57P03" | "53300") && !code.starts_with("08")
        }
        Error::Configuration(_) => true,
        _ => false,
    }
}

const SILENT: &str = "the PostgreSQL server does not answer in time; see whether it is up, can be reached, and is not \
    held up by locks or load";

const AWAY: &str = "the PostgreSQL server cannot be reached; see whether it is up, and whether host and port are right";

const UNENCRYPTED: &str = "no encrypted connection to the PostgreSQL server; switch on `tls-rustls` or \
    `tls-native-tls`, and see that its certificate is for this host and its authority known (`sslrootcert`)";

pub(super) const MISSING: &str = "the tables of `idempotently` are not in the PostgreSQL database; \
    let the store create them, or run `PostgresStore::schema_sql()` in a migration";

/// The server's own words, under a sentence that says what to do.
pub(super) fn explain(error: Error) -> StoreError {
    match error {
        Error::Database(error) => {
            let code = error.code().unwrap_or_default().into_owned();
            // Nothing but the message: the details of an error may show what is in a row.
            let is_permanent = is_permanent(&code);
            StoreError::caused(advice(&code), Told { message: error.message().into(), code }).permanent_if(is_permanent)
        }
        // So it says that it does not believe a certificate.
        Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            StoreError::caused(UNENCRYPTED, error).permanent()
        }
        Error::Io(error) => StoreError::caused(AWAY, error),
        Error::Tls(error) => {
            StoreError::caused(UNENCRYPTED, Told { message: error.to_string(), code: String::new() }).permanent()
        }
        // What is configured may hold the password.
        Error::Configuration(_) => {
            StoreError::new("the way to the PostgreSQL server is configured in a way that cannot be understood")
                .permanent()
        }
        error => StoreError::caused("PostgreSQL answered in a way that cannot be understood", error),
    }
}

/// Whether the server will say the same until somebody changes something: user, database, tables, rights, or the key.
fn is_permanent(code: &str) -> bool {
    const CODES: [&str; 11] =
        ["28P01", "28000", "3D000", "3F000", "42P01", "42703", "42501", "25006", "22021", "22P05", "54000"];
    CODES.contains(&code)
}

fn advice(code: &str) -> &'static str {
    match code {
        "28P01" | "28000" => "the PostgreSQL server does not let this user in; give the right user and password",
        "3D000" => "the PostgreSQL database does not exist; create it, or name another one",
        "3F000" | "42P01" | "42703" => MISSING,
        "42501" => {
            "the PostgreSQL user may not do this; grant it SELECT, INSERT, UPDATE and DELETE on the tables \
             `idempotently_…` and USAGE on the sequence, and CREATE on the schema where the store creates them"
        }
        "53300" => "the PostgreSQL server has no connection left; a store needs up to four",
        "53100" | "53200" => "the PostgreSQL server is out of disk or memory; make room",
        "25006" => "the PostgreSQL server only reads; name the primary",
        "40001" | "40P01" => "others were in the way in PostgreSQL",
        "57014" => {
            "PostgreSQL ended the statement at its time limit; raise `statement_timeout`, or see what holds it up"
        }
        "57P01" | "57P02" | "57P03" => "the PostgreSQL server is starting or stopping; ask again",
        "22021" | "22P05" => "the PostgreSQL database cannot hold this text; use one in the encoding UTF8",
        "54000" => "the key is too long for PostgreSQL; use a shorter one",
        _ => "PostgreSQL answered with an error",
    }
}

/// What the server said.
#[derive(Debug)]
struct Told {
    message: String,
    code: String,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code.as_str() {
            "" => f.write_str(&self.message),
            code => write!(f, "{} (SQLSTATE {code})", self.message),
        }
    }
}

impl StdError for Told {}

#[cfg(test)]
mod tests {
    use super::is_permanent;

    #[test]
    fn what_an_operator_must_change_is_told_from_what_passes() {
        for code in ["28P01", "3D000", "42P01", "42501", "25006"] {
            assert!(is_permanent(code), "{code}");
        }
        for code in ["40001", "40P01", "53300", "57014", "57P01", "57P03", "08006", ""] {
            assert!(!is_permanent(code), "{code}");
        }
    }
}
