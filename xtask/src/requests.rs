//! Makes the payment requests that `examples/checkout` serves: a minute of a shop on a busy morning, as a payment
//! server sees it. The same seed makes the same file, so the file can be checked against this code.

mod clients;
mod damage;
mod random;
mod shop;

use std::fs;
use std::path::PathBuf;

use crate::shell::{Failure, root, say};
use random::Random;

/// How many different payments customers mean to make.
const PAYMENTS: usize = 2_150;
/// When the last of them is begun; what is sent again comes later.
const LAST_START_MS: u64 = 48_000;

/// Writes `examples/data/requests.jsonl`.
pub(crate) fn write() -> Result<(), Failure> {
    let (path, lines) = (path(), generate());
    fs::write(&path, lines.concat())
        .map_err(|error| Failure::new(format!("{} cannot be written: {error}", path.display())))?;
    say(&format!("{} lines written to {}", lines.len(), path.display()));
    Ok(())
}

fn path() -> PathBuf {
    root().join("examples/data/requests.jsonl")
}

/// The lines of the file, each with its end.
fn generate() -> Vec<String> {
    let mut random = Random::new(0x001d_e3b0_7e17);
    let mut sent = Vec::new();
    for _ in 0..PAYMENTS {
        let payment = shop::payment(&mut random, LAST_START_MS);
        clients::send(&mut random, &payment, &mut sent);
    }
    // A stable sort: what one client sends in one millisecond keeps its order.
    sent.sort_by_key(|request| request.at);
    let mut lines = sent.iter().map(|request| request.line() + "\n").collect();
    damage::insert(&mut random, &mut lines);
    lines
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{generate, path};

    #[test]
    fn the_committed_file_is_what_the_generator_makes() {
        let committed = fs::read_to_string(path()).unwrap_or_default();
        assert!(committed == generate().concat(), "run `cargo xtask requests` and look at the difference");
    }

    #[test]
    fn it_is_about_four_thousand_lines() {
        assert!((3_800..4_300).contains(&generate().len()), "{} lines", generate().len());
    }
}
