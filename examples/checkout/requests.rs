//! The log: one request a line. A line that is none is reported and costs nothing else.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};

use serde::{Deserialize, Serialize};

use crate::arguments::Source;

/// What a client asks to be charged.
#[derive(Debug, Deserialize)]
#[serde(expecting = "a request")]
pub(crate) struct Payment {
    pub(crate) id: String,
    pub(crate) customer: String,
    /// In the smallest unit of the currency.
    pub(crate) amount: u64,
    pub(crate) currency: Currency,
    pub(crate) card: String,
    /// When the request arrived (RFC 3339).
    at: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Currency {
    Eur,
    Gbp,
    Jpy,
    Sek,
    Usd,
}

/// The log as it was read.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) payments: Vec<Payment>,
    pub(crate) malformed: Vec<Malformed>,
}

/// A line that is no request.
#[derive(Debug)]
pub(crate) struct Malformed {
    line: usize,
    reason: String,
}

impl Payment {
    /// The second in which the request arrived.
    pub(crate) fn second(&self) -> &str {
        self.at.split('.').next().unwrap_or(&self.at)
    }
}

impl Currency {
    /// The letters of ISO 4217.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Eur => "EUR",
            Self::Gbp => "GBP",
            Self::Jpy => "JPY",
            Self::Sek => "SEK",
            Self::Usd => "USD",
        }
    }

    /// How many of its smallest units make one.
    pub(crate) fn units(self) -> u128 {
        if self == Self::Jpy { 1 } else { 100 }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}: {}", self.line, self.reason)
    }
}

/// Reads all of it; only a source that cannot be read is an error.
pub(crate) fn read(source: &Source) -> Result<Log, String> {
    let mut bytes = Vec::new();
    match source {
        Source::Stdin => io::stdin().read_to_end(&mut bytes).map_err(|error| format!("stdin: {error}"))?,
        Source::File(path) => File::open(path)
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .map_err(|error| format!("{}: {error}", path.display()))?,
    };
    Ok(parse(&bytes))
}

fn parse(bytes: &[u8]) -> Log {
    let mut log = Log::default();
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if bytes.is_empty() {
        return log;
    }
    for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        match request(line) {
            Ok(payment) => log.payments.push(payment),
            Err(reason) => log.malformed.push(Malformed { line: index + 1, reason }),
        }
    }
    log
}

fn request(line: &[u8]) -> Result<Payment, String> {
    let line = str::from_utf8(line).map_err(|error| format!("not UTF-8: {error}"))?;
    if line.trim().is_empty() {
        return Err("empty".to_owned());
    }
    let payment: Payment = serde_json::from_str(line).map_err(|error| without_line(&error))?;
    if payment.id.trim().is_empty() {
        return Err("`id` is empty".to_owned());
    }
    if payment.amount == 0 {
        return Err("`amount` is zero".to_owned());
    }
    Ok(payment)
}

/// The parser sees one line at a time, so its own line number is always 1.
fn without_line(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column ", " at column ")
}
